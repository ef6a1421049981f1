"""The penalty whose weight follows held-out demonstrations: its rule, its value, and what runs make of it."""

import json
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy
from implied import constant, linear, transitions

import imitax
from imitax.agents.held_out_penalty import LOWEST, OFF, HeldOutPenalty, Smoothing, compare, smoothed
from imitax.agents.inferred_actions import InferredActions
from imitax.algorithms import iq_learn, ls_iq, recoil_online
from imitax.buffers import Buffer, Buffers, Stored
from imitax.errors import ConfigError
from imitax.networks import Normalizer
from imitax.types import Batch

CFG = HeldOutPenalty(target=0.3, factor=2.0, weight_max=0.01)
FALL = 2.0**-0.25
TIGHT = HeldOutPenalty(every=20, target=0.0)
METHODS = [iq_learn, ls_iq, recoil_online]


def after(unseen, size, comparisons=1, weight=1e-3):
    state = replace(Smoothing.create(CFG), weight=jnp.asarray(weight))
    for _ in range(comparisons):
        state = state.compared(CFG, jnp.asarray(unseen), jnp.asarray(size))
    return state


@pytest.mark.parametrize(
    ("unseen", "size", "factor"),
    [(0.5, 1.0, 2.0), (0.2, 1.0, FALL), (0.2, 0.5, 2.0), (-0.5, 1.0, FALL), (0.0, 0.0, FALL)],
)
def test_the_weight_rises_with_overfitting(unseen, size, factor):
    assert float(after(unseen, size).weight) == pytest.approx(factor * 1e-3)


def test_the_weight_has_bounds():
    assert float(after(1.0, 1.0, comparisons=50).weight) == pytest.approx(0.01)
    assert float(after(0.0, 1.0, comparisons=80).weight) == pytest.approx(LOWEST)


def test_comparisons_are_averaged():
    state = after(1.0, 2.0)
    assert (float(state.unseen), float(state.size)) == pytest.approx((0.1, 0.2))
    state = state.compared(CFG, jnp.asarray(-1.0), jnp.asarray(2.0))
    assert (float(state.unseen), float(state.size)) == pytest.approx((0.09 - 0.1, 0.18 + 0.2))


def loss(critic, scale):
    value = scale * critic(jnp.ones((1, 2)), jnp.ones((1, 1)), jnp.zeros(1, bool)).sum()
    return value, {"critic_loss": value, "penalty": jnp.asarray(0.25)}


def penalised(weight):
    """Value, metrics and gradient of 2 Q(1, 1, 1) with the penalty, for Q = w . [s, a] with w = (2, 3, 6)."""
    _, agent = linear([2.0, 3.0, 6.0])
    batch = Batch(expert=transitions(4, absorbing=1), replay=transitions(4, seed=1, absorbing=1))
    state = replace(Smoothing.create(CFG), weight=jnp.asarray(weight))
    found = smoothed(loss, state, batch, jr.key(0))
    (value, metrics), gradient = eqx.filter_value_and_grad(found, has_aux=True)(agent.critic.net, 2.0)
    return float(value), metrics, np.asarray(gradient.mlp.weights[0]).ravel()


def test_the_penalty_is_the_squared_slope():
    """|w|^2 = 4 + 9 + 36 and its gradient 2 w, beside 22 and 2; the flag of the end has no part in it."""
    value, metrics, gradient = penalised(0.5)
    assert value == pytest.approx(22 + 0.5 * 49, rel=1e-5)
    assert float(metrics["critic_loss"]) == pytest.approx(value)
    assert float(metrics["penalty"]) == pytest.approx(0.25 + 0.5 * 49, rel=1e-5)
    np.testing.assert_allclose(gradient[:3], [2 + 2, 2 + 3, 2 + 6], rtol=1e-5)


def test_at_the_lowest_weight_there_is_none():
    value, metrics, gradient = penalised(LOWEST)
    assert value == pytest.approx(22.0)
    assert float(metrics["penalty"]) == 0.25
    np.testing.assert_allclose(gradient[:3], 2.0, rtol=1e-6)


