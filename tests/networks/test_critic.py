"""Critics with one output for each action of a finite set."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.networks import Categorical, Critic, CriticConfig, CriticInput, PolicyConfig, TanhGaussian
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec

SPACE = FiniteActions((2, 3), (0, 0), (2,))
SPEC = Spec(ObservationSpace((Leaf((2,)),)), SPACE)
CFG = CriticConfig(hidden=(4,))
OBS = jnp.array([[0.3, -0.2], [1.0, 0.5]])


@pytest.fixture(scope="module")
def critic():
    return Critic(SPEC, CFG, flagged=True, key=jr.key(0))


def outputs(critic, obs, flag=0.0):
    return critic.mlp(jnp.concatenate([obs, jnp.full((len(obs), 1), flag)], 1))  # [N B K]


def test_a_one_hot_action_selects_its_output(critic):
    values = outputs(critic, OBS)
    assert values.shape == (2, 2, 6)
    for k, action in enumerate(SPACE.joint()):
        q = critic(OBS, jnp.asarray(np.stack([action, action])))
        np.testing.assert_allclose(q, values[..., k], rtol=1e-6)


def test_the_zero_action_selects_the_mean_of_the_absorbing_state(critic):
    q = critic(jnp.zeros((1, 2)), jnp.zeros((1, 5)), jnp.ones(1))
    np.testing.assert_allclose(q, outputs(critic, jnp.zeros((1, 2)), 1.0).mean(-1), rtol=1e-5)


def test_values_of_all_actions_are_those_of_each(critic):
    actor = Categorical(SPEC, PolicyConfig(hidden=(4,)), key=jr.key(1))
    choices = actor.choices(OBS, jr.key(2))
    each = jnp.stack([critic(OBS, action) for action in choices.action], axis=1)  # [N M B]
    np.testing.assert_allclose(critic.among(OBS, choices), each, rtol=1e-5)
    absorbing = jnp.array([True, False])
    absorbed = choices.absorbed(absorbing)
    value = absorbed.mean(critic.among(OBS, absorbed, absorbing))
    np.testing.assert_allclose(value[:, 0], critic(OBS, jnp.zeros((2, 5)), absorbing)[:, 0], rtol=1e-5)


def test_the_slope_along_an_action_is_the_difference_to_the_mean():
    spec = Spec(ObservationSpace((Leaf((2,)),)), FiniteActions((3,), (0,)))
    critic = Critic(spec, CFG, key=jr.key(0))
    values = critic.mlp(OBS)  # [N B K]
    copies = CriticInput(jnp.stack([OBS] * 2), jnp.zeros((2, 2, 3)).at[..., 1].set(1.0), jnp.zeros((2, 2)))
    slope = jax.grad(lambda x: critic.at(x).sum())(copies).action
    np.testing.assert_allclose(slope, values - values.mean(-1, keepdims=True), rtol=1e-4, atol=1e-6)


def test_samples_of_a_box_are_valued_one_by_one():
    spec = Spec.flat(2, (-1.0,), (1.0,))
    actor, critic = TanhGaussian(spec, PolicyConfig((4,)), key=jr.key(1)), Critic(spec, CFG, key=jr.key(0))
    one, several = actor.choices(OBS, jr.key(2)), actor.choices(OBS, jr.key(2), 3)
    np.testing.assert_array_equal(one.action[0], actor.sample(OBS, jr.key(2))[0])
    np.testing.assert_array_equal(critic.among(OBS, one)[:, 0], critic(OBS, one.action[0]))
    each = jnp.stack([critic(OBS, action) for action in several.action], axis=1)
    np.testing.assert_allclose(critic.among(OBS, several), each, rtol=1e-5)
    np.testing.assert_allclose(several.mean(each), each.mean(1), rtol=1e-6)
