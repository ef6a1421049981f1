"""Behaviour cloning: its loss by hand, its moving average, and the toy task solved."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy
from implied import SPEC, STILL, transitions

import imitax
from imitax.agents.start import Start
from imitax.algorithms import bc
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import ActionChunks, Normalizer, PolicyConfig, TanhGaussian
from imitax.types import Batch

BASE = bc.Config(policy=PolicyConfig(hidden=(8,)))
NORMALIZER = Normalizer(jnp.array([0.5, -1.0]), jnp.array([2.0, 0.5]))


def start(cfg, actor=None):
    return bc.init(cfg, Start(SPEC, NORMALIZER, jr.key(0), actor=actor))


def parameters(net):
    return jax.tree.leaves(eqx.filter(net, eqx.is_inexact_array))


def test_the_loss_by_hand():
    """Negative log-likelihood at normalised observations, and half the squared parameters."""
    cfg, data = replace(BASE, l2=0.1), transitions(6)
    state = start(cfg)
    _, metrics = bc.update(state, Batch(expert=data), cfg, jr.key(1))
    obs = (np.asarray(data.obs) - [0.5, -1.0]) / [2.0, 0.5]
    nll = -float(state.actor.net.log_prob(jnp.asarray(obs, jnp.float32), data.action).mean())
    assert float(metrics["nll"]) == pytest.approx(nll, rel=1e-4)
    squares = sum(float((p**2).sum()) for p in parameters(state.actor.net))
    assert float(metrics["l2"]) == pytest.approx(0.1 * squares / 2, rel=1e-5)
    loss, _ = bc.actor_loss(state.actor.net, state.normalizer.batch(Batch(expert=data)).expert, cfg)
    assert float(loss) == pytest.approx(nll + 0.1 * squares / 2, rel=1e-4)


def test_the_penalty_takes_part_in_the_gradient():
    """Of the loss with the penalty it is larger by lambda times the parameters."""
    data = transitions(6)
    net = start(BASE).actor.net
    plain, penalised = (
        eqx.filter_grad(lambda n, c=cfg: bc.actor_loss(n, data, c)[0])(net) for cfg in (BASE, replace(BASE, l2=0.5))
    )
    for a, b, p in zip(parameters(plain), parameters(penalised), parameters(net), strict=True):
        np.testing.assert_allclose(b - a, 0.5 * p, atol=1e-5)


@pytest.mark.parametrize(
    ("ema", "weights"), [(0.0, (0, 0, 0, 1)), (1.0, (1 / 4, 1 / 4, 1 / 4, 1 / 4)), (0.5, (0, 1 / 6, 1 / 3, 1 / 2))]
)
def test_what_acts_is_the_average(ema, weights):
    """Of the parameters after each of four updates; the initial ones are forgotten at once."""
    cfg, batch = replace(BASE, ema=ema), Batch(expert=transitions(6))
    states = [start(cfg)]
    for n in range(4):
        states.append(bc.update(states[-1], batch, cfg, jr.key(n))[0])
    after = [parameters(s.actor.net) for s in states[1:]]
    for found, *each in zip(parameters(states[-1].ema), *after, strict=True):
        expected = sum(w * np.asarray(p) for w, p in zip(weights, each, strict=True))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    for acting, average in zip(*(parameters(x) for x in (bc.policy(states[-1]).actor, states[-1].ema)), strict=True):
        np.testing.assert_array_equal(acting, average)
    assert int(states[-1].updates) == 4


def test_the_average_changes_nothing_in_training():
    batch = Batch(expert=transitions(6))
    plain, averaged = (bc.update(start(c), batch, c, jr.key(1))[0] for c in (BASE, replace(BASE, ema=0.0)))
    assert eqx.tree_equal(plain.actor, averaged.actor)


def test_a_given_policy_is_where_it_starts():
    given = TanhGaussian(SPEC, BASE.policy, key=jr.key(9))
    still = replace(BASE, optimizer=STILL)
    state = start(still, given)
    after, _ = bc.update(state, Batch(expert=transitions(6)), still, jr.key(1))
    assert eqx.tree_equal(after.actor.net, start(still, given).actor.net)
    assert eqx.tree_equal(eqx.filter(after.ema, eqx.is_array), eqx.filter(given, eqx.is_array))


def test_needs_and_presets():
    needs = bc.needs(replace(BASE, normalize_obs=False))
    assert (needs.expert, needs.actions, needs.env, needs.normalize_obs) == (True, True, False, False)
    assert bc.schedule(replace(BASE, batch_size=7)).batch_size == 7
    assert (bc.PRESETS["cleanil"].l2, bc.PRESETS["cleanil-l2"].l2) == (0.0, 0.01)
    assert bc.PRESETS["cleanil"].ema == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"l2": -0.1}, "l2 must not be negative"),
        ({"ema": 1.5}, r"ema must lie in \[0, 1\]"),
    ],
)
def test_bad_values_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        bc.Config(**change)


def test_bc_reaches_the_expert(tmp_path, demos):
    rate = OptimizerConfig(lr=3e-3)
    cfg = bc.Config(batch_size=64, policy=PolicyConfig(hidden=(16, 16)), optimizer=rate)
    run = imitax.train(
        cfg,
        env=toy.ENV,
        demos=demos,
        steps=1500,
        eval_every=1500,
        checkpoint_every=1500,
        quiet=True,
        out=tmp_path / "run",
    )
    assert run.summary["last"]["per_seed"][0]["expert_fraction"] > 0.93
    assert (run.folder / "figures" / "learning-curve.png").stat().st_size > 0
    line = run.metrics()[-1]
    assert line["kind"] == "eval"
    assert line["train_action_error_mode"] < 0.1


def test_actions_after_the_end_of_an_episode_do_not_count():
    """The loss of chunks is the mean over the actions that there are, whatever stands in the place of the others."""
    cfg = replace(BASE, chunks=ActionChunks(action_horizon=2))
    state, data = start(cfg), transitions(4)
    later = jnp.roll(data.action, 1, axis=0)
    recorded = jnp.array([[True, True], [True, False], [True, True], [True, False]])
    expert = replace(data, action=jnp.concatenate([data.action, later], axis=1), recorded=recorded)
    loss = eqx.filter_value_and_grad(lambda net, t: bc.actor_loss(net, t, cfg)[0])
    value, grads = loss(state.actor.net, expert)
    by_step = state.actor.net.log_prob_by_step(data.obs, expert.action, 2)
    assert float(value) == pytest.approx(-float(by_step[:, 0].sum() + by_step[0, 1] + by_step[2, 1]) / 6, abs=1e-5)
    others = jnp.where(recorded[:, 1:], later, 0.1)
    same, slopes = loss(state.actor.net, replace(expert, action=jnp.concatenate([data.action, others], axis=1)))
    assert float(same) == float(value)
    for a, b in zip(parameters(grads), parameters(slopes), strict=True):
        np.testing.assert_array_equal(a, b)
    assert bc.needs(cfg).action_horizon == 2
