"""RMIRL's model, which turns against the policy's advantage."""

from dataclasses import replace

import counting
import equinox as eqx
import implied
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import transitions
from modelled import CONFIGS, LINEAR, SCALED, moved, recorded, rolled_out, start, with_reward

from imitax.agents.adversarial_model import AdversarialModel
from imitax.algorithms import omlirl, rmirl
from imitax.buffers import Buffers
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.networks import CriticConfig

WEIGHTS = np.array([1.0, -0.5, 2.0])
ROBUST = override(
    CONFIGS[rmirl],
    **LINEAR,
    critic=CriticConfig(hidden=()),
    pessimism=Pessimism("none"),
    adversary=AdversarialModel(steps=2),
)


def advantages(cfg, t, end=0.0):
    """Critics of 3 and 5, their targets of 7 and 9, higher by `end` in the absorbing state."""
    state = implied.with_values(start(rmirl, cfg), (3.0, 5.0), (7.0, 9.0))
    state = with_reward(state, *WEIGHTS, *([4.0] if cfg.agent.terminal.flagged else []))
    if end:
        rows = state.agent.critic.net.mlp.weights[0].at[:, -1, 0].set(end)
        state = eqx.tree_at(lambda s: s.agent.critic.net.mlp.weights[0], state, rows)
    return np.asarray(rmirl.advantage(state, t, cfg, jr.key(4))), state


def by_hand(t):
    return np.concatenate([np.asarray(t.obs), np.asarray(t.action)], 1) @ WEIGHTS


@pytest.mark.parametrize(
    ("kind", "end", "whole"),
    [
        ("none", lambda r: r + 0.5 * 3 - 3, 0.0),
        ("mask", lambda r: r - 3, 0.0),
        ("reward_flag", lambda r: 4.0 - 3 + 0 * r, 0.0),
        ("closed_form", lambda r: r + 0.5 * 4 / (1 - 0.5) - 3, 0.0),
        ("absorbing", lambda r: r + 0.5 * (3 + 10) - 3, 10.0),
    ],
)
def test_the_advantage_by_hand(kind, end, whole):
    """`r + gamma V(s') - Q(s, a)` of the critics of today, of which the smaller says 3."""
    t = transitions(4)
    t = replace(t, terminated=jnp.arange(4) == 2)
    got, _ = advantages(override(ROBUST, terminal=Terminal(kind)), t, whole)
    r = by_hand(t)
    np.testing.assert_allclose(got, np.where(t.terminated, end(r), r + 0.5 * 3 - 3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("entropy", [True, False])
def test_the_entropy_and_the_clip_of_the_advantage(entropy):
    cfg = override(ROBUST, temperature=Temperature("fixed", initial=2.0), adversary_entropy=entropy)
    t = transitions(4)
    got, state = advantages(cfg, t)
    bonus = -2 * np.asarray(state.agent.actor.net.sample(t.next_obs, jr.key(4))[1])
    assert np.abs(bonus).max() > 0.1
    np.testing.assert_allclose(got, by_hand(t) + 0.5 * (3 + entropy * bonus) - 3, rtol=1e-4, atol=1e-5)
    cfg = override(ROBUST, td_loss=TdLoss(value_clip=2.0), adversary_entropy=entropy)
    np.testing.assert_allclose(advantages(cfg, t)[0], by_hand(t) + 0.5 * 2 - 2, rtol=1e-4, atol=1e-5)


def test_the_models_turn_changes_the_model_alone_and_comes_before_the_rewards():
    cfg = override(ROBUST, adversary=AdversarialModel(every=7, steps=2, batch_size=4), reward_every=5)
    assert rmirl.schedule(cfg).turns == ((7, rmirl.model_turn), (5, rmirl.reward_turn))
    assert omlirl.schedule(CONFIGS[omlirl]).turns == ((10, omlirl.reward_turn),)
    before = start(rmirl, cfg, SCALED, counting.SPEC, counting.model())
    buffers = Buffers(expert=recorded(), offline=recorded(), rollouts=rolled_out())
    after, metrics = rmirl.model_turn(before, buffers, cfg, jr.key(0))
    assert moved(before, after) == {"dynamics"}
    assert np.isfinite(metrics["model_loss"])
