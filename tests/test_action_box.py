"""Boxes of actions as an environment sees them."""

import equinox as eqx
import gymnasium as gym
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.action_box import BoxActions
from imitax.errors import ConfigError
from imitax.networks import PolicyConfig
from imitax.networks.policy import TanhGaussian
from imitax.spaces import Leaf, ObservationSpace, Spec


@pytest.mark.parametrize("bound", [0.1, 0.7, 1.0, 1 / 3])
def test_actions_lie_within_bounds_of_float64(bound):
    space = gym.spaces.Box(-bound, bound, (3,), np.float64)
    box = BoxActions.of(space.low, space.high)
    edge = np.array([[-bound, 0.05, bound], [np.nextafter(np.float32(bound), np.float32(2)), -bound, 0.0]], np.float32)
    given = box.env(edge)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, edge, rtol=1e-6)
    assert given[0, 1] == edge[0, 1]
    assert space.contains(given[0])
    if bound != 1:  # where float32 has the bound itself, nothing is changed
        assert space.contains(given[1])


def test_an_open_side_has_no_end():
    box = BoxActions.of((-np.inf, -1.0), (0.1, np.inf))
    np.testing.assert_array_equal(box.env(np.array([-1e6, 1e6], np.float32)), [-1e6, 1e6])


@pytest.mark.parametrize("sampled", [True, False])
def test_a_saturated_policy_stays_in_the_box(sampled):
    """Joints of a Franka arm: half of the width, added to the middle, rounds beyond the bound."""
    space = gym.spaces.Box(np.float32([-2.8973, -3.0718]), np.float32([2.8973, -0.0698]))
    spec = Spec(ObservationSpace((Leaf((2,)),)), BoxActions.of(space.low, space.high))
    net = TanhGaussian(spec, PolicyConfig(hidden=(8,)), key=jr.key(0))
    net = eqx.tree_at(lambda n: n.mlp.biases[-1], net, net.mlp.biases[-1] + 20.0)
    obs = jnp.zeros((200, 2))
    actions = spec.action.env(np.asarray(net.sample(obs, jr.key(1))[0] if sampled else net.mode(obs)))
    assert all(space.contains(action) for action in actions)


def test_the_caller_gets_an_array_of_its_own():
    own = np.zeros(2, np.float32)
    own.setflags(write=False)
    given = BoxActions.of((-1.0, -1.0), (1.0, 1.0)).env(own)
    given += 1
    assert own.sum() == 0


def test_a_dimension_that_never_changes():
    with pytest.raises(ConfigError, match=r"must be low < high, .*: dimension 1 never changes, leave it out"):
        BoxActions.of((-1.0, 2.0), (1.0, 2.0))
