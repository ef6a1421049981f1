from dataclasses import replace

import equinox as eqx
import implied
import jax.numpy as jnp
import jax.random as jr
import modelled
import numpy as np
import pytest
from implied import STILL, transitions

from imitax.agents.adversarial_model import AdversarialModel
from imitax.algorithms import rmirl_implicit
from imitax.buffers import Buffer, Buffers, Stored
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.config import override
from imitax.errors import ConfigError
from imitax.networks import CriticConfig
from imitax.types import Batch

BASE = override(rmirl_implicit.Config(), **modelled.COMMON | {"batch_size": 4})
ONE = override(BASE, critic=CriticConfig(hidden=(), members=1))


def start(cfg, normalizer=None):
    return modelled.start(rmirl_implicit, cfg, normalizer)


def critic_terms(state, expert, other, cfg):
    agent = state.agent
    return rmirl_implicit.critic_loss(agent.critic.net, agent, expert, other, cfg, jr.key(1))


def terms(cfg, expert, other, values=(3.0,), target=(3.0,)):
    state = implied.with_values(start(cfg), values, target)
    return critic_terms(state, expert, other, cfg)


def linear(cfg, *weights, bias=0.0):
    """Q and its target are `w . (s, a[, flag]) + bias`, without hidden layers."""
    cfg = override(cfg, critic=CriticConfig(hidden=(), members=1))
    state = start(cfg)
    layer = ((jnp.asarray(weights, jnp.float32)[None, :, None],), (jnp.full((1, 1), bias),))
    where = [lambda s: (s.agent.critic.net.mlp.weights, s.agent.critic.net.mlp.biases)]
    where.append(lambda s: (s.agent.target.mlp.weights, s.agent.target.mlp.biases))
    for nets in where:
        state = eqx.tree_at(nets, state, layer)
    return cfg, state


def test_the_loss_by_hand():
    """Q is the action."""
    cfg, state = linear(override(BASE, policy_weight=0.3, td_weight=0.2), 0.0, 0.0, 1.0)
    expert, other = transitions(), transitions(seed=1)
    loss, metrics = critic_terms(state, expert, other, cfg)
    kv, kn, _ = jr.split(jr.key(1), 3)
    q_expert, q_other = (np.asarray(t.action)[:, 0] for t in (expert, other))
    q_policy = np.asarray(state.agent.actor.net.sample(expert.obs, kv)[0])[:, 0]
    following = jnp.concatenate([expert.next_obs, other.next_obs])
    r = np.concatenate([q_expert, q_other]) - 0.5 * np.asarray(state.agent.actor.net.sample(following, kn)[0])[:, 0]
    known = {
        "q_expert": q_expert.mean(),
        "q_other": q_other.mean(),
        "q_policy_expert": q_policy.mean(),
        "contrast": q_other.mean() - q_expert.mean() + 0.3 * (q_policy.mean() - q_expert.mean()),
        "td": (r**2).mean(),
        "reward_expert": r[:4].mean(),
        "reward_other": r[4:].mean(),
        "penalty": 0.0,  # a slope of 1 is within the margin
        "gradient_norm": 1.0,
    }
    known["critic_loss"] = known["contrast"] + 0.2 * known["td"]
    assert {k: float(v) for k, v in metrics.items()} == pytest.approx(known, rel=1e-4, abs=1e-6)
    assert float(loss) == float(metrics["critic_loss"])
    assert abs(known["contrast"]) > 0.05


def test_the_td_term_of_two_critics_by_hand():
    """Critics of 3 and 5, targets of 7 and 9: implied rewards are 3 - 7 / 2 and 5 - 7 / 2."""
    loss, metrics = terms(BASE, transitions(), transitions(), (3.0, 5.0), (7.0, 9.0))
    known = {"td": 1.25, "reward_expert": 0.5, "reward_other": 0.5, "contrast": 0.0, "q_expert": 4.0, "penalty": 0.0}
    assert {k: float(metrics[k]) for k in known} == pytest.approx(known, rel=1e-4, abs=1e-5)
    assert float(loss) == pytest.approx(0.5 * 1.25, rel=1e-4)
    cfg = override(BASE, td_loss=TdLoss("huber", delta=1.0, value_clip=2.0))
    _, metrics = terms(cfg, transitions(), transitions(), (3.0, 5.0), (7.0, 9.0))
    assert float(metrics["td"]) == pytest.approx((3 + 7) / 2, rel=1e-4)  # of errors 2 and 4
    _, metrics = terms(ONE, transitions(), transitions(), (600.0,), (7000.0,))
    assert float(metrics["td"]) == pytest.approx(100**2, rel=1e-4)  # the default's clip is 1000


