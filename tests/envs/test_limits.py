import importlib

import gymnasium as gym
import numpy as np
import pytest
import toy

from imitax.datasets import collect
from imitax.envs import limits
from imitax.envs.limits import layers, time_limit
from imitax.errors import EnvWarning


def test_the_limit_of_an_environment():
    assert time_limit(toy.Point()) is None
    made = gym.make(toy.ENV)
    assert time_limit(made) == 20
    assert time_limit(gym.wrappers.TimeLimit(made, 5)) == 5
    assert time_limit(gym.make(toy.ENV, max_episode_steps=7)) == 7
    assert list(layers(made))[-1] is made.unwrapped


def test_collected_episodes_without_an_end_are_cut(monkeypatch):
    monkeypatch.setattr(importlib.import_module("imitax.datasets.collect"), "EPISODE_LIMIT", 30)
    assert limits.EPISODE_LIMIT == 10_000
    with pytest.warns(
        EnvWarning, match="Point: an episode had no end after 30 steps and was cut there; give .*TimeLimit"
    ):
        data = collect(lambda obs, step: np.zeros((len(obs), 2)), lambda: toy.Point(), episodes=3, seed=0)
    assert [(len(e), e.terminated, e.truncated) for e in data.episodes] == [(30, False, True)] * 3
