"""An environment that exists once: training and evaluation take turns in it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from imitax.envs.guard import Guard
from imitax.observations import host_zeros, put


class Sole:
    """The environment, and who has started the episode that runs in it. Nobody but its owner closes it."""

    def __init__(self, env: Any):
        self.guard = Guard(env, owned=False)
        self.holder: object = None


class SoleVectorEnv:
    """A vector environment whose N members are one environment: one of them at a time has an episode.

    Args:
        sole: the environment.
        num_envs: N.
    """

    def __init__(self, sole: Sole, num_envs: int):
        self.sole, self.num_envs, self.envs = sole, num_envs, [sole.guard]
        self.obs: Any = host_zeros(sole.guard.space, num_envs)
        """Latest observation of each member, [N, ...]."""

    @property
    def taken(self) -> bool:
        """Whether somebody else has started an episode since this object did."""
        return self.sole.holder is not None and self.sole.holder is not self

    def reset(self, seeds: Mapping[int, int]) -> None:
        """Start an episode in one member; `seeds` maps its index to its seed."""
        ((i, seed),) = seeds.items()
        self.sole.holder = self
        put(self.obs, i, self.sole.guard.reset(seed=seed)[0])

    def step(
        self, actions: Shaped[np.ndarray, "N ..."], running: Bool[np.ndarray, "N"] | None = None
    ) -> tuple[Float[np.ndarray, "N"], Bool[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
        """Step the one member that runs; rewards, terminated and truncated [N] are zero elsewhere."""
        n = self.num_envs
        reward, terminated, truncated = np.zeros(n), np.zeros(n, bool), np.zeros(n, bool)
        (i,) = range(n) if running is None else np.flatnonzero(running).tolist()
        obs, reward[i], terminated[i], truncated[i], _ = self.sole.guard.step(actions[i])
        put(self.obs, i, obs)
        return reward, terminated, truncated

    def close(self) -> None:
        """Nothing: whoever made the environment closes it."""
