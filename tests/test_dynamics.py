"""The dynamics ensemble, its fit, and what it is unsure of."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import norm

from imitax.artifacts import load_dynamics, save_dynamics
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.choices.pessimism import Pessimism
from imitax.datasets import Dataset, Episode
from imitax.dynamics_fit import episode_numbers, fit, moments, rescaled, rollout_errors, split
from imitax.errors import CheckpointError, ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import Dynamics, DynamicsConfig, Prediction, Termination
from imitax.types import Spec, Transition

SPEC = Spec(2, 1, (-1.0,), (1.0,))
SMALL = DynamicsConfig(hidden=(16,), members=4, elites=2, termination="learned")
NOISE = 0.05


def linear(count, seed=0):
    """s' = s + (a / 2, -s_0 / 4) + noise, reward s_1, the end where s_0 > 1."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(count, 2)).astype(np.float32)
    action = rng.uniform(-1, 1, (count, 1)).astype(np.float32)
    change = np.concatenate([action / 2, -obs[:, :1] / 4], 1) + NOISE * rng.normal(size=(count, 2))
    next_obs = (obs + change).astype(np.float32)
    return Transition(obs, action, obs[:, 1], next_obs, next_obs[:, 0] > 1, np.zeros(count, bool))


@pytest.fixture(scope="module")
def fitted():
    cfg = DynamicsFit(epochs=60, batch_size=64, optimizer=OptimizerConfig(lr=3e-3), decay=(0.0,))
    return fit(Dynamics(SPEC, SMALL, None, key=jr.key(0)), linear(3000), cfg, np.random.default_rng(0))


def test_a_fit_finds_the_dynamics(fitted):
    dynamics, report = fitted
    test = linear(2000, seed=1)
    scale = np.asarray(dynamics.output_std)
    noise = NOISE**2 / scale[:2] ** 2  # share of each output's variance that nobody can predict
    floor = noise.sum() / 3  # the reward has none
    assert 0.85 * floor < min(report.error) < 1.3 * floor
    assert report.transitions + report.held_out == 3000
    p = dynamics.predict(jnp.asarray(test.obs), jnp.asarray(test.action))
    deviation = np.exp(p.log_var / 2)[..., :2].mean((0, 1)) * scale[:2]
    np.testing.assert_allclose(deviation, NOISE, rtol=0.15)
    for level, share in report.coverage.items():
        assert abs(share - float(level)) < 0.12
    ends = np.asarray(p.end).mean(0) > 0
    assert (ends == test.terminated).mean() > 0.97


def test_elites_are_the_best_of_the_weights_that_are_kept(fitted):
    dynamics, report = fitted
    assert report.elites == np.argsort(report.error)[:2].tolist()
    assert np.asarray(dynamics.elites).tolist() == report.elites
    kept = np.min(report.errors, axis=0)  # up to the improvement that counts
    assert (np.asarray(report.error) <= kept / (1 - 0.01) + 1e-6).all()


def test_a_second_fit_starts_from_the_same_function(fitted):
    dynamics, _ = fitted
    old = (dynamics.input_mean, dynamics.input_std, dynamics.output_mean, dynamics.output_std)
    new = (jnp.array([1.0, -2.0, 0.5]), jnp.array([3.0, 0.5, 2.0]), jnp.array([0.1, 0.2, 0.3]), jnp.array([2.0, 1, 4]))
    moved = eqx.tree_at(
        lambda d: (d.input_mean, d.input_std, d.output_mean, d.output_std), rescaled(dynamics, old, new), new
    )
    t = linear(50, seed=2)
    before, after = (d.predict(jnp.asarray(t.obs), jnp.asarray(t.action)) for d in (dynamics, moved))
    (m0, s0), (m1, s1) = ((d.output_mean[None, None], d.output_std[None, None]) for d in (dynamics, moved))
    np.testing.assert_allclose(before.mean * s0 + m0, after.mean * s1 + m1, atol=1e-4)
    np.testing.assert_allclose(before.log_var + 2 * jnp.log(s0), after.log_var + 2 * jnp.log(s1), atol=1e-4)
    np.testing.assert_allclose(before.end, after.end, atol=1e-4)


def test_constant_columns_keep_their_unit():
    mean, std = moments(np.array([[1.0, 2.0], [1.0, 4.0]], np.float32))
    assert mean.tolist() == [1.0, 3.0]
    assert std.tolist() == [1.0, 1.0]


def test_whole_episodes_are_held_out():
    numbers = np.repeat(np.arange(10), 7)
    train, held = split(70, DynamicsFit(holdout=0.15), np.random.default_rng(0), numbers)
    assert len(held) == 14
    assert not set(numbers[train]) & set(numbers[held])
    assert sorted([*train, *held]) == list(range(70))
    train, held = split(70, DynamicsFit(holdout=0.5, holdout_max=5), np.random.default_rng(0), None)
    assert (len(train), len(held)) == (65, 5)


def constant(means, log_vars=None):
    """An ensemble whose members predict one number each for everything."""
    members = len(means)
    cfg = dataclasses.replace(SMALL, members=members, elites=members)
    d = Dynamics(SPEC, cfg, None, key=jr.key(0))
    last = jnp.zeros_like(d.mlp.weights[-1])
    bias = jnp.zeros_like(d.mlp.biases[-1]).at[:, :3].set(jnp.asarray(means)[:, None])
    if log_vars is not None:
        bias = bias.at[:, 3:6].set(jnp.asarray(log_vars)[:, None])
    return eqx.tree_at(lambda x: (x.mlp.weights, x.mlp.biases), d, ((d.mlp.weights[0], last), (d.mlp.biases[0], bias)))