def test_without_a_weight_the_loss_is_what_it_was():
    assert Smoothing.create(OFF) is None
    assert smoothed(loss, None, Batch(), jr.key(0)) is loss


def ring(t):
    return Buffer(Stored.of(t), jnp.asarray(len(t)), jnp.zeros(()), samples_absorbing=False)


def compared(weights, expert, held_out, replay):
    cfg, agent = linear(weights)
    agent = eqx.tree_at(lambda a: a.target, agent, constant(agent.target, 0.0))
    buffers = Buffers(expert=ring(expert), held_out=ring(held_out), replay=ring(replay))
    cfg = replace(cfg, gamma=0.9)
    state = Smoothing.create(CFG)
    return compare(state, (agent, Normalizer.identity(2)), buffers, (CFG, cfg), jr.key(0))


def at(value, seed=0):
    """Transitions whose first observation is a value."""
    t = transitions(64, seed=seed)
    return replace(t, obs=t.obs.at[:, 0].set(value))


@pytest.mark.parametrize(("unseen", "rises"), [(1.0, False), (0.8, False), (0.5, True), (-1.0, True)])
def test_held_out_rewards_are_compared(unseen, rises):
    """The critic is the first observation, and its target 0, so that this is the reward; its size is 0.75."""
    state, metrics = compared([1.0, 0.0, 0.0], at(1.0), at(unseen, 1), at(-0.5, 2))
    assert float(metrics["unseen_share"]) == pytest.approx((1 - unseen) / 0.75, abs=1e-5)
    assert float(metrics["reward_held_out"]) == pytest.approx(unseen, abs=1e-5)
    assert (float(state.weight) > LOWEST) == rises
    assert float(metrics["smoothing"]) == pytest.approx(2 * LOWEST if rises else 0.0)


def test_without_held_out_demonstrations_nothing_changes():
    cfg, agent = linear([1.0, 0.0, 0.0])
    state = Smoothing.create(CFG)
    found = compare(state, (agent, Normalizer.identity(2)), Buffers(expert=ring(at(1.0))), (CFG, cfg), jr.key(0))
    assert found == (state, {})


@pytest.mark.parametrize("method", METHODS)
def test_defaults_compare_and_papers_do_not(method):
    assert method.needs(method.PRESETS["default"]).held_out
    for name in set(method.PRESETS) - {"default"}:
        cfg = method.PRESETS[name]
        assert not method.needs(cfg).held_out
        assert not method.schedule(cfg).turns
    inferring = replace(method.Config(), inferred=InferredActions(infer_actions=True))
    assert not method.needs(inferring).held_out


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("episodes", [None, 4])
def test_runs_hold_a_demonstration_out(tmp_path, demos, method, episodes):
    short = {"steps": 60, "eval_every": 60, "checkpoint_every": 60, "eval_episodes": 1, "quiet": True, "chunk": 10}
    cfg = replace(toy.shrink(method.Config()), held_out_penalty=TIGHT)
    run = imitax.train(cfg, env=toy.ENV, demos=demos, episodes=episodes, out=tmp_path / "run", **short)
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    line = next(x for x in lines if x["kind"] == "train" and x["step"] == 60)
    assert ("smoothing" in line) == (episodes is None)
    assert len(run.config["data"]["validation_episodes"]["0"]) == (episodes is None)


def test_bad_settings_are_refused():
    for settings, message in (
        ({"factor": 1.0}, "held_out_penalty.factor"),
        ({"target": 1.5}, "held_out_penalty.target"),
    ):
        with pytest.raises(ConfigError, match=message):
            HeldOutPenalty(**settings)


def test_the_gradient_is_that_of_a_plain_sum():
    """Under jit, and for several critics at once."""
    _, agent = linear([2.0, 3.0, 6.0])
    batch = Batch(expert=transitions(4), replay=transitions(4, seed=1))
    state = replace(Smoothing.create(CFG), weight=jnp.asarray(0.5))

    def total(critic):
        return smoothed(loss, state, batch, jr.key(0))(critic, 1.0)[0]

    one = eqx.filter_jit(eqx.filter_grad(total))(agent.critic.net)
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(eqx.filter_grad(total)(agent.critic.net)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)
