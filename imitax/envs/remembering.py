"""Environments that show the last K observations, and tasks and spaces of such."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium as gym
import jax
import numpy as np

from imitax.envs.guard import Guard
from imitax.envs.making import Task
from imitax.envs.sole import Sole
from imitax.errors import ConfigError
from imitax.history import ACTIONS, Recent, stacked_shape
from imitax.observation_spaces import of_space
from imitax.spaces import ActionSpace, History, Leaf, Spec


class Remembering:
    """An environment whose observations are histories, with the interface of Gymnasium's.

    What it wraps is checked as `Guard` does, so that only what fits its space is remembered.

    Args:
        env: what it wraps.
        history: what is seen.
        actions: of the task.
        space: of the histories.
    """

    def __init__(self, env: Any, history: History, actions: ActionSpace, space: gym.Space):
        self.guard = Guard(env, owned=False)
        self.observation_space, self.action_space = space, self.guard.action_space
        self.spec, self.unwrapped = self.guard.spec, self.guard.unwrapped
        self.actions, self.recent = actions, Recent(history, 1, actions.size)

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode, in which nothing has been seen before."""
        obs, info = self.guard.reset(seed=seed)
        self.recent.begin()
        return self._seen(obs), info

    def step(self, action: np.ndarray | np.generic) -> tuple[Any, float, bool, bool, Any]:
        """One step, as of Gymnasium."""
        obs, reward, terminated, truncated, info = self.guard.step(action)
        self.recent.did(self.actions.encode(np.ravel(action)[None]))
        return self._seen(obs), reward, terminated, truncated, info

    def close(self) -> None:
        """Close what it wraps."""
        self.guard.env.close()

    def _seen(self, obs: Any) -> Any:
        return jax.tree.map(lambda x: x[0], self.recent.see(jax.tree.map(lambda x: np.asarray(x)[None], obs)))


def with_history(task: Task, length: int, actions: bool) -> Task:
    """The task whose observations are the last `length` ones, and the actions between them where wanted.

    It is the task itself where `length` is 1.

    Raises:
        ConfigError: it is such a task already.
    """
    if length == 1:
        return task
    if task.spec.history is not None:
        raise ConfigError(f"{task.label} shows {task.spec.history} already")
    history = History(length, actions, task.spec.observation)
    space = stacked_space(task.observation_space, history.single.tree, length)
    if actions:
        space = _beside(space, (length - 1) * task.spec.action.size, history)
    arguments = (history, task.spec.action, space)
    spec = Spec(of_space(space), task.spec.action, history)
    sole = None if task.sole is None else Sole(Remembering(task.sole.guard.env, *arguments))
    make: Callable[[], Any] = partial(make_remembering, task.make, *arguments)
    return replace(task, make=make, spec=spec, observation_space=space, sole=sole, single=task)


def seen_task(task: Task, spec: Spec) -> Task:
    """The task as a policy with this specification sees it; a task with a history as it is."""
    history = spec.history
    return task if history is None or task.spec.history else with_history(task, history.length, history.actions)


def make_remembering(make: Callable[[], Any], history: History, actions: ActionSpace, space: gym.Space) -> Remembering:
    """A new environment of a task with a history."""
    return Remembering(make(), history, actions, space)


def stacked_space(space: gym.Space, tree: Any, length: int) -> gym.Space:
    """Gymnasium's space of stacks of observations.

    Args:
        space: of one observation.
        tree: its leaves, as `ObservationSpace.tree`.
        length: observations in a stack.
    """
    spaces = gym.spaces
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: stacked_space(space.spaces[key], part, length) for key, part in tree.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([stacked_space(s, part, length) for s, part in zip(space.spaces, tree, strict=True)])
    leaf: Leaf = tree
    shape = stacked_shape(leaf, length)

    def repeated(x: Any) -> np.ndarray:
        return np.broadcast_to(np.reshape(x, leaf.shape), (length, *leaf.shape)).reshape(shape)

    if isinstance(space, spaces.Box):
        dtype: Any = space.dtype
        return spaces.Box(repeated(space.low), repeated(space.high), dtype=dtype)
    if leaf.kind == "categories":
        return spaces.MultiDiscrete(repeated(leaf.categories), start=repeated(leaf.first))
    return spaces.MultiBinary(shape)


def _beside(space: gym.Space, size: int, history: History) -> gym.Space:
    """The space of observations with `size` numbers of actions."""
    actions = gym.spaces.Box(-np.inf, np.inf, (size,))
    if not history.single.is_flat:
        return gym.spaces.Dict({"observation": space, ACTIONS: actions})
    assert isinstance(space, gym.spaces.Box)
    low, high = (np.concatenate(x).astype(np.float32) for x in ((space.low, actions.low), (space.high, actions.high)))
    return gym.spaces.Box(low, high)
