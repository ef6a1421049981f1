"""Implicit behaviour cloning: its parts against known answers, and a task that an explicit policy cannot fit."""

import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy
from implicit import SPEC

import imitax
from imitax import cli
from imitax.agents.start import Start
from imitax.algorithms import bc, ibc
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.negatives import Negatives
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import (
    Energy,
    EnergyConfig,
    Inference,
    Langevin,
    Normalizer,
    PolicyConfig,
)
from imitax.spaces import Spec
from imitax.types import Batch, Transition


def test_info_nce_by_hand():
    """Shares of exp f: 3 of 3 + 1 + 2; and equal among three."""
    expert = jnp.log(jnp.array([3.0, 5.0]))
    negative = jnp.log(jnp.array([[1.0, 2.0], [5.0, 5.0]]))
    np.testing.assert_allclose(ibc.info_nce(expert, negative), [math.log(2), math.log(3)], rtol=1e-6)
    np.testing.assert_allclose(ibc.info_nce(expert + 80, negative + 80), [math.log(2), math.log(3)], rtol=1e-5)


def test_contrastive_by_hand():
    out = ibc.contrastive(jnp.array([1.0, -2.0]), jnp.array([[3.0, 5.0], [0.0, 1.0]]))
    np.testing.assert_allclose(out, [3.0, 2.5])


@pytest.mark.parametrize("at", ["learner", "mix"])
def test_the_penalty_of_a_linear_function(at):
    """The largest slope along an action is 2, the one along a state 9: hinge (2 - 1)^2, at whatever points."""
    net = Energy(SPEC, EnergyConfig(()), key=jr.key(0))
    w = jnp.array([[9.0], [0.0], [0.0], [2.0], [-1.0]])
    net = eqx.tree_at(lambda n: n.mlp.weights, net, (w,))
    penalty = GradientPenalty("hinge", weight=3.0, margin=1.0, at=at, norm="linf", inputs="action")
    cfg = ibc.Config(gradient_penalty=penalty)
    zeros = jnp.zeros((4, 3))
    shown = ibc.Candidates(jr.uniform(jr.key(1), (4, 3, 2)), zeros, zeros)
    loss, metrics = ibc.energy_loss(net, jnp.ones((4, 3)), shown, cfg, jr.key(2))
    assert float(metrics["penalty"]) == pytest.approx(3.0, rel=1e-5)
    assert float(loss) == pytest.approx(float(metrics["contrast"]) + 3.0, rel=1e-5)


def test_a_residual_is_the_ratio_to_the_amortised_policy():
    """Counter-examples of that policy, corrected for its density: what is left of f is the network alone."""
    head = PolicyConfig((8,), log_std_min=-1.0, action_clip=0.01)
    cfg = ibc.Config(energy=EnergyConfig((8,), residual=True), policy=head)
    assert cfg.negatives.corrected
    spec = Spec.flat(3, (-0.3, -2.0), (1.2, 0.5))
    state = ibc.init(cfg, Start(spec, Normalizer.identity(3), jr.key(0)))
    obs, action = jr.normal(jr.key(1), (6, 3)), jr.uniform(jr.key(2), (6, 2), minval=-0.2, maxval=0.4)
    shown = ibc.candidates(state, state.actor.net, obs, action, cfg, jr.key(3))
    loss, metrics = ibc.energy_loss(state.energy.net, obs, shown, cfg, jr.key(4))
    network = state.energy.net.at(obs)(shown.unit)
    np.testing.assert_allclose(loss, ibc.info_nce(network[:, 0], network[:, 1:]).mean(), rtol=1e-4)
    logp = state.actor.net.log_prob(obs, action)
    np.testing.assert_allclose(metrics["f_expert"], (network[:, 0] + logp).mean(), rtol=1e-3)


def without_network(head, **cfg):
    """A state of which f is the amortised policy's log-density alone."""
    cfg = ibc.Config(energy=EnergyConfig((8,), residual=True), policy=head, **cfg)
    state = ibc.init(cfg, Start(SPEC, Normalizer.identity(3), jr.key(0)))
    zero = jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_array(x) else x, state.energy.net)
    return cfg, eqx.tree_at(lambda s: (s.energy.net, s.ema_energy), state, (zero, zero))


def test_a_chain_of_counter_examples_climbs_the_whole_of_f():
    """Of the network alone, which is 0 here, it would stay uniform."""
    chain = Langevin(iterations=60, first=1e-3, last=2e-4, noise=0.0)
    negatives = Negatives("langevin", count=4, langevin=chain)
    cfg, state = without_network(PolicyConfig((8,), log_std_max=-2.0), negatives=negatives)
    obs = jr.normal(jr.key(1), (6, 3))
    mode = state.searched.unit(state.actor.net.mode(obs))
    shown = ibc.candidates(state, state.actor.net, obs, jnp.zeros((6, 2)), cfg, jr.key(2))
    assert float(jnp.abs(shown.unit[:, 1:] - mode[:, None]).mean()) < 0.1


