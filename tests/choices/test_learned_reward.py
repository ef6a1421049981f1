import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.choices.discrimination import RewardHead
from imitax.choices.discriminator import create_reward
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.networks import Normalizer, RewardConfig
from imitax.spaces import Spec

SPEC = Spec.flat(2, (-1.0,), (0.5,))


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_above_the_end_all_values_are_as_much_lower(gamma):
    """Masked targets of these rewards and of lower values are those of closed_form, R / (1 - gamma) lower."""
    terminal = Terminal("closed_form")
    net = create_reward(RewardConfig(hidden=(8,)), SPEC, terminal, gamma, jr.key(0), "float32")
    saved = LearnedReward(Normalizer.identity(2), net, terminal, RewardHead("logit"), 1.0)
    ended, rewards = jnp.array([False, True]), jnp.array([1.0, 2.0])
    v_next = jnp.array([3.0, 4.0])
    lower = saved.absorbing() / (1 - gamma)
    masked = saved.above_end(rewards, ended, 0.8) + gamma * Terminal("mask").next_value(v_next - lower, ended)
    closed = rewards + gamma * terminal.next_value(v_next, ended, lower)
    np.testing.assert_allclose(masked, closed - lower, rtol=1e-5)
    assert saved.after_end() == pytest.approx(float(saved.absorbing()))


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_above_ends_of_their_own_all_values_are_as_much_lower(gamma):
    """A terminating step has in its own reward the rest of R / (1 - gamma), with the learner's discount."""
    terminal = Terminal("stay")
    net = create_reward(RewardConfig(hidden=(8,)), SPEC, terminal, 0.8, jr.key(0), "float32")
    saved = LearnedReward(Normalizer.identity(2), net, terminal, RewardHead("logit"), 1.0)
    ended, v_next = jnp.array([False, True, True]), jnp.array([3.0, 4.0, 5.0])
    x = jnp.arange(6.0).reshape(3, 2)
    rewards = saved(x, x[:, :1], x[::-1], ended)
    assert rewards[1] != rewards[2]  # two ends
    whole = rewards + gamma * terminal.next_value(v_next, ended, rewards / (1 - gamma))
    np.testing.assert_allclose(whole[1:], rewards[1:] / (1 - gamma), rtol=1e-5)
    above = saved.above_end(rewards, ended, gamma)
    lower = whole[0] - (above[0] + gamma * v_next[0])  # of one step
    masked = above + gamma * Terminal("mask").next_value(v_next - lower / (1 - gamma), ended)
    np.testing.assert_allclose(masked, whole - lower / (1 - gamma), rtol=1e-4)
    assert saved.after_end() is None
