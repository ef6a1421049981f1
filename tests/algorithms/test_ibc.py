"""Implicit behaviour cloning: its parts against known answers, and a task that an explicit policy cannot fit."""

import json
import math
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

import imitax
from imitax import cli
from imitax.algorithms import bc, ibc
from imitax.artifacts import load_policy, save_policy
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.negatives import Negatives
from imitax.errors import CheckpointError, ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import (
    ActionRange,
    Energy,
    EnergyActor,
    EnergyConfig,
    Inference,
    Langevin,
    Normalizer,
    Policy,
    PolicyConfig,
    TanhGaussian,
    with_inference,
)
from imitax.networks.inference import resample
from imitax.types import Batch, Spec, Transition

SPEC = Spec(3, 2, (-0.3, -2.0), (1.2, 0.5))
PART = ActionRange(jnp.array([-0.2, -1.0]), jnp.array([1.0, 0.25]))
KINDS = ("dfo", "langevin", "actor_mean", "actor_polish")
SHORT = Langevin(iterations=20)


def implicit(kind="dfo", searched=PART, spec=SPEC, **options):
    energy = Energy(spec, EnergyConfig((16, 16)), key=jr.key(1))
    actor = TanhGaussian(spec, PolicyConfig((16, 16)), key=jr.key(2))
    return EnergyActor(
        energy, actor, searched, Inference(kind, **({"samples": 32, "actor_steps": 2, "langevin": SHORT} | options))
    )


def test_info_nce_by_hand():
    """Shares of exp f: 3 of 3 + 1 + 2; and equal among three."""
    expert = jnp.log(jnp.array([3.0, 5.0]))
    negative = jnp.log(jnp.array([[1.0, 2.0], [5.0, 5.0]]))
    np.testing.assert_allclose(ibc.info_nce(expert, negative), [math.log(2), math.log(3)], rtol=1e-6)
    np.testing.assert_allclose(ibc.info_nce(expert + 80, negative + 80), [math.log(2), math.log(3)], rtol=1e-5)


def test_contrastive_by_hand():
    out = ibc.contrastive(jnp.array([1.0, -2.0]), jnp.array([[3.0, 5.0], [0.0, 1.0]]))
    np.testing.assert_allclose(out, [3.0, 2.5])


def quadratic(top):
    return lambda a: -20 * sum((a[..., i] - x) ** 2 for i, x in enumerate(top))


def two_peaks(a):
    """The higher peak at 0.6 is narrow, the lower one at -0.5 wide."""
    a = a[..., 0]
    return jnp.logaddexp(-((a - 0.6) ** 2) / 0.02 + 1.0, -((a + 0.5) ** 2) / 0.2)


@pytest.mark.parametrize("kind", ["dfo", "langevin"])
def test_searches_find_the_top(kind):
    choice = Inference(kind, samples=256, iterations=6)

    @jax.jit
    @jax.vmap
    def found(key):
        def search(f, dims):
            return choice.search(f, lambda _: None, dims, key, greedy=True)

        return search(quadratic([0.3, -0.7]), 2), search(quadratic([1.5, 0.0]), 2), search(two_peaks, 1)

    for actions, top in zip(found(jr.split(jr.key(0), 3)), ([0.3, -0.7], [1.0, 0.0], [0.6]), strict=True):
        np.testing.assert_allclose(actions, [top] * 3, atol=0.05)


def test_polishing_starts_at_the_actor():
    """From starts around the lower peak a short chain without noise climbs that one."""
    search = Inference("actor_polish", actor_steps=30, langevin=Langevin(first=0.2, last=0.05, noise=0.0))
    starts = jnp.linspace(-0.8, -0.2, 8)[:, None]
    found = search.search(two_peaks, lambda _: starts, 1, jr.key(0), greedy=True)
    np.testing.assert_allclose(found, [-0.5], atol=0.02)
    still = replace(search, actor_steps=0)
    found = still.search(two_peaks, lambda _: starts, 1, jr.key(0), greedy=True)
    assert min(abs(found - starts[3]), abs(found - starts[4])) < 1e-6  # -0.54 or -0.46


