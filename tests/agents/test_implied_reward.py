"""Implied rewards of constant critics, and what the end is in them."""

from dataclasses import replace

import implied as shared
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import transitions

from imitax.agents.actor_critic import SoftActorCritic, create
from imitax.agents.implied_reward import half_means, implied, policy_actions, step_share
from imitax.agents.start import Start
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.networks import Normalizer
from imitax.types import concat

NO_ENTROPY = Temperature("fixed", initial=shared.NO_ENTROPY)


def start(cfg):
    return create(cfg, Start(shared.SPEC, Normalizer.identity(2), jr.key(0)), jr.key(0))


@pytest.mark.parametrize(
    ("kind", "y", "shares", "mask"),
    [
        ("mask", (1.5, 0, 0), (1, 1, 1), (1, 1, 0)),
        ("none", (1.5, 1.5, 1.5), (1, 1, 1), (1, 1, 0)),
        ("closed_form", (1.5, 0, 0), (1, 0.5, 0.5), (1, 1, 0)),
        ("absorbing", (1.5, 1.5, 1.5), (1, 1, 1), (1, 1, 1)),
    ],
)
def test_the_reward_of_a_step_by_hand(kind, y, shares, mask):
    """An ordinary step, one into the end, an absorbing one; critics of 3 and 5, the target's V(s') is 3."""
    cfg = SoftActorCritic(**shared.SMALL, terminal=Terminal(kind), temperature=NO_ENTROPY)
    agent = start(cfg)
    critic = shared.constant(agent.critic.net, 3.0, 5.0)
    agent = replace(agent, target=shared.constant(agent.target, 7.0, 3.0))
    t = concat(transitions(1), transitions(1, terminated=True, absorbing=1))
    x = implied(critic, agent, t, cfg, jr.key(1))
    np.testing.assert_allclose(x.q, [[3] * 3, [5] * 3], rtol=1e-6)
    np.testing.assert_allclose(x.y, y, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(x.share, shares)
    np.testing.assert_array_equal(x.share, step_share(cfg, t))
    np.testing.assert_allclose(x.reward, np.array(shares) * (np.array([[3], [5]]) - y), rtol=1e-4)
    np.testing.assert_array_equal(x.mask, mask)


def test_the_absorbing_state_has_neither_action_nor_entropy():
    cfg = SoftActorCritic(**shared.SMALL, temperature=Temperature("fixed", initial=0.5))
    agent, t = start(cfg), transitions(3, absorbing=2)
    action, bonus = policy_actions(agent, t, jr.key(1))
    drawn, logp = agent.actor.net.sample(t.obs, jr.key(1))
    np.testing.assert_array_equal(action[:3], drawn[:3])
    np.testing.assert_allclose(bonus[:3], -0.5 * logp[:3], rtol=1e-6)
    np.testing.assert_array_equal(action[3:], 0)
    np.testing.assert_array_equal(bonus[3:], 0)


def test_means_of_the_halves():
    x = jnp.array([[1.0, 3.0, 10.0, 20.0], [5.0, 7.0, 30.0, 50.0]])
    first, second = half_means(x, jnp.array([1.0, 1.0, 0.0, 1.0]))
    assert (float(first), float(second)) == (4.0, 35.0)
