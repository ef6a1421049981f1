"""Statistics of a dataset."""

import json

import numpy as np
import pytest

from imitax.datasets import load, normalization, summary
from imitax.types import Transition


def test_normalization_known_answer():
    obs = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 1e-4], [77.0, 77.0, 77.0]])
    mean, std = normalization(load([{"observations": obs, "terminated": True}]))  # the final row starts no transition
    np.testing.assert_allclose(mean, [2, 5, 5e-5], rtol=1e-6)
    np.testing.assert_array_equal(std, np.float32([1, 1, 1]))
    assert mean.dtype == std.dtype == np.float32


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
