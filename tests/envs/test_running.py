import warnings

import gymnasium as gym
import numpy as np
import pytest
import toy
from gymnasium.wrappers import NormalizeObservation, NormalizeReward

from imitax.envs import Task
from imitax.errors import EnvWarning


def seen():
    env = NormalizeObservation(gym.make(toy.ENV))
    env.reset(seed=0)
    for _ in range(20):
        env.step(toy.LOW)
    return env


def test_an_instance_keeps_its_statistics():
    env = seen()
    with pytest.warns(EnvWarning, match=rf"{toy.ENV}: NormalizeObservation keeps the statistics that it has"):
        task = Task.create(env)
    first, second = task.make(), task.make()
    assert first.obs_rms.count > 20
    got = [e.reset(seed=3)[0] for e in (first, second, first)]
    np.testing.assert_array_equal(got, [got[0]] * 3)
    env = seen()
    env.update_running_mean = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Task.create(env)


@pytest.mark.parametrize("wrapper", [NormalizeObservation, NormalizeReward])
def test_environments_that_start_without_statistics(wrapper):
    with pytest.warns(EnvWarning, match=f"{wrapper.__name__} starts without statistics and gathers them in each"):
        Task.create(lambda: wrapper(gym.make(toy.ENV)))
    with pytest.warns(EnvWarning, match="starts without statistics"):
        Task.create(wrapper(gym.make(toy.ENV)))
