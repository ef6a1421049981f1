import functools
import itertools
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
import toy
from gymnasium.envs.registration import EnvSpec

from imitax.envs import Task, make_env
from imitax.errors import ConfigError, EnvError, EnvWarning


def test_the_description_of_a_task():
    task = Task.create(toy.ENV, {"wall": 2.0, "max_episode_steps": 7})
    assert (task.env_id, task.env_kwargs) == (toy.ENV, {"wall": 2.0, "max_episode_steps": 7})
    assert (task.spec.obs_dim, task.spec.action_dim, task.max_episode_steps) == (2, 2, 7)
    assert np.float32(task.spec.action_low).tolist() == toy.LOW.tolist()
    env = task.make()
    assert (env.unwrapped.wall, env.spec.max_episode_steps) == (2.0, 7)
    assert env.reset(seed=4)[0].tolist() == gym.make(toy.ENV).reset(seed=4)[0].tolist()


def test_a_specification_stands_for_its_id_or_for_what_it_makes():
    named = Task.create(gym.spec(toy.ENV), {"wall": 3.0})
    assert (named.env_id, named.env_kwargs, named.make().unwrapped.wall) == (toy.ENV, {"wall": 3.0}, 3.0)
    own = EnvSpec("ImitaxUnregistered-v0", entry_point=toy.Point, max_episode_steps=6, kwargs={"wall": 4.0})
    task = Task.create(own)
    assert (task.make().unwrapped.wall, task.max_episode_steps) == (4.0, 6)


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


def test_a_function_that_returns_one_object():
    env = toy.Point()
    with pytest.raises(EnvError, match="Point: the function that makes environments returned the same object twice"):
        Task.create(lambda: env)


def test_a_function_that_works_once():
    made = []

    def make():
        if made:
            raise OSError("port 5000 is in use")
        made.append(toy.Point())
        return made[0]

    with pytest.warns(EnvWarning, match=r"Point: the function .* fails when it is called again \(port 5000 .* alone"):
        assert Task.create(make).make() is made[0]


def test_an_environment_with_another_interface_is_refused_for_its_own_sake():
    class Old(toy.Point):
        def step(self, action):
            obs, reward, terminated, truncated, info = super().step(action)
            return obs, reward, terminated or truncated, info

    with pytest.raises(EnvError, match="Old, step 1 of episode 1: step returned the four values obs, reward, done"):
        Task.create(Old())
    with pytest.raises(EnvError, match="Old, step 1 of episode 1: step returned the four values obs, reward, done"):
        Task.create(Old).check()


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"action_space": gym.spaces.Box(0.0, np.array([0.0, 1.0]), dtype=np.float64)}, "low < high"),
        ({"action_space": gym.spaces.Text(3)}, "Discrete, MultiDiscrete or MultiBinary, got Text"),
        ({"observation_space": gym.spaces.Text(3)}, "observation is a Text space; observations are Box, Discrete"),
        ({"observation_space": "anything"}, "its observation_space is .*, not a space of gymnasium; give it one"),
        ({"action_space": None}, "its action_space is None, not a space of gymnasium; give it one"),
    ],
)
def test_spaces(space, words):
    class Env(toy.Point):
        def __init__(self):
            super().__init__()
            vars(self).update(space)

    for env in (Env, Env()):
        with pytest.raises(ConfigError, match=f"^Env: .*{words}"):
            Task.create(env)


def test_what_an_environment_calls_its_spec_is_no_registration():
    class Env(toy.Point):
        spec: ClassVar = {"task": "reach"}

    for env in (Env, Env()):
        assert (Task.create(env).env_id, Task.create(env).max_episode_steps) == ("Env", None)


def test_environments_of_one_task_have_the_same_spaces():
    sizes = itertools.cycle([1, 2])
    with pytest.raises(EnvError, match=r"Point: .* differ in their observation_space, Box\(.*\(1,\).*\(2,\)"):
        Task.create(lambda: toy.Point(dims=next(sizes)))


def test_arguments_go_with_an_id():
    for env in (toy.Point, toy.Point()):
        with pytest.raises(ConfigError, match=r"env_kwargs go with an environment id.*functools.partial"):
            Task.create(env, {"dims": 1})
    wraps = functools.wraps(toy.Point)(lambda: toy.Point(dims=1))
    assert Task.create(wraps).spec.obs_dim == 1
    with pytest.raises(ConfigError, match=r"env is called without arguments \(missing a required argument: 'dims'\)"):
        Task.create(lambda dims: toy.Point(dims=dims))


def test_what_is_no_environment():
    with pytest.raises(ConfigError, match="is a vector of environments; pass a single one"):
        Task.create(lambda: gym.make_vec(toy.ENV, 2))
    with pytest.raises(ConfigError, match="got dict"):
        Task.create(dict)


def test_an_id_without_a_version_gets_one():
    with pytest.warns(UserWarning, match="latest versioned environment"):
        assert Task.create("CartPole").env_id == "CartPole-v1"
