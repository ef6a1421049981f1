"""Errors of ensembles on transitions that they were not fitted to."""

import jax.numpy as jnp
import numpy as np
import pytest
from ensembles import constant, linear

from imitax.datasets import Dataset, Episode
from imitax.training.dynamics_errors import calibration, episode_numbers, held_out_error, pack, rollout_errors, unpack


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


def test_flat_transitions_are_the_transitions():
    t = linear(20)
    again = unpack(pack(t), 2, 1)
    for name in ("obs", "action", "reward", "next_obs", "terminated", "absorbing"):
        np.testing.assert_array_equal(getattr(again, name), getattr(t, name))


def test_errors_are_of_the_first_transitions_alone():
    """Members that predict 0 and 1 for each output."""
    t = linear(20)
    rows, out = jnp.asarray(pack(t)), np.concatenate([t.next_obs - t.obs, t.reward[:, None]], 1)[:12]
    error = held_out_error(constant([0.0, 1.0]), rows, jnp.asarray(12))
    np.testing.assert_allclose(error, [(out**2).mean(), ((out - 1) ** 2).mean()], rtol=1e-5)


def test_the_calibration_of_a_unit_gaussian():
    """Outputs drawn from it lie in its intervals as often as they should."""
    rng, n = np.random.default_rng(0), 4000
    obs, out = np.zeros((n, 2), np.float32), rng.normal(size=(n, 3)).astype(np.float32)
    t = linear(n)
    t = type(t)(obs, t.action, out[:, 2], out[:, :2], t.terminated, t.absorbing)
    unit = constant([0.0], [-0.07])  # the bounds make it a log variance of about 0
    var = float(jnp.exp(unit.predict(jnp.zeros((1, 2)), jnp.zeros((1, 1))).log_var[0, 0, 0]))
    t = type(t)(obs, t.action, t.reward * var**0.5, t.next_obs * np.float32(var**0.5), t.terminated, t.absorbing)
    nll, coverage = calibration(unit, jnp.asarray(pack(t)), n)
    assert nll[0] == pytest.approx(0.5 * (1 + np.log(2 * np.pi * var)), rel=0.02)
    for level, share in coverage.items():
        assert share == pytest.approx(float(level), abs=0.02)
