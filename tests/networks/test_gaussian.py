"""The Gaussian policy without tanh, against numbers worked out by hand."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import norm

from imitax.networks import Gaussian, PolicyConfig, TanhGaussian, policy_head
from imitax.spaces import BoxActions, Leaf, ObservationSpace, Spec

BOX = BoxActions((-2.0, 0.0), (4.0, 1.0), (True, False), (True, True))
"""Range -2 to 4 without bounds, middle 1 and half 3; from 0 on, range to 1, middle and half 0.5."""
SPEC = Spec(ObservationSpace((Leaf((3,)),)), BOX)
OBS = jnp.zeros((4000, 3))
MEAN, STD = 1 + 3 * 2.0, 3 * 0.5
"""Of the first action: two half-widths from the middle, outside of the range. The second has mean 0.5 - 0.5 * 0.8."""


@pytest.fixture(scope="module")
def actor():
    """A constant Gaussian: loc 2 and -0.8, standard deviation 0.5."""
    net = Gaussian(SPEC, PolicyConfig(hidden=(4,), log_std_min=-3.0, log_std_max=2.0), key=jr.key(0))
    raw = np.arctanh((np.log(0.5) + 3) / 5 * 2 - 1)
    last = (jnp.zeros_like(net.mlp.weights[-1]), jnp.array([2.0, -0.8, raw, raw], jnp.float32))
    return eqx.tree_at(lambda n: (n.mlp.weights[-1], n.mlp.biases[-1]), net, last)


def test_log_probability(actor):
    action = np.array([[7.0, 0.1], [1000.0, 0.5], [-3.0, 0.0]])
    expected = norm(MEAN, STD).logpdf(action[:, 0]) + norm(0.1, 0.25).logpdf(action[:, 1])
    np.testing.assert_allclose(actor.log_prob(OBS[:3], jnp.asarray(action, jnp.float32)), expected, rtol=1e-5)


def test_the_mode_is_the_mean_within_the_bounds_that_there_are(actor):
    np.testing.assert_allclose(actor.mode(OBS[:1]), [[MEAN, 0.1]], rtol=1e-5)
    below = eqx.tree_at(lambda n: n.mlp.biases[-1], actor, actor.mlp.biases[-1].at[:2].set(jnp.array([-9.0, -9.0])))
    np.testing.assert_allclose(below.mode(OBS[:1]), [[1 - 27, 0.0]], rtol=1e-5)


def test_samples(actor):
    action, logp = actor.sample(OBS, jr.key(1))
    first, second = np.asarray(action).T
    assert first.mean() == pytest.approx(MEAN, abs=0.1)
    assert first.std() == pytest.approx(STD, abs=0.1)
    assert second.min() == 0
    assert (second == 0).mean() == pytest.approx(norm(0.1, 0.25).cdf(0), abs=0.03)
    inside = second > 0
    np.testing.assert_allclose(np.asarray(logp)[inside], np.asarray(actor.log_prob(OBS, action))[inside], rtol=1e-3)


def test_choices_are_samples(actor):
    one = actor.choices(OBS[:5], jr.key(2))
    np.testing.assert_array_equal(one.action[0], actor.sample(OBS[:5], jr.key(2))[0])
    several = actor.choices(OBS[:5], jr.key(2), 3)
    assert (several.action.shape, several.log_prob.shape, several.weight) == ((3, 5, 2), (3, 5), None)


def test_only_an_open_box_has_it():
    cfg, key = PolicyConfig(hidden=(4,)), jr.key(0)
    assert isinstance(policy_head(SPEC, cfg, key=key), Gaussian)
    assert isinstance(policy_head(Spec(SPEC.observation, BOX.closed), cfg, key=key), TanhGaussian)