def test_langevin_steps_by_hand():
    """eta = (0.5, 0.125 + ..., last), a slope of 1, moves cut at `move` and positions at the box's edge."""
    chain = Langevin(iterations=3, first=0.5, last=0.1, power=2.0, noise=0.0, move=0.2)
    np.testing.assert_allclose(chain.steps(), [0.5, 0.2, 0.1], rtol=1e-6)

    def end(slope, start):
        return float(chain(lambda a: slope * a.sum(-1), jnp.array([[start]]), jr.key(0))[0, 0])

    assert end(0.1, 0.0) == pytest.approx(0.05 * (0.5 + 0.2 + 0.1))
    assert end(-1.0, 0.0) == pytest.approx(-(0.2 + 0.1 + 0.05))  # the first step, 0.25, is cut
    assert end(100.0, 0.9) == 1.0


def test_langevin_samples_follow_the_density():
    """With noise 1 and step eta the chain is the unadjusted Langevin one for exp f with variance scaled by eta."""
    eta, sigma2 = 0.05, 0.04  # a <- a - eta a / (2 sigma2) + eta xi
    chain = Langevin(iterations=200, first=eta, last=eta, noise=1.0)
    ends = chain(lambda a: -(a[:, 0] ** 2) / (2 * sigma2), jnp.zeros((4000, 1)), jr.key(0))
    keep = 1 - eta / (2 * sigma2)
    assert float(ends.std()) == pytest.approx(eta / math.sqrt(1 - keep**2), rel=0.05)


def test_rows_are_drawn_by_their_share():
    share = jnp.array([0.1, 0.0, 0.6, 0.3] + [0.0] * 9996)
    rows = np.asarray(resample(share, jr.key(0)))
    assert len(rows) == 10_000
    np.testing.assert_allclose(np.bincount(rows, minlength=10_000), 10_000 * np.asarray(share), atol=150)


def test_ranges():
    seen = ActionRange.nothing(SPEC).seen(jnp.array([[0.0, -1.0], [0.6, 0.4]])).seen(jnp.array([[0.1, -1.0]]))
    np.testing.assert_allclose(seen.low, [0.0, -1.0])
    np.testing.assert_allclose(seen.high, [0.6, 0.4])
    wide = seen.widened(0.1, SPEC)
    np.testing.assert_allclose(wide.low, [-0.06, -1.14], rtol=1e-5)
    np.testing.assert_allclose(wide.high, [0.66, 0.5], rtol=1e-5)  # the box ends at 0.5
    still = ActionRange.nothing(SPEC).seen(jnp.array([[0.2, 0.1]])).widened(0.05, SPEC)
    np.testing.assert_allclose(2 * still.half, [0.015, 0.025], rtol=1e-4)
    np.testing.assert_allclose(PART.unit(jnp.array([[-0.2, 0.25], [0.4, -1.0]])), [[-1, 1], [0, -1]], atol=1e-6)
    points = jr.uniform(jr.key(0), (5, 4, 2))
    np.testing.assert_allclose(PART.action(PART.unit(points)), points, atol=1e-6)


