"""Errors on recorded actions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.datasets import Dataset, Episode
from imitax.errors import DataError
from imitax.held_out import measure, summarise_errors
from imitax.networks import Categorical, Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec


@pytest.fixture(scope="module")
def policy():
    """Its mode is the middle of the box, [1, 10], whatever it sees."""
    actor = TanhGaussian(Spec.flat(3, (-1.0, -10.0), (3.0, 30.0)), PolicyConfig(hidden=(4,)), key=jr.key(0))
    zero = jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_array(x) else x, actor)
    return Policy(Normalizer.identity(3), zero)


def episode(off):
    """An episode whose actions are `off` [T, 2] away from the policy's."""
    off = np.asarray(off, float)
    return Episode(np.zeros((len(off) + 1, 3)), off + np.array([1.0, 10.0]), None, False, True)


def test_errors_by_dimension_by_time_and_as_a_share_of_the_range(policy):
    off = np.zeros((20, 2))
    off[2:4] = [0.4, -4.0]  # the second tenth: a tenth of either range
    found = measure(policy, Dataset((episode(off), episode(off[:10]))), jr.key(1))
    assert found["action_error_by_dimension"] == pytest.approx([4 * 0.4 / 30, 4 * 4 / 30], rel=1e-5)
    assert found["action_error_mode"] == pytest.approx(4 * 4.4 / 60, rel=1e-5)
    assert found["error"] == pytest.approx(4 * 0.1 / 30, rel=1e-5)
    by_time = np.zeros(10)
    by_time[1], by_time[2], by_time[3] = 0.2 / 3, 0.1 / 3, 0.1 / 3
    assert found["error_by_time"] == pytest.approx(by_time, abs=1e-6)


def test_errors_of_a_finite_set_are_shares_of_wrong_factors():
    spec = Spec(ObservationSpace((Leaf((3,)),)), FiniteActions((3, 2), (-1, 0), (2,)))
    actor = Categorical(spec, PolicyConfig(hidden=(4,)), key=jr.key(0))
    zero = jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_array(x) else x, actor)  # its mode is the first, [-1, 0]
    actions = np.tile([-1, 0], (10, 1))
    actions[3] = [1, 1]
    actions[7, 1] = 1
    data = Dataset((Episode(np.zeros((11, 3)), actions, None, False, True),), name="log")
    found = measure(Policy(Normalizer.identity(3), zero), data, jr.key(1))
    assert found["action_error_by_dimension"] == pytest.approx([0.1, 0.2])
    assert found["error"] == found["action_error_mode"] == pytest.approx(0.15)
    by_time = np.zeros(10)
    by_time[3], by_time[7] = 1, 0.5
    assert found["error_by_time"] == pytest.approx(by_time)
    assert found["log_likelihood"] == pytest.approx(-np.log(6))
    actions[4, 0] = 2
    wrong = Dataset((Episode(np.zeros((11, 3)), actions, None, False, True),), name="log")
    with pytest.raises(DataError, match=r"log: actions are not in the policy's set: dimension 0: .* episode 0 row 4"):
        measure(Policy(Normalizer.identity(3), zero), wrong, jr.key(1))


def test_a_part_without_a_step_is_not_a_number(policy):
    found = measure(policy, Dataset((episode(np.zeros((2, 2))),)), jr.key(1))
    assert np.isfinite(found["error_by_time"]).tolist() == [i in (0, 5) for i in range(10)]


def test_data_of_another_size(policy):
    data = Dataset((Episode(np.zeros((3, 2)), np.zeros((2, 2)), None, False, True),), name="flat")
    with pytest.raises(DataError, match="flat has 2 observations and 2 actions, the policy takes 3 and gives 2"):
        measure(policy, data, jr.key(0))
    with pytest.raises(DataError, match="no actions"):
        measure(policy, Dataset((Episode(np.zeros((3, 3)), None, None, False, True),)), jr.key(0))


def test_means_over_seeds():
    one = {"error": 0.1, "log_likelihood": 1.0, "error_by_time": [0.0, 0.2]}
    two = {"error": 0.3, "log_likelihood": 2.0, "error_by_time": [0.4, 0.2]}
    found = summarise_errors({5: one, 7: two})
    assert found["error"] == pytest.approx(0.2)
    assert found["error_by_time"] == pytest.approx([0.2, 0.2])
    assert (found["return_mean"], found["iqm"]) == (None, None)
    assert [(x["seed"], x["error"]) for x in found["per_seed"]] == [(5, 0.1), (7, 0.3)]
