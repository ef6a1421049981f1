"""Recorded transitions, and what reward functions give them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from imitax.errors import DataError
from imitax.types import AnyArray

Vector = Float[AnyArray, "B"]
RewardFunction = Callable[[Float[AnyArray, "B O"], AnyArray, Float[AnyArray, "B O"], Bool[AnyArray, "B"]], Vector]
"""Rewards [B] of transitions: observations, actions, next observations, and whether the task ended there."""


class Samples(NamedTuple):
    """Recorded transitions of whole episodes, one after the other."""

    obs: Float[np.ndarray, "B O"]
    action: np.ndarray
    next_obs: Float[np.ndarray, "B O"]
    terminated: Bool[np.ndarray, "B"]
    episode: np.ndarray
    """Which episode each transition is of, counted from 0."""

    def under(self, reward: RewardFunction) -> Float[np.ndarray, "B"]:
        """What a reward function gives them.

        Raises:
            DataError: as `rewards_of`.
        """
        return rewards_of(reward, self.obs, self.action, self.next_obs, self.terminated)


def rewards_of(reward: RewardFunction, obs, action, next_obs, terminated) -> Float[np.ndarray, "B"]:
    """What a reward function gives transitions [B].

    Raises:
        DataError: not one finite number for each of them.
    """
    given = np.asarray(reward(obs, action, next_obs, terminated), np.float64)
    if given.shape != (len(obs),):
        raise DataError(
            f"a reward function returns one number for each transition, shape ({len(obs)},), not {given.shape}"
        )
    return finite(given)


def finite(rewards: Vector) -> Float[np.ndarray, "B"]:
    """The rewards as float64. Raises DataError where one is not finite."""
    rewards = np.asarray(rewards, np.float64)
    if not np.isfinite(rewards).all():
        raise DataError(f"{(~np.isfinite(rewards)).sum()} of {rewards.size} rewards are not finite")
    return rewards