def test_rows_are_dealt_to_the_elites_in_equal_numbers():
    d = constant([0.0, 100.0, 200.0, 300.0], [-8.0] * 4)
    d = eqx.tree_at(lambda x: x.elites, d, jnp.array([1, 3, 2]))
    for count in (30, 31):
        step = d.sample(jnp.zeros((count, 2)), jnp.zeros((count, 1)), jr.key(0))
        who = np.round(np.asarray(step.next_obs[:, 0]) / 100).astype(int)
        assert set(who) == {1, 2, 3}
        assert np.bincount(who)[1:].min() >= count // 3 - 1
        np.testing.assert_allclose(step.reward, 100 * who, atol=1)
    prediction = d.predict(jnp.zeros((300, 2)), jnp.zeros((300, 1)))
    step = d.sample_from(prediction, jnp.zeros((300, 2)), jr.key(1))
    assert set(np.round(np.asarray(step.next_obs[:, 1]) / 100)) == {1, 2, 3}


def test_the_mixture_has_its_density():
    d = constant([0.0, 1.0], [0.0, -1.0])
    p = d.predict(jnp.zeros((1, 2)), jnp.zeros((1, 1)))
    x = np.array([0.3, -0.2, 0.9])
    stds = np.exp(np.asarray(p.log_var)[:, 0, 0] / 2)
    parts = [norm.pdf(x, m, s).prod() for m, s in zip((0.0, 1.0), stds, strict=True)]
    np.testing.assert_allclose(d.log_prob(p, jnp.asarray(x)[None]), np.log(np.mean(parts)), rtol=1e-5)


def test_variance_stays_within_its_bounds():
    d = constant([0.0] * 2, [50.0, -50.0])
    log_var = d.predict(jnp.zeros((1, 2)), jnp.zeros((1, 1))).log_var[:, 0, 0]
    np.testing.assert_allclose(log_var, [0.5, -10.0], atol=0.01)


STDS = (jnp.array([2.0, 4.0, 9.0]), jnp.array([1.0, 2.0, 7.0]))  # an output's unit is half an observation's
UNITS = eqx.tree_at(lambda d: (d.input_std, d.output_std), constant([0.0, 0.0]), STDS)
MEANS = jnp.array([[[0.0, 1.0, 99.0]], [[2.0, 1.0, -99.0]]])  # the reward, last, does not count
PREDICTION = Prediction(MEANS, jnp.log(jnp.array([[[1.0, 4.0, 9.0]], [[9.0, 4.0, 1.0]]])), jnp.zeros((2, 1)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("max_norm", np.sqrt(9 / 4 + 4 / 4)),
        ("ensemble_variance", ((5 + 1) / 4 + 4 / 4) / 2),
        ("ensemble_std", (np.sqrt(6 / 4) + 1) / 2),
    ],
)
def test_uncertainty(kind, value):
    np.testing.assert_allclose(Pessimism(kind).uncertainty(UNITS, PREDICTION), [value], rtol=1e-6)


def test_a_tuned_weight_settles_where_the_penalty_is_its_target():
    cfg = Pessimism(weight=1.0, tuned=True, target=3.0, lr=0.1)
    u = jnp.array([0.5, 1.5])
    end, _ = jax.lax.scan(lambda w, _: (cfg.update(w, u), None), cfg.create(), None, 300)
    np.testing.assert_allclose(end.net(), 3.0, rtol=1e-2)
    fixed = dataclasses.replace(cfg, tuned=False)
    assert fixed.update(fixed.create(), u).net() == 1.0


def test_members_do_not_share_their_decay():
    d = constant([0.0, 0.0])
    cfg = DynamicsFit(decay=(1.0, 0.5), bound_weight=0.0)
    t = jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * 2), linear(4))
    with_decay, without = (c.loss(d, t)[0] for c in (cfg, dataclasses.replace(cfg, decay=(0.0,))))
    norms = [(w**2).sum() for w in d.mlp.weights]
    np.testing.assert_allclose(with_decay - without, norms[0] / 2 + norms[1] / 4, rtol=1e-4)


def test_errors_along_recorded_actions():
    still = constant([0.0, 0.0])
    episodes = tuple(
        Episode(np.outer(np.arange(n + 1), [1.0, 2.0]), np.zeros((n, 1)), np.zeros(n), terminated=False, truncated=True)
        for n in (3, 8, 9)
    )
    errors = rollout_errors(still, episodes, 5, np.random.default_rng(0), count=20)
    np.testing.assert_allclose(errors, np.sqrt(2.5) * np.arange(1, 6), rtol=1e-5)  # it stands still where they move
    assert rollout_errors(still, episodes, 10, np.random.default_rng(0)) == []
    data = Dataset(episodes, action_low=(-1.0,), action_high=(1.0,))
    assert np.bincount(episode_numbers(data)).tolist() == [3, 8, 9]


def test_models_are_files(fitted, tmp_path):
    dynamics, _ = fitted
    save_dynamics(tmp_path / "d.safetensors", dynamics, {"env": "x"})
    again, about = load_dynamics(tmp_path / "d.safetensors", None)
    assert eqx.tree_equal(again, dynamics)
    assert about == {"env": "x"}
    with pytest.raises(CheckpointError, match="termination is learned; give --dynamics"):
        load_dynamics(tmp_path / "d.safetensors", Termination((0.0,) * 2, (1.0,) * 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DynamicsConfig(elites=9), "elites must lie in 1 to members"),
        (lambda: DynamicsConfig(log_var_min=1.0), "must lie below"),
        (lambda: DynamicsFit(holdout=0.0), "holdout must lie between"),
        (lambda: DynamicsFit(epochs=0), "epochs must be at least 1"),
        (lambda: DynamicsFit(decay=()), "decay is empty"),
        (lambda: Pessimism(weight=0.0), "weight must be positive"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
