"""A task without an environment: its spaces are known, and nothing can be stepped."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np

from imitax.envs.actions import LARGEST_BOUND
from imitax.envs.making import Task
from imitax.envs.recorded import Recorded
from imitax.errors import ConfigError
from imitax.spaces import Spec


def recorded_task(recorded: Recorded, obs_dim: int, low: Sequence[float], high: Sequence[float]) -> Task:
    """The task of a run that has data and no environment.

    Args:
        recorded: the data.
        obs_dim: numbers in an observation.
        low: of the actions, [A].
        high: of the actions, [A].

    Raises:
        ConfigError: the bounds are not finite, too large, or the wrong way round.
    """
    bounds = np.array([low, high], np.float32)
    if not (np.abs(bounds) < LARGEST_BOUND).all() or not (bounds[0] < bounds[1]).all():
        shown = ", ".join(f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True))
        raise ConfigError(
            f"action bounds must be finite, low < high, and below {LARGEST_BOUND:g}: got {shown}; leave action_low and "
            "action_high out to have them inferred from the data, or rescale the actions"
        )
    spec = Spec.flat(obs_dim, tuple(map(float, bounds[0])), tuple(map(float, bounds[1])))
    observation, action = gym.spaces.Box(-np.inf, np.inf, (obs_dim,)), gym.spaces.Box(bounds[0], bounds[1])
    return Task(no_environment, "", {}, spec, observation, action, None, recorded=recorded)


def no_environment() -> gym.Env:
    """What makes the environment of such a task.

    Raises:
        ConfigError: always.
    """
    raise ConfigError("this run has no environment to act in: name one with --env (env=...)")
