"""The actions of Gymnasium's spaces."""

import math

import gymnasium as gym
import numpy as np

from imitax.errors import ConfigError
from imitax.spaces import ActionSpace, BoxActions, FiniteActions

FINITE = gym.spaces.Discrete | gym.spaces.MultiDiscrete | gym.spaces.MultiBinary
"""Spaces that are finite sets."""


def action_space(space: gym.Space, name: str) -> ActionSpace:
    """The actions of an environment.

    Args:
        space: the environment's.
        name: of the environment, for messages.

    Raises:
        ConfigError: it is neither a Box of floats with low < high nor Discrete, MultiDiscrete or MultiBinary.
    """
    spaces = gym.spaces
    if isinstance(space, spaces.Discrete):
        return FiniteActions((int(space.n),), (int(space.start),), (), _dtype(space))
    if isinstance(space, spaces.MultiDiscrete):
        sizes, starts = (tuple(np.ravel(x).astype(int).tolist()) for x in (space.nvec, space.start))
        return FiniteActions(sizes, starts, tuple(space.shape), _dtype(space))
    if isinstance(space, spaces.MultiBinary):
        count = math.prod(space.shape)
        return FiniteActions((2,) * count, (0,) * count, tuple(space.shape), _dtype(space))
    if not isinstance(space, spaces.Box):
        raise ConfigError(f"{name}: actions must be a Box, Discrete, MultiDiscrete or MultiBinary, got {space}")
    if space.dtype is None or space.dtype.kind != "f":
        raise ConfigError(
            f"{name}: actions are a Box of {space.dtype}, and a policy's are fractions: make it Discrete or "
            "MultiDiscrete if its numbers are choices, else round them: gymnasium.wrappers.TransformAction(env, "
            "lambda a: a.round().astype(int), gymnasium.spaces.Box(low, high))"
        )
    try:
        shape = tuple(map(int, space.shape))
        return BoxActions.of(space.low.ravel(), space.high.ravel(), shape, np.dtype(space.dtype).name)
    except ConfigError as e:
        raise ConfigError(f"{name}: {e}") from e


def gym_space(space: ActionSpace) -> gym.Space:
    """Gymnasium's space of actions; of a finite set with several factors, a MultiDiscrete."""
    if isinstance(space, BoxActions):
        dtype = np.dtype(space.dtype).type
        low, high = (np.asarray(side, dtype).reshape(space.shape) for side in space.limits)
        return gym.spaces.Box(low, high, dtype=dtype)
    dtype = np.dtype(space.dtype).type
    if space.shape == ():
        return gym.spaces.Discrete(space.sizes[0], start=space.starts[0], dtype=dtype)
    sizes, starts = (np.reshape(x, space.shape) for x in (space.sizes, space.starts))
    return gym.spaces.MultiDiscrete(sizes, start=starts, dtype=dtype)


def _dtype(space: gym.Space) -> str:
    return np.dtype(space.dtype or np.int64).name
