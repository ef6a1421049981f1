"""A task without an environment: its spaces are known, and nothing can be stepped."""

from dataclasses import replace

import gymnasium as gym
import numpy as np

from imitax.envs.actions import gym_space
from imitax.envs.making import Task
from imitax.envs.recorded import Recorded
from imitax.errors import ConfigError
from imitax.spaces import LARGEST_BOUND, ActionSpace, BoxActions, Leaf, ObservationSpace, Spec


def recorded_task(recorded: Recorded, obs_dim: int, actions: ActionSpace) -> Task:
    """The task of a run that has data and no environment.

    Args:
        recorded: the data.
        obs_dim: numbers in an observation.
        actions: a finite set, or a box, whose bounds are rounded to 32 bits.

    Raises:
        ConfigError: the range of a box is not finite, too large, or the wrong way round.
    """
    if isinstance(actions, BoxActions):
        actions = _checked(actions)
    observation = gym.spaces.Box(-np.inf, np.inf, (obs_dim,))
    spec = Spec(ObservationSpace((Leaf((obs_dim,)),)), actions)
    return Task(no_environment, "", {}, spec, observation, gym_space(actions), None, recorded=recorded)


def _checked(box: BoxActions) -> BoxActions:
    bounds = np.array([box.low, box.high], np.float32)
    if not (np.abs(bounds) < LARGEST_BOUND).all() or not (bounds[0] < bounds[1]).all():
        shown = ", ".join(f"{a:g} to {b:g}" for a, b in zip(box.low, box.high, strict=True))
        raise ConfigError(
            f"action bounds must be finite, low < high, and below {LARGEST_BOUND:g}: got {shown}; leave action_low and "
            "action_high out to have them inferred from the data, or rescale the actions"
        )
    low, high = (tuple(map(float, bound)) for bound in bounds)
    return replace(box, low=low, high=high)


def no_environment() -> gym.Env:
    """What makes the environment of such a task.

    Raises:
        ConfigError: always.
    """
    raise ConfigError("this run has no environment to act in: name one with --env (env=...)")
