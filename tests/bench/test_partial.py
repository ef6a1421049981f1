import gymnasium as gym
import numpy as np
import pytest

import imitax
from bench.experiments.partial import ENV, main, positions
from imitax.files import read_lines


def test_velocities_are_hidden_in_the_environment_and_in_the_data():
    env, whole = gym.make(ENV), gym.make("Hopper-v5")
    shown, full = env.reset(seed=0)[0], whole.reset(seed=0)[0]
    np.testing.assert_array_equal(shown, full[:5])
    assert env.observation_space.shape == (5,)
    data = imitax.load("hopper-expert")
    episode = positions(data).episodes[0]
    np.testing.assert_array_equal(episode.observations, data.episodes[0].observations[:, :5])
    assert positions(data).env_id == ENV


@pytest.mark.long
def test_toy_runs_of_every_cell(tmp_path, no_figures):
    arguments = ["--out", str(tmp_path), "--results", str(tmp_path / "results.jsonl"), "--episodes", "2"]
    arguments += ["--share", "0.001", "--eval-episodes", "1", "--histories", "1", "2", "--methods", "bc"]
    scores = main(arguments)
    assert set(scores) == {("bc", 1), ("bc", 2)}
    assert main(arguments) == scores  # finished runs are read
    assert [line["variant"] for line in read_lines(tmp_path / "results.jsonl")] == ["history=1", "history=2"]
