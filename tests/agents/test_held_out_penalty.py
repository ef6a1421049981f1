"""The penalty whose weight follows held-out demonstrations: its rule, its value, and what runs make of it."""

import json
from dataclasses import replace

import equinox as eqx
import implied
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy
from implied import constant, linear, transitions

import imitax
from imitax.agents.actor_critic import create
from imitax.agents.held_out_penalty import (
    LOWEST,
    OFF,
    ROWS,
    HeldOutPenalty,
    HeldOutWeight,
    compare_held_out,
    held_out_term,
    rows,
)
from imitax.agents.inferred_actions import InferredActions
from imitax.agents.start import Start
from imitax.algorithms import iq_learn, ls_iq, recoil_online
from imitax.buffers import Buffer, Buffers, Stored
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.networks import Normalizer
from imitax.types import Batch

START = Start(implied.SPEC, Normalizer.identity(2), jr.key(0), held_out=True)
CFG = HeldOutPenalty(target=0.3, factor=2.0, weight_max=0.01)
FALL = 2.0**-0.25
METHODS = [iq_learn, ls_iq, recoil_online]


def weighing(weight):
    return replace(HeldOutWeight.create(CFG, START), weight=jnp.asarray(weight))


def after(unseen, size, comparisons=1):
    state = weighing(1e-3)
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


def flagged():
    """A critic that sees the flag of the end: Q = w . [s, a, flag] with w = (2, 3, 6, 5)."""
    cfg, _ = linear([2.0, 3.0, 6.0])
    critic = create(replace(cfg, terminal=Terminal("absorbing")), START, jr.key(0)).critic.net
    weights = jnp.asarray([2.0, 3.0, 6.0, 5.0])[None, :, None]
    assert critic.mlp.weights[0].shape == weights.shape
    return eqx.tree_at(lambda n: n.mlp.weights[0], critic, weights)


def term(weight, critic):
    data = transitions(4, absorbing=1), transitions(5, seed=1)
    return held_out_term(weighing(weight), critic, *data, jr.key(0))


def test_the_penalty_is_the_squared_slope_without_that_of_the_flag():
    critic = flagged()
    (value, metrics), gradient = eqx.filter_value_and_grad(lambda c: term(0.5, c), has_aux=True)(critic)
    assert float(value) == float(metrics["held_out_penalty"]) == pytest.approx(0.5 * (4 + 9 + 36), rel=1e-5)
    np.testing.assert_allclose(np.ravel(gradient.mlp.weights[0]), [2.0, 3.0, 6.0, 0.0], rtol=1e-5)


def test_at_the_lowest_weight_there_is_none():
    (value, metrics), gradient = eqx.filter_value_and_grad(lambda c: term(LOWEST, c), has_aux=True)(flagged())
    assert float(value) == float(metrics["held_out_penalty"]) == 0
    assert not np.asarray(gradient.mlp.weights[0]).any()
    assert held_out_term(None, flagged(), transitions(), transitions(), jr.key(0))[1] == {}


def test_each_of_several_seeds_has_its_own_weight():
    """In one vmap, whose condition stays a branch."""
    critic, weights = flagged(), jnp.asarray([LOWEST, 0.5, 0.25])
    found = jax.jit(jax.vmap(lambda w: term(w, critic)[0]))
    np.testing.assert_allclose(found(weights), [0.0, 24.5, 12.25], rtol=1e-5)
    assert " cond[" in str(jax.make_jaxpr(jax.vmap(lambda w: term(w, critic)[0]))(weights))
    gradient = jax.vmap(eqx.filter_grad(lambda w, c: term(w, c)[0]), in_axes=(0, None))
    np.testing.assert_allclose(gradient(weights, critic), [0.0, 49.0, 49.0], rtol=1e-5)


def ring(t):
    return Buffer(Stored.of(t), jnp.asarray(len(t)), jnp.zeros(()), samples_absorbing=False)


def compared(expert, held_out, replay):
    """The critic is the first observation, and its target 0, so that this is the reward."""
    cfg, agent = linear([1.0, 0.0, 0.0])
    agent = eqx.tree_at(lambda a: a.target, agent, constant(agent.target, 0.0))
    buffers = Buffers(expert=ring(expert), held_out=ring(held_out), replay=ring(replay))
    state = HeldOutWeight.create(CFG, START)
    return compare_held_out(state, (agent, Normalizer.identity(2)), buffers, (CFG, replace(cfg, gamma=0.9)), jr.key(0))


def at(value, seed=0):
    """Transitions whose first observation is a value."""
    t = transitions(64, seed=seed)
    return replace(t, obs=t.obs.at[:, 0].set(value))


