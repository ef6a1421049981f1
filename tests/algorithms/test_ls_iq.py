import implied
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import transitions

from imitax.agents.start import Start
from imitax.algorithms import ls_iq
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import CriticConfig, Normalizer
from imitax.types import Batch

BASE = override(
    ls_iq.Config(),
    **implied.SMALL,
    terminal=Terminal("mask"),
    temperature=Temperature("fixed", initial=implied.NO_ENTROPY),
)
ONE = override(BASE, critic=CriticConfig(hidden=(8,), members=1))


def start(cfg):
    return ls_iq.init(cfg, Start(implied.SPEC, Normalizer.identity(2), jr.key(0)))


def terms(cfg, expert, replay, values=(3.0,), target=(3.0,)):
    state = implied.with_values(start(cfg), values, target)
    loss, metrics = ls_iq.critic_loss(state.agent.critic.net, state.agent, (expert, replay), cfg, jr.key(1))
    parts = [float(metrics[name]) for name in ("expert_loss", "learner_loss")]
    assert float(loss) == pytest.approx(sum(parts), rel=1e-5)
    return parts, metrics


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (0.25, 12.25)),  # (3 - (2 + 1.5))^2, (3 - (-2 + 1.5))^2
        ({"expert_term": "fix"}, (1, 12.25)),  # (3 - 4)^2
        ({"learner_term": "value"}, (0.25, 12.25)),
        ({"learner_term": "value_replay"}, (0.25, 12.25)),
        ({"td_loss": TdLoss("huber", delta=1.0), "expert_term": "fix"}, (1, 6)),
        ({"reward_expert": -1.0, "expert_term": "fix"}, (25, 25)),  # (3 + 2)^2; V(s') is clipped to 0: (3 + 2)^2
        ({"reward_expert": 1.0, "reward_learner": 0.0, "clip": False}, (0.25, 2.25)),
    ],
)
def test_the_loss_by_hand(change, expected):
    """gamma = 0.5 and Q = 3, so that gamma V(s') = 1.5 and the largest value is 2 / (1 - gamma) = 4."""
    parts, _ = terms(override(ONE, **change), transitions(), transitions(seed=1))
    np.testing.assert_allclose(parts, expected, rtol=1e-4)


def test_implied_rewards_and_the_clip():
    _, metrics = terms(BASE, transitions(), transitions(), (3.0, 5.0), (100.0, 90.0))  # V(s') is clipped to 4
    assert float(metrics["reward_expert"]) == pytest.approx(4 - 0.5 * 4, rel=1e-4)
    assert float(metrics["reward_learner"]) == pytest.approx(4 - 0.5 * 4, rel=1e-4)
    _, metrics = terms(override(BASE, clip=False), transitions(), transitions(), (3.0, 5.0), (100.0, 90.0))
    assert float(metrics["reward_expert"]) == pytest.approx(4 - 0.5 * 90, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "targets"),
    [("none", (3.5, -0.5)), ("mask", (2, -2)), ("absorbing", (3.5, -0.5)), ("closed_form", (4, -4))],
)
def test_targets_at_the_end_by_hand(kind, targets):
    """closed_form: r / (1 - gamma). absorbing: r plus half of what the end is worth, 3."""
    cfg = override(ONE, terminal=Terminal(kind))
    ended = transitions(terminated=True)
    parts, metrics = terms(cfg, ended, ended)
    np.testing.assert_allclose(parts, [(3 - y) ** 2 for y in targets], rtol=1e-4)
    step = 0.5 if kind == "closed_form" else 1.0
    y_end = {"none": 1.5, "mask": 0.0, "absorbing": 1.5, "closed_form": 0.0}[kind]
    assert float(metrics["reward_expert"]) == pytest.approx(step * (3 - y_end), rel=1e-4)


@pytest.mark.parametrize("reward", [2.0, -2.0])
def test_closed_form_is_the_fixed_point_of_absorbing(reward):
    """Where the absorbing state is worth r / (1 - gamma), both have the same targets and no error is left."""
    t, value = transitions(4, terminated=True, absorbing=4), reward / (1 - 0.5)
    for kind in ("closed_form", "absorbing"):
        cfg = override(ONE, terminal=Terminal(kind))
        parts, _ = terms(cfg, t, t, (value,), (value,))
        assert parts[0 if reward > 0 else 1] == pytest.approx(0, abs=1e-6)


def test_closed_form_leaves_absorbing_transitions_out():
    cfg = override(ONE, terminal=Terminal("closed_form"), learner_term="value")
    short, long = transitions(4, terminated=True), transitions(4, terminated=True, absorbing=3)
    np.testing.assert_allclose(terms(cfg, short, short)[0], terms(cfg, long, long)[0], rtol=1e-5)


def test_the_bound_in_a_small_mdp():
    """Both parts bootstrapped: r = (rho_E - rho) / (c (rho_E + rho)), IQ-Learn's with 4a = 1 / c, is where it rests."""
    mdp = implied.Tabular()
    cfg = override(ls_iq.Config(), gamma=mdp.gamma, reward_expert=2.0, reward_learner=-2.0)
    expert, learner = mdp.occupancy(mdp.expert), mdp.occupancy(mdp.other)
    r = 2 * (expert - learner) / (expert + learner)
    q = jnp.zeros_like(r)
    for _ in range(200):
        q = r + mdp.target((mdp.other * q).sum(1))
    low, high = cfg.bounds()
    assert (low, high) == pytest.approx((-10, 10))
    assert (jnp.abs(r) <= 2).all()
    assert ((low <= q) & (q <= high)).all()
    y = mdp.target(jnp.clip((mdp.other * q).sum(1), low, high))

    def loss(q):
        on_expert, on_replay = (cfg.agent.td_loss(q - r - y) for r in (cfg.reward_expert, cfg.reward_learner))
        return (expert * on_expert + learner * on_replay).sum()

    np.testing.assert_allclose(jax.grad(loss)(q), np.zeros_like(q), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"policy_optimizer": implied.STILL, "polyak": 0.0, "learner_term": "value"}, {"critic"}),
        ({"critic_optimizer": implied.STILL, "polyak": 0.0}, {"actor"}),
    ],
)
def test_each_step_reaches_its_own_network(change, expected):
    cfg = override(BASE, **change)
    before = start(cfg)
    after, _ = ls_iq.update(before, Batch(transitions(), transitions(seed=1)), cfg, jr.key(2))
    assert implied.moved(before, after) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [({"terminal": Terminal("reward_flag")}, "reward_flag"), ({"reward_learner": 3.0}, "higher than reward_learner")],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        override(ls_iq.Config(), **change)
