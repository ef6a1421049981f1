"""The fit of an ensemble to transitions of known dynamics."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from ensembles import NOISE, SMALL, SPEC, linear

from imitax.choices.dynamics_loss import DynamicsFit
from imitax.learner import OptimizerConfig
from imitax.networks import Dynamics
from imitax.training.dynamics_fit import fit, moments, padded, rescaled, split


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


def test_growing_data_are_padded_to_powers_of_two():
    assert [len(padded(np.ones((n, 2)))) for n in (1, 2, 3, 5, 8)] == [1, 2, 4, 8, 8]
    np.testing.assert_array_equal(padded(np.ones((3, 2)))[:, 0], [1, 1, 1, 0])
