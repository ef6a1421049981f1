"""Statistics of a dataset."""

import json

import numpy as np
import pytest

from imitax.datasets import load, normalization, summary
from imitax.errors import DataError, EnvWarning
from imitax.types import Transition


def test_normalization_known_answer():
    obs = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 1e-4], [77.0, 77.0, 77.0]])
    mean, std = normalization(load([{"observations": obs, "terminated": True}]))  # the final row starts no transition
    np.testing.assert_allclose(mean, [2, 5, 5e-5], rtol=1e-6)
    np.testing.assert_array_equal(std, np.float32([1, 1, 5e-5]))
    assert mean.dtype == std.dtype == np.float32


@pytest.mark.parametrize(("largest", "divisor"), [(0, 255), (3, 3), (15, 15), (16, 255), (255, 255)])
def test_bytes_are_those_of_a_picture_or_small_numbers(largest, divisor):
    obs = np.zeros((4, 2, 2), np.uint8)
    obs[1, 0, 1] = largest
    mean, std = normalization(load([{"observations": obs, "terminated": True}]))
    np.testing.assert_array_equal(mean, [[0]])
    np.testing.assert_array_equal(std, [[divisor]])


def test_normalization_uses_float64():
    obs = np.tile(np.float32([[10000.0], [10000.01]]), (50000, 1))
    flat = Transition(obs, np.zeros((len(obs), 0)), np.zeros(len(obs)), obs, *[np.zeros(len(obs), bool)] * 2)
    mean, std = normalization(flat)
    np.testing.assert_allclose(mean, obs.mean(dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(std, obs.std(dtype=np.float64), rtol=1e-6)


def test_normalization_does_not_blow_up_on_constant_dimensions():
    mean, std = normalization(load([{"observations": np.ones((5, 2)), "terminated": True}]))
    assert np.abs((np.array([3.0, 0.0]) - mean) / std).max() <= 2


def test_summary(dataset):
    numbers = summary(dataset)
    json.dumps(numbers)
    assert (numbers["episodes"], numbers["transitions"], numbers["terminated_share"]) == (4, 17, 0.5)
    assert (numbers["length_min"], numbers["length_max"], numbers["length_mean"]) == (1, 7, 4.25)
    assert numbers["return_mean"] == pytest.approx(dataset.returns.mean())
    assert numbers["return_sd"] == pytest.approx(dataset.returns.std())
    assert (numbers["obs_dim"], numbers["action_dim"], numbers["hash"]) == (4, 2, dataset.hash())
    every = np.concatenate([episode.observations for episode in dataset.episodes])
    assert numbers["obs_max"] == every.max(0).tolist()
    bare = summary(load([{"observations": every, "terminated": False}]))
    assert bare["return_mean"] is bare["action_dim"] is bare["action_max"] is None


def of_one(obs):
    return normalization(load([{"observations": np.r_[obs, obs[-1:]], "terminated": True}]))


def test_small_units_are_standardised_and_what_hardly_varies_is_named():
    x = np.random.default_rng(0).normal(size=(200, 2))
    for unit in (1.0, 1e-4, 3e-6):
        np.testing.assert_allclose(of_one(unit * x)[1], unit * x.std(0), rtol=1e-4)
    obs = np.c_[x[:, 0], 10 + 5e-4 * x[:, 1]]
    with pytest.warns(
        EnvWarning, match=r"count as constant, .*: 1 \(10 \+- 0.0005\); if they mean something, subtract"
    ):
        assert of_one(obs)[1][1] == 1
    with pytest.warns(EnvWarning, match=r"count as constant, .*: 0 "):
        assert of_one(1e-9 * x)[1].tolist() == [1, 1]
    np.testing.assert_array_equal(of_one(np.c_[x[:, 0], np.ones(200)])[1][1], 1)


def test_time_stamps_are_refused():
    x = np.random.default_rng(0).normal(size=(200, 2))
    for width in (1.0, 300.0):
        with pytest.raises(DataError, match=r"observation dimension 1 lies near 1.7e.09 .*128 apart .a time stamp"):
            of_one(np.c_[x[:, 0], 1.7e9 + width * x[:, 1]])
    assert of_one(np.c_[x[:, 0], 1.7e9 + 1e6 * x[:, 1]])[1][1] > 9e5
