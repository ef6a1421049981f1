"""Environments with a history: their spaces, and that they show what recorded episodes show."""

import gymnasium as gym
import jax
import numpy as np
import pictured
import pytest
import toy

from imitax.datasets import collect
from imitax.datasets.remembered import with_history as data_with_history
from imitax.envs import Guard, Task, with_history
from imitax.errors import ConfigError, EnvError
from imitax.history import stacked_shape
from imitax.observation_spaces import of_space
from imitax.observations import rows
from imitax.seeding import Purpose, environment_seed
from imitax.spaces import ObservationSpace, Spec
from imitax.vector_envs import make_vector_env

TASKS = {
    "flat": (toy.ENV, {}, toy.expert),
    "finite": (toy.STEPS, {"kind": "multi"}, toy.stepping("multi")),
    "dict": (pictured.ENVS["dict"], {}, pictured.expert),
    "tuple": (pictured.ENVS["tuple"], {}, pictured.expert),
}


@pytest.mark.parametrize("actions", [False, True])
@pytest.mark.parametrize("kind", TASKS)
def test_environments_show_what_recorded_episodes_show(kind, actions):
    """The same actions from the same seeds, also in the episode after a reset."""
    env_id, kwargs, expert = TASKS[kind]
    task = with_history(Task.create(env_id, kwargs), 3, actions)
    data = collect(expert, task.single.make, episodes=2, seed=0, num_envs=1)
    seen, guard = data_with_history(data, task.spec), Guard(task.make())
    for i, episode in enumerate(seen.episodes):
        shown = [guard.reset(seed=environment_seed(Purpose.COLLECTION, 0, i))[0]]
        for action in task.spec.action.env(np.asarray(episode.actions)):
            shown.append(guard.step(np.asarray(action))[0])
        for t, obs in enumerate(shown):
            recorded = rows(episode.observations, t)
            for a, b in zip(jax.tree.leaves(obs), jax.tree.leaves(recorded), strict=True):
                np.testing.assert_array_equal(a, b)
    guard.close()


def test_the_space_of_a_task_is_that_of_its_leaves():
    task = Task.create(pictured.ENVS["dict"])
    seen = with_history(task, 4, False)
    shapes = [stacked_shape(leaf, 4) for leaf in task.spec.observation.leaves]
    assert [leaf.shape for leaf in seen.spec.observation.leaves] == shapes
    assert [leaf.kind for leaf in seen.spec.observation.leaves] == [x.kind for x in task.spec.observation.leaves]
    assert seen.spec.observation.leaves[2].categories == (4,) * 4
    assert seen.spec.observation.leaves[2].first == (1,) * 4
    assert (seen.spec.single, seen.single) == (task.spec.observation, task)
    assert of_space(seen.observation_space) == seen.spec.observation


def test_flat_observations_stay_flat():
    task = with_history(Task.create(toy.ENV), 3, True)
    assert task.spec == Spec(ObservationSpace.of(task.spec.observation.tree), task.spec.action, task.spec.history)
    assert (task.spec.observation.is_flat, task.spec.obs_dim) == (True, 3 * 2 + 2 * 2)
    assert with_history(task.single, 1, False) is task.single
    with pytest.raises(ConfigError, match="shows the last 3 observations and actions already"):
        with_history(task, 2, False)


def test_what_does_not_fit_is_never_remembered():
    class Late(toy.Counter):
        def step(self, action):
            obs, *rest = super().step(action)
            return (np.zeros(2) if self.t == 2 else obs), *rest

    guard = Guard(with_history(Task.create(Late), 2, False).make())
    guard.reset(seed=0)
    guard.step(np.zeros(1, np.float32))
    with pytest.raises(EnvError, match=r"Late, step 2 of episode 1: the observation has shape \(2,\)"):
        guard.step(np.zeros(1, np.float32))


def test_an_environment_that_exists_once_and_workers():
    class Alone(toy.Counter):
        def __deepcopy__(self, memo):
            raise TypeError("a device")

    with pytest.warns(match="used alone"):
        alone = with_history(Task.create(Alone()), 2, False)
    envs = make_vector_env(alone, 1)
    envs.reset({0: 0})
    envs.step(np.zeros((1, 1), np.float32))
    np.testing.assert_array_equal(envs.obs, [[0, 1]])
    shared = make_vector_env(with_history(Task.create("ImitaxCounter-v0"), 2, False), 2, 1)
    shared.reset({0: 0, 1: 1})
    shared.step(np.zeros((2, 1), np.float32))
    np.testing.assert_array_equal(shared.obs, [[0, 1]] * 2)
    shared.close()
    assert isinstance(alone.observation_space, gym.spaces.Box)
