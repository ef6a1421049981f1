"""The actions of Gymnasium's spaces."""

import math

import gymnasium as gym
import numpy as np

from imitax.errors import ConfigError
from imitax.spaces import ActionSpace, BoxActions, FiniteActions

LARGEST_BOUND = 1e9
"""Action bounds beyond this mean "none": some simulators declare the largest number of float32."""

FINITE = gym.spaces.Discrete | gym.spaces.MultiDiscrete | gym.spaces.MultiBinary
"""Spaces that are finite sets."""


def action_space(space: gym.Space, name: str) -> ActionSpace:
    """The actions of an environment.

    Args:
        space: the environment's.
        name: of the environment, for messages.

    Raises:
        ConfigError: it is neither a flat Box with finite bounds nor Discrete, MultiDiscrete or MultiBinary.
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
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise ConfigError(f"{name}: actions must be a flat Box, Discrete, MultiDiscrete or MultiBinary, got {space}")
    low, high = space.low, space.high
    if not (max(np.abs(low).max(), np.abs(high).max()) < LARGEST_BOUND and (low < high).all()):
        raise ConfigError(
            f"{name}: action bounds must be finite with low < high, and below {LARGEST_BOUND:g}, got {space}; give the "
            "range that is used: gymnasium.wrappers.TransformAction(env, lambda a: a, gymnasium.spaces.Box(low, high))"
        )
    return BoxActions(tuple(map(float, low)), tuple(map(float, high)))


def gym_space(space: ActionSpace) -> gym.Space:
    """Gymnasium's space of actions; of a finite set with several factors, a MultiDiscrete."""
    if isinstance(space, BoxActions):
        return gym.spaces.Box(np.asarray(space.low, np.float32), np.asarray(space.high, np.float32))
    dtype = np.dtype(space.dtype).type
    if space.shape == ():
        return gym.spaces.Discrete(space.sizes[0], start=space.starts[0], dtype=dtype)
    sizes, starts = (np.reshape(x, space.shape) for x in (space.sizes, space.starts))
    return gym.spaces.MultiDiscrete(sizes, start=starts, dtype=dtype)


def _dtype(space: gym.Space) -> str:
    return np.dtype(space.dtype or np.int64).name