def test_counter_examples():
    actor = implicit().amortised
    obs = jr.normal(jr.key(0), (500, 3))
    choice = Negatives("mix", count=6, actor=2, chained=1, langevin=Langevin(50))
    assert choice.counts == (3, 1, 2)
    f = quadratic([0.5, 0.5])
    a = eqx.filter_jit(choice.draw)(f, actor, obs, PART, jr.key(1))
    assert a.shape == (500, 6, 2)
    assert (jnp.abs(a[:, :4]) <= 1).all()
    uniform = np.asarray(a[:, :3]).reshape(-1, 2)
    np.testing.assert_allclose(uniform.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(uniform.std(0), 1 / math.sqrt(3), atol=0.03)
    np.testing.assert_allclose(np.median(a[:, 3], 0), 0.5, atol=0.1)
    of_actor = np.asarray(PART.action(a[:, 4:]))
    assert (of_actor >= np.array(SPEC.action_low) - 1e-5).all()
    assert (of_actor <= np.array(SPEC.action_high) + 1e-5).all()
    np.testing.assert_allclose(of_actor.mean((0, 1)), actor.samples(obs, 50, jr.key(2)).mean((0, 1)), atol=0.05)


def test_the_kinds_of_counter_examples():
    for kind, counts in {"uniform": (6, 0, 0), "langevin": (0, 6, 0), "actor": (0, 0, 6)}.items():
        assert Negatives(kind, count=6, actor=2, chained=1).counts == counts


def test_no_gradient_flows_through_counter_examples():
    model = implicit()
    choice = Negatives("mix", count=4, actor=2, chained=1, langevin=SHORT)

    def total(model):
        f = model.energy.at(jnp.ones((2, 3)))
        drawn = choice.draw(f, model.amortised, jnp.ones((2, 3)), PART, jr.key(0))
        return drawn.sum()

    gradient = eqx.filter_jit(eqx.filter_grad(total))(model)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("kind", ["uniform", "actor", "mix"])
def test_the_density_of_counter_examples_integrates_to_one(kind):
    spec = Spec(1, 1, (-0.3,), (1.2,))
    whole = ActionRange.box(spec)
    actor = TanhGaussian(spec, PolicyConfig((8,)), key=jr.key(0))
    unit = jnp.linspace(-0.9999, 0.9999, 4001)
    density = Negatives(kind, count=4, actor=1).log_density(actor, jnp.ones((1, 1)), whole, unit[None, :, None])
    assert np.trapezoid(np.exp(density[0]), unit) == pytest.approx(1.0, abs=5e-3)


def test_the_implicit_density_integrates_to_one():
    """f is a network of one state and one action on an asymmetric range within the box."""
    spec = Spec(1, 1, (-0.3,), (1.2,))
    part = ActionRange(jnp.array([-0.1]), jnp.array([1.0]))
    model = implicit(searched=part, spec=spec)
    steeper = jax.tree.map(lambda w: 3 * w, model.energy)
    model = eqx.tree_at(lambda m: m.energy, model, steeper)
    action = jnp.linspace(-0.1, 1.0, 2001)
    logp = model.log_prob(jnp.full((2001, 1), 0.7), action[:, None])
    assert float(logp.max() - logp.min()) > 0.5
    assert np.trapezoid(np.exp(logp), action) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_every_inference_stays_in_the_box(kind):
    model = implicit(kind, ActionRange.box(SPEC), langevin=Langevin(3))
    obs = 30 * jr.normal(jr.key(0), (40, 3))
    mode = model.mode(obs)
    sample, logp = model.sample(obs, jr.key(1))
    assert np.isfinite(logp).all()
    for action in (mode, sample):
        assert action.shape == (40, 2)
        assert (np.asarray(action) >= np.float32(SPEC.action_low)).all()
        assert (np.asarray(action) <= np.float32(SPEC.action_high)).all()
    np.testing.assert_array_equal(mode, model.mode(obs))
    np.testing.assert_allclose(mode[::-1], model.mode(obs[::-1]), atol=1e-5)  # of its state alone
    assert not np.allclose(sample, model.sample(obs, jr.key(2))[0])
    if kind == "actor_mean":
        np.testing.assert_array_equal(mode, model.amortised.mode(obs))
        np.testing.assert_array_equal(logp, model.amortised.sample(obs, jr.key(1))[1])


@pytest.mark.parametrize("at", ["learner", "mix"])
def test_the_penalty_of_a_linear_function(at):
    """The largest slope along an action is 2, the one along a state 9: hinge (2 - 1)^2, at whatever points."""
    net = Energy(SPEC, EnergyConfig(()), key=jr.key(0))
    w = jnp.array([[9.0], [0.0], [0.0], [2.0], [-1.0]])
    net = eqx.tree_at(lambda n: n.mlp.weights, net, (w,))
    penalty = GradientPenalty("hinge", weight=3.0, margin=1.0, at=at, norm="linf", inputs="action")
    cfg = ibc.Config(gradient_penalty=penalty)
    candidates = jr.uniform(jr.key(1), (4, 3, 2))
    loss, metrics = ibc.energy_loss(net, jnp.ones((4, 3)), candidates, jnp.zeros((4, 3)), cfg, jr.key(2))
    assert float(metrics["penalty"]) == pytest.approx(3.0, rel=1e-5)
    assert float(loss) == pytest.approx(float(metrics["contrast"]) + 3.0, rel=1e-5)


def test_the_policy_is_a_file(tmp_path):
    policy = Policy(Normalizer(jnp.ones(3), 2 * jnp.ones(3)), implicit("actor_polish"))
    save_policy(tmp_path / "policy.safetensors", policy, {"env": "X"})
    again, about = load_policy(tmp_path / "policy.safetensors")
    assert about == {"env": "X"}
    assert again.actor.inference == policy.actor.inference
    obs = np.random.default_rng(0).normal(size=(6, 3))
    a, b = (p.act(obs, jr.key(0), "mode") for p in (policy, again))
    np.testing.assert_array_equal(a, b)
    a, b = (with_inference(p, "actor_mean").act(obs, jr.key(0), "mode") for p in (policy, again))
    np.testing.assert_array_equal(a, b)
    with pytest.raises(ConfigError, match="inference is one of dfo"):
        with_inference(policy, "magic")
    explicit = Policy(policy.normalizer, policy.actor.amortised)
    save_policy(tmp_path / "other.safetensors", explicit, {})
    with pytest.raises(ConfigError, match="no inference to choose"):
        with_inference(load_policy(tmp_path / "other.safetensors")[0], "dfo")
    (tmp_path / "other.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError):
        load_policy(tmp_path / "other.safetensors")


BAD = {
    "corrected chain": (lambda: Negatives("langevin", corrected=True), "have not"),
    "too many": (lambda: Negatives("mix", count=4, actor=3, chained=2), "are parts of negatives.count"),
    "none": (lambda: Negatives(count=0), "at least 1"),
    "no samples": (lambda: Inference(samples=0), "at least 1"),
    "rounds": (lambda: Inference(iterations=-1), "must not be negative"),
    "steps": (lambda: Langevin(-1), "must not be negative"),
    "buffer": (lambda: ibc.Config(buffer=-0.1), "must not be negative"),
    "bound": (lambda: EnergyConfig(bound=0.0), "positive or None"),
    "corrected contrast": (lambda: ibc.Config(loss="contrastive"), "is for loss=info_nce"),
}


@pytest.mark.parametrize("name", BAD)
def test_contradictions_are_refused(name):
    make, message = BAD[name]
    with pytest.raises(ConfigError, match=message):
        make()


def two_modes(count, rng):
    """Left of 0.3 the expert goes to +0.8 or -0.6, by a coin; right of it to 0.4."""
    obs = rng.uniform(-1, 1, (count, 1))
    coin = rng.random((count, 1)) < 0.5
    action = np.where(obs > 0.3, 0.4, np.where(coin, 0.8, -0.6)) + 0.02 * rng.normal(size=(count, 1))
    zeros = np.zeros(count, np.float32)
    return Transition(jnp.asarray(obs, jnp.float32), jnp.asarray(action, jnp.float32), zeros, obs, zeros > 0, zeros > 0)


def trained(module, cfg, updates, batch_size=128):
    spec = Spec(1, 1, (-1.0,), (1.0,))
    data = two_modes(2000, np.random.default_rng(0))
    state = module.init(cfg, spec, Normalizer.identity(1), jr.key(0))
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


def test_two_modes_and_a_jump():
    rate = OptimizerConfig(lr=3e-3)
    small = ibc.Config(
        energy=EnergyConfig((64, 64)),
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


@pytest.mark.usefixtures("no_figures")
def test_a_run_reaches_the_expert_and_reports_both_policies(tmp_path, demos, capsys):
    rate = OptimizerConfig(lr=3e-3)
    small = ibc.Config(
        batch_size=64,
        energy=EnergyConfig((16, 16)),
        policy=PolicyConfig((16, 16)),
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