def test_the_penalty_is_at_both_and_beyond_its_margin():
    cfg, state = linear(BASE, 0.0, -603.0, 0.5)
    loss, metrics = critic_terms(state, transitions(), transitions(seed=1), cfg)
    parts = {k: float(metrics[k]) for k in ("contrast", "td", "penalty")}
    assert parts["penalty"] == pytest.approx(10 * 9, rel=1e-4)
    assert float(loss) == pytest.approx(parts["contrast"] + 0.5 * parts["td"] + parts["penalty"], rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "td", "reward"),
    [
        ("none", 1.5**2, 1.5),
        ("mask", 3.0**2, 3.0),
        ("closed_form", (1 - 0.5) * 3.0**2, (1 - 0.5) * 3.0),
        ("absorbing", (3 - 0.5 * 5) ** 2, 3 - 0.5 * 5),
    ],
)
def test_transitions_into_the_end_by_hand(kind, td, reward):
    """Q = 3, in the absorbing state 5; entropy weighs on values of real states alone."""
    ended = transitions(terminated=True)
    weights = [0.0] * 3 + [2.0] * (kind == "absorbing")
    entropy = implied.NO_ENTROPY if kind == "none" else 2.0
    cfg = override(BASE, terminal=Terminal(kind), temperature=Temperature("fixed", initial=entropy))
    cfg, state = linear(cfg, *weights, bias=3.0)
    _, metrics = critic_terms(state, ended, ended, cfg)
    assert float(metrics["td"]) == pytest.approx(td, rel=1e-4)
    for name in ("reward_expert", "reward_other"):
        assert float(metrics[name]) == pytest.approx(reward, rel=1e-4)
    assert float(metrics["contrast"]) == pytest.approx(0, abs=1e-5)


def test_absorbing_transitions_count_where_they_are_states():
    """Four terminating transitions, then four of the absorbing state: Q = 3 + 2, and the policy's action is zero."""
    short, long = transitions(4, terminated=True), transitions(4, terminated=True, absorbing=4)
    cfg, state = linear(override(BASE, terminal=Terminal("closed_form")), 0.0, 1.0, 1.0, bias=3.0)
    one, other = (critic_terms(state, t, t, cfg)[1] for t in (short, long))
    for name in ("td", "q_expert", "q_other", "reward_expert"):
        assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-5)
    action = np.asarray(state.agent.actor.net.sample(long.obs, jr.split(jr.key(1), 3)[0])[0])[:4, 0]
    q_policy = 3 + np.asarray(short.obs)[:, 1].mean() + action.mean()
    assert float(other["q_policy_expert"]) == pytest.approx(q_policy, rel=1e-4)
    assert abs(q_policy - 3) > 0.05  # as the absorbing transitions would have it
    cfg, state = linear(override(BASE, terminal=Terminal("absorbing")), 0.0, 0.0, 1.0, 2.0, bias=3.0)
    _, metrics = critic_terms(state, long, long, cfg)
    action = np.asarray(state.agent.actor.net.sample(long.obs, jr.split(jr.key(1), 3)[0])[0])[:4, 0]
    q = 3 + np.asarray(short.action)[:, 0]
    known = {
        "q_expert": (q.mean() + 5) / 2,
        "q_policy_expert": (3 + action.mean() + 5) / 2,
        "td": (((q - 2.5) ** 2).mean() + 2.5**2) / 2,
    }
    assert {k: float(metrics[k]) for k in known} == pytest.approx(known, rel=1e-4)


# the advantage that the model turns against


@pytest.mark.parametrize(
    ("kind", "end"), [("none", 0.5 * 3 - 3), ("mask", -3.0), ("closed_form", -1.5), ("absorbing", 0.5 * 13 - 3)]
)
def test_the_advantage_by_hand(kind, end):
    """`gamma V(s') - Q(s, a)` of the critics of today, of which the smaller says 3, and 13 in the absorbing state."""
    cfg = override(BASE, terminal=Terminal(kind), critic=CriticConfig(hidden=()))
    state = implied.with_values(start(cfg), (3.0, 5.0), (7.0, 9.0))
    if kind == "absorbing":
        rows = state.agent.critic.net.mlp.weights[0].at[:, -1, 0].set(10.0)
        state = eqx.tree_at(lambda s: s.agent.critic.net.mlp.weights[0], state, rows)
    t = replace(transitions(), terminated=jnp.arange(4) == 2, reward=jnp.full(4, 99.0))
    got = rmirl_implicit.advantage(state.agent, t, cfg, jr.key(4))
    np.testing.assert_allclose(got, np.where(t.terminated, end, 0.5 * 3 - 3), rtol=1e-4)


def test_the_entropy_and_the_clip_of_the_advantage():
    cfg = override(BASE, temperature=Temperature("fixed", initial=2.0))
    state, t = implied.with_values(start(cfg), (3.0, 5.0), (7.0, 9.0)), transitions()
    bonus = -2 * np.asarray(state.agent.actor.net.sample(t.next_obs, jr.key(4))[1])
    np.testing.assert_allclose(
        rmirl_implicit.advantage(state.agent, t, cfg, jr.key(4)), 0.5 * (3 + bonus) - 3, rtol=1e-4, atol=1e-5
    )
    cfg = override(BASE, td_loss=TdLoss(value_clip=2.0))
    quiet = implied.with_values(start(cfg), (3.0, 5.0), (7.0, 9.0))
    np.testing.assert_allclose(rmirl_implicit.advantage(quiet.agent, t, cfg, jr.key(4)), 0.5 * 2 - 2, rtol=1e-4)