@pytest.mark.parametrize(("unseen", "rises"), [(1.0, False), (0.8, False), (0.5, True), (-1.0, True)])
def test_held_out_rewards_are_compared(unseen, rises):
    """Their size is 0.75."""
    state, metrics = compared(at(1.0), at(unseen, 1), at(-0.5, 2))
    assert float(metrics["held_out_gap"]) == pytest.approx((1 - unseen) / 0.75, abs=1e-5)
    assert float(metrics["reward_train"]) == pytest.approx(1.0, abs=1e-5)
    assert float(metrics["reward_held_out"]) == pytest.approx(unseen, abs=1e-5)
    assert (float(state.weight) > LOWEST) == rises
    assert float(metrics["held_out_weight"]) == pytest.approx(2 * LOWEST if rises else 0.0)


def test_images_are_compared_in_smaller_numbers():
    t = transitions(64)
    assert rows(ring(t)) == ROWS
    assert rows(ring(replace(t, obs=jnp.zeros((64, 84, 84, 3), jnp.uint8)))) == 198
    assert rows(ring(replace(t, obs=jnp.zeros((64, 512, 512, 3), jnp.uint8)))) == 64


def test_nothing_is_compared_without_held_out_demonstrations():
    assert HeldOutWeight.create(CFG, START._replace(held_out=False)) is None
    assert HeldOutWeight.create(OFF, START) is None
    cfg, agent = linear([1.0, 0.0, 0.0])
    found = compare_held_out(None, (agent, Normalizer.identity(2)), Buffers(), (CFG, cfg), jr.key(0))
    assert found == (None, {})


@pytest.mark.parametrize("method", METHODS)
def test_defaults_compare_and_papers_do_not(method):
    assert method.needs(method.PRESETS["default"]).held_out
    others = [method.PRESETS[name] for name in set(method.PRESETS) - {"default"}]
    inferring = replace(method.Config(), inferred=InferredActions(infer_actions=True))
    for cfg in (*others, inferring):
        assert not method.needs(cfg).held_out
        assert not method.schedule(cfg).comparisons


SHORT = {"steps": 80, "eval_every": 80, "checkpoint_every": 40, "eval_episodes": 1, "quiet": True, "chunk": 10}
SHORT["num_envs"] = 2
EAGER = HeldOutPenalty(every=25, target=0.0, factor=100.0, weight_max=1.0)


def trained(method, demos, folder, penalty=EAGER, **more):
    """A run with comparisons at whole chunks, and its last line of metrics."""
    cfg = replace(toy.shrink(method.Config()), held_out_penalty=penalty)
    run = imitax.train(cfg, env=toy.ENV, demos=demos, out=folder, **SHORT | more)
    lines = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    return run, [x for x in lines if x["kind"] == "train"][-1]


@pytest.mark.parametrize("method", METHODS)
def test_updates_take_the_penalty(method):
    cfg = toy.shrink(method.Config())
    state = method.init(cfg, START)
    batch, critics = Batch(expert=transitions(), replay=transitions(seed=1)), []
    for weight in (LOWEST, 1.0):
        weighted = replace(state, held_out=weighing(weight))
        for i in range(3):  # a critic that begins at zero has no slope in the first
            weighted, metrics = method.update(weighted, batch, cfg, jr.key(i))
        critics.append(jax.tree.leaves(eqx.filter(weighted.agent.critic.net, eqx.is_array)))
        assert (float(metrics["held_out_penalty"]) > 0) == (weight > LOWEST)
    assert any((x != y).any() for x, y in zip(*critics, strict=True))


@pytest.mark.parametrize(("episodes", "held_out"), [(None, 1), (4, 0)])
def test_of_five_or_more_one_is_held_out(tmp_path, demos, episodes, held_out):
    run, line = trained(iq_learn, demos, tmp_path / "run", episodes=episodes)
    assert len(run.config["data"]["validation_episodes"]["0"]) == held_out
    assert ("reward_held_out" in line) == bool(held_out)


def test_a_resumed_run_ends_where_it_would_have(tmp_path, demos):
    _, whole = trained(iq_learn, demos, tmp_path / "whole")
    trained(iq_learn, demos, tmp_path / "half", steps=40)
    imitax.resume(tmp_path / "half", steps=80, demos=demos, env=toy.ENV)
    resumed = [json.loads(x) for x in (tmp_path / "half" / "metrics.jsonl").read_text().splitlines()]
    last = [x for x in resumed if x["kind"] == "train"][-1]
    assert {k: v for k, v in last.items() if k != "wall_s"} == {k: v for k, v in whole.items() if k != "wall_s"}


def test_bad_settings_are_refused():
    for settings, message in (
        ({"factor": 1.0}, "held_out_penalty.factor"),
        ({"target": 1.5}, "held_out_penalty.target"),
    ):
        with pytest.raises(ConfigError, match=message):
            HeldOutPenalty(**settings)
