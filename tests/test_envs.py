import gymnasium as gym
import numpy as np
import pytest
import toy

from imitax.envs import Task, make_env
from imitax.errors import ConfigError


def test_the_description_of_a_task():
    task = Task.create(toy.ENV, {"wall": 2.0, "max_episode_steps": 7})
    assert (task.env_id, task.env_kwargs) == (toy.ENV, {"wall": 2.0, "max_episode_steps": 7})
    assert (task.spec.obs_dim, task.spec.action_dim, task.max_episode_steps) == (2, 2, 7)
    assert np.float32(task.spec.action_low).tolist() == toy.LOW.tolist()
    env = task.make()
    assert (env.unwrapped.wall, env.spec.max_episode_steps) == (2.0, 7)
    assert env.reset(seed=4)[0].tolist() == gym.make(toy.ENV).reset(seed=4)[0].tolist()


def test_a_task_needs_the_registry_only_once(monkeypatch):
    """Other processes make the environment, where the package that registers it was never imported."""
    task = Task.create(toy.ENV, {"wall": 3.0})
    monkeypatch.delitem(gym.registry, toy.ENV)
    with pytest.raises(ConfigError, match="unknown environment 'ImitaxPoint-v0'"):
        make_env(toy.ENV, {})
    assert task.make().unwrapped.wall == 3.0


def test_tasks_of_environments_and_callables():
    wrapped = Task.create(gym.wrappers.TimeLimit(gym.make("ImitaxCounter-v0"), 3))
    assert (wrapped.env_id, wrapped.max_episode_steps) == ("ImitaxCounter-v0", 3)
    env = toy.Point(wall=4.0)
    first, second = (Task.create(env).make() for _ in range(2))
    assert first is not second
    assert first.wall == second.wall == 4.0
    assert Task.create(lambda: toy.Point(dims=1)).spec.obs_dim == 1