# updates


def data():
    rollouts = replace(transitions(8, seed=2), uncertainty=jnp.ones(8))
    return Batch(expert=transitions(8), offline=transitions(8, seed=1), rollouts=rollouts)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"policy_optimizer": STILL, "polyak": 0.0}, {"critic"}),
        (
            {"critic_optimizer": STILL, "polyak": 0.0, "critic": CriticConfig(hidden=(8,))},
            {"actor"},
        ),
        ({"critic_optimizer": STILL, "policy_optimizer": STILL, "temperature": Temperature("tuned")}, {"temperature"}),
    ],
)
def test_each_step_reaches_its_own_network(change, expected):
    cfg = override(BASE, **change)
    before = start(cfg)
    after, _ = rmirl_implicit.update(before, data(), cfg, jr.key(2))
    assert modelled.moved(before, after) == expected


def test_the_other_transitions_of_an_update(monkeypatch):
    """Four demonstrated ones; beside them others, recorded ones, and ones of the model."""
    cfg, calls = override(BASE, expert_share=0.5, real_share=0.25), []
    loss, improve = rmirl_implicit.critic_loss, rmirl_implicit.improve
    monkeypatch.setattr(
        rmirl_implicit,
        "critic_loss",
        lambda net, s, expert, other, *rest: (
            calls.append((expert.obs, other.obs)) or loss(net, s, expert, other, *rest)
        ),
    )
    monkeypatch.setattr(
        rmirl_implicit, "improve", lambda agent, t, *rest: calls.append(t.obs) or improve(agent, t, *rest)
    )
    batch = data()
    rmirl_implicit.update(start(cfg, modelled.NORMALIZER), batch, cfg, jr.key(2))
    (expert, other), policy = calls
    obs = [modelled.NORMALIZER(t.obs) for t in (batch.expert, batch.offline, batch.rollouts)]
    np.testing.assert_allclose(expert, obs[0][:4], rtol=1e-6)
    np.testing.assert_allclose(other, np.concatenate([obs[0][4:6], obs[1][:1], obs[2][:1]]), rtol=1e-6)
    np.testing.assert_array_equal(policy, np.concatenate([expert, other]))
    assert rmirl_implicit.schedule(cfg).batch_size == 8


@pytest.mark.parametrize("zero", [True, False])
def test_critics_start_at_zero_and_learn(zero):
    """In the absorbing state too; only the last layers are zeros."""
    assert BASE.agent.critic == CriticConfig(hidden=(8,))
    cfg = override(BASE, terminal=Terminal("absorbing"), critic=CriticConfig(hidden=(8,), zero_head=zero))
    state, t = start(cfg), transitions(4, absorbing=2)
    for net in (state.agent.critic.net, state.agent.target):
        assert bool((net(t.obs, t.action, t.absorbing) == 0).all()) == zero
        assert all((np.asarray(x) != 0).all() for x in (net.mlp.weights[0], net.mlp.biases[0]))
    after = state
    for i in range(2):  # the first step moves the last layer alone
        after, _ = rmirl_implicit.update(after, data(), cfg, jr.key(i))
    assert not eqx.tree_equal(after.agent.critic.net.mlp.weights[0], state.agent.critic.net.mlp.weights[0])


def test_the_default_starts_at_zero():
    assert rmirl_implicit.Config().agent.critic.zero_head
    assert all(cfg.agent.critic.zero_head for cfg in rmirl_implicit.PRESETS.values())


def test_the_models_turn_changes_the_model_alone():
    cfg = override(BASE, adversary=AdversarialModel(every=7, steps=2, batch_size=4))
    assert rmirl_implicit.schedule(cfg).turns == ((7, rmirl_implicit.model_turn),)
    buffer = Buffer.empty(6, implied.SPEC).write(Stored.of(transitions(6)), 0)
    before = start(cfg)
    after, metrics = rmirl_implicit.model_turn(before, Buffers(expert=buffer, offline=buffer), cfg, jr.key(0))
    assert modelled.moved(before, after) == {"dynamics"}
    assert np.isfinite(metrics["model_loss"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terminal": Terminal("reward_flag")}, "terminal.kind=reward_flag replaces an explicit reward at the end"),
        ({"pessimism": Pessimism("max_norm")}, "no reward to take a penalty from: leave pessimism.kind none"),
        ({"policy_weight": -1.0}, "policy_weight must not be negative, got -1.0"),
        ({"td_weight": -0.5}, "td_weight must not be negative, got -0.5"),
        ({"td_weight": 0.0}, "td_weight=0 leaves the level of Q open"),
        ({"expert_share": 0.8}, "are shares of one batch, got 0.25 and 0.8"),
        ({"real_share": -0.1}, "real_share must lie in"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        override(BASE, **change)


def test_the_penalty_can_be_turned_off():
    _, metrics = terms(override(ONE, gradient_penalty=GradientPenalty("none")), transitions(), transitions())
    assert float(metrics["penalty"]) == 0
    assert "gradient_norm" not in metrics