def test_the_default_search_stays_at_the_mode_and_a_sample_does_not():
    _, state = without_network(PolicyConfig((8,), log_std_min=-1.0))
    obs = jr.normal(jr.key(1), (40, 3))
    policy = ibc.policy(state)
    mode = state.actor.net.mode(obs)
    np.testing.assert_allclose(policy.act(obs, jr.key(0), "mode"), mode, atol=0.01)  # of the tanh's density
    spread = np.asarray(policy.act(obs, jr.key(0), "sample")) - np.asarray(mode)
    assert spread.std() > 0.1


def two_modes(count, rng):
    """Left of 0.3 the expert goes to +0.8 or -0.6, by a coin; right of it to 0.4."""
    obs = rng.uniform(-1, 1, (count, 1))
    coin = rng.random((count, 1)) < 0.5
    action = np.where(obs > 0.3, 0.4, np.where(coin, 0.8, -0.6)) + 0.02 * rng.normal(size=(count, 1))
    zeros = np.zeros(count, np.float32)
    return Transition(jnp.asarray(obs, jnp.float32), jnp.asarray(action, jnp.float32), zeros, obs, zeros > 0, zeros > 0)


def trained(module, cfg, updates, batch_size=128):
    spec = Spec.flat(1, (-1.0,), (1.0,))
    data = two_modes(2000, np.random.default_rng(0))
    state = module.init(cfg, Start(spec, Normalizer.identity(1), jr.key(0)))
    arrays, static = eqx.partition(state, eqx.is_array)

    @jax.jit
    def run(arrays):
        def body(arrays, i):
            k_rows, k = jr.split(jr.fold_in(jr.key(1), i))
            rows = jr.randint(k_rows, (batch_size,), 0, 2000)
            batch = Batch(expert=jax.tree.map(lambda x: jnp.asarray(x)[rows], data))
            new, metrics = module.update(eqx.combine(arrays, static), batch, cfg, k)
            return eqx.filter(new, eqx.is_array), metrics

        return jax.lax.scan(body, arrays, jnp.arange(updates))[0]

    return module.policy(eqx.combine(run(arrays), static))


@pytest.mark.long
def test_two_modes_and_a_jump():
    rate = OptimizerConfig(lr=3e-3)
    small = ibc.Config(
        energy=EnergyConfig((64, 64), residual=True),
        policy=PolicyConfig((32, 32)),
        energy_optimizer=rate,
        policy_optimizer=rate,
        inference=Inference("dfo", samples=256),
    )
    implicit = trained(ibc, small, 600)
    explicit = trained(bc, bc.Config(l2=0.0, policy=PolicyConfig((64, 64)), optimizer=rate), 600)
    left, right = np.linspace(-0.9, 0.25, 47)[:, None], np.linspace(0.35, 0.95, 25)[:, None]

    def off(policy):
        there, here = (np.asarray(policy.act(obs, jr.key(0), "mode")) for obs in (left, right))
        return np.minimum(np.abs(there - 0.8), np.abs(there + 0.6)), np.abs(here - 0.4)

    modes, one = off(implicit)
    assert modes.max() < 0.1
    assert one.max() < 0.1
    modes, _ = off(explicit)
    assert np.median(modes) > 0.4


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
def test_a_run_reaches_the_expert_and_reports_both_policies(tmp_path, demos, capsys):
    rate = OptimizerConfig(lr=3e-3)
    small = ibc.Config(
        batch_size=64,
        energy=EnergyConfig((16, 16)),
        policy=PolicyConfig((16, 16), log_std_min=-1.0, action_clip=0.01),
        energy_optimizer=rate,
        policy_optimizer=rate,
        inference=Inference("dfo", samples=32, iterations=5),
    )
    length = {"steps": 500, "eval_every": 500, "checkpoint_every": 500, "eval_episodes": 5, "quiet": True}
    run = imitax.train(small, env=toy.ENV, demos=demos, seeds=(0, 1), out=tmp_path / "run", **length)
    amortised = run.evaluate(5, index=0, inference="actor_mean")
    assert amortised["inference"] == "actor_mean"
    for seed, score in zip(run.seeds, amortised["per_seed"], strict=True):
        last = run.metrics(seed=seed)[-1]
        assert last["expert_fraction"] > 0.9
        assert last["return_mean_actor_mean"] == pytest.approx(score["return_mean"])
        assert 0 <= last["train_action_error_mode"] < 0.1
    cli.dispatch(["eval", str(run.folder), "--inference", "actor_polish", "--episodes", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["inference"] == "actor_polish"

    few = {"steps": 2, "chunk": 2, "eval_every": 2, "checkpoint_every": 2, "eval_episodes": 1, "quiet": True}
    cfg = bc.Config(batch_size=4, policy=small.policy)
    warm = imitax.train(cfg, env=toy.ENV, demos=demos, init_from=run.folder / "seed-0", out=tmp_path / "warm", **few)
    with pytest.raises(ConfigError, match="no inference to choose"):
        warm.evaluate(1, inference="dfo")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ibc.Config(range_margin=-0.1), "range_margin must not be negative"),
        (lambda: ibc.Config(loss="contrastive"), "is for loss=info_nce"),
        (lambda: ibc.Config(amortised="energy"), "take amortised=likelihood"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
