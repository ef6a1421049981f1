"""How a dataset names the Gymnasium environment it comes from, and which spaces it can hold."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from imitax.datasets.episode import kwargs_json
from imitax.errors import DataError


def identity(spec: EnvSpec | None) -> tuple[str | None, dict[str, Any]]:
    """Environment id and the kwargs with which `gymnasium.make` builds the same task.

    Left out are how it is rendered and what the id's registration says anyway, so that one task has one name.
    A time limit other than the registered one appears as `max_episode_steps`. Without a spec: None and no kwargs.
    """
    if spec is None:
        return None, {}
    registered = gym.registry.get(spec.id)
    kwargs = {key: value for key, value in spec.kwargs.items() if key != "render_mode"}
    if registered is not None:
        kwargs = {key: value for key, value in kwargs.items() if registered.kwargs.get(key, ...) != value}
        if spec.max_episode_steps != registered.max_episode_steps:
            kwargs["max_episode_steps"] = -1 if spec.max_episode_steps is None else spec.max_episode_steps
    return spec.id, json.loads(kwargs_json(kwargs))


def specification(env_id: str, env_kwargs: Mapping[str, Any]) -> EnvSpec:
    """The inverse of `identity`; works for environments that are not installed too."""
    spec = copy.deepcopy(gym.registry.get(env_id) or EnvSpec(env_id))
    if callable(spec.entry_point):
        spec.entry_point = None  # a class cannot be written to a file; the id still finds it
    kwargs = json.loads(kwargs_json(env_kwargs))
    spec.max_episode_steps = kwargs.pop("max_episode_steps", spec.max_episode_steps)
    spec.kwargs = spec.kwargs | kwargs
    return spec


def box(space: gym.Space, what: str) -> gym.spaces.Box:
    """The space, if it is one vector of numbers. Raises DataError, with what to do about it, when it is not."""
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
        return space
    if what == "action":
        raise DataError(f"the action space is {space}; imitax learns continuous actions, a one-dimensional Box")
    raise DataError(
        f"the observation space is {space}, not a one-dimensional Box; flatten it (for a goal task, join observation "
        "and desired_goal) with a Gymnasium wrapper, and pass the flattened observations as arrays"
    )
