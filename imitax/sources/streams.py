"""All data of a run: demonstrations, recorded data, replay and model rollouts, as the training loop sees them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from imitax.buffers import Buffer, Buffers
from imitax.networks import Policy
from imitax.sources.online import OnlineSource
from imitax.sources.rollouts import RolloutSource
from imitax.stacking import spread
from imitax.types import Metrics

Fit = Callable[[Any, Buffer, int], tuple[Any, Metrics]]
"""`(state, replay, step) -> (state, metrics)`: the state with its models fitted to the replay."""


@dataclass
class Streams:
    """The five kinds of data; those that an algorithm does not need are None."""

    expert: Buffer | None
    initial: Buffer | None
    offline: Buffer | None
    online: OnlineSource | None
    rollouts: RolloutSource | None
    explorer: Callable[[Any], Policy]
    """The policies of a state that act in training."""
    act: Callable[[Policy, np.ndarray, int], np.ndarray]
    """`(policies, obs [S, N, ...], step) -> actions [S, N, A]`."""
    rollout_keys: Key[Array, "S"]
    fit: Fit
    refit_every: int | None = None
    """Environment steps between fits of the models."""
    held_out: Buffer | None = None
    devices: int = 1
    """That share the seeds: the data of each seed lie on its own."""
    slow: list[Metrics] = field(default_factory=list)
    """Metrics of fits and rollouts since they were last read."""

    def __post_init__(self):
        self.expert, self.initial, self.offline, self.held_out, self.rollout_keys = spread(
            (self.expert, self.initial, self.offline, self.held_out, self.rollout_keys), self.devices
        )
        for source in (self.online, self.rollouts):
            if source is not None:
                source.buffer = spread(source.buffer, self.devices)
        if self.online is not None and self.online.recent is not None:
            self.online.recent = spread(self.online.recent, self.devices)

    @property
    def warmup(self) -> int:
        """Steps at the start in which nothing is learned."""
        return 0 if self.online is None else self.online.warmup

    @property
    def buffers(self) -> Buffers:
        """What batches are drawn from."""
        replay = None if self.online is None else self.online.buffer
        rollouts = None if self.rollouts is None else self.rollouts.buffer
        recent = None if self.online is None else self.online.recent
        return Buffers(self.expert, replay, self.initial, self.offline, rollouts, recent, self.held_out)

    def advance(self, state: Any, step: int, count: int) -> Any:
        """Collect what steps `step` to `step + count` learn from; returns the state, its models fitted where due."""
        if self.online is not None:
            self.online.advance(partial(self.act, self.explorer(state)), step, count)
            if step < self.warmup:
                return state
            first = step == self.warmup
            if self.refit_every is not None and (first or step % self.refit_every == 0):
                state, metrics = self.fit(state, self.online.buffer, step)
                self.slow.append(metrics)
        if self.rollouts is not None:
            first = self.online is not None and step == self.warmup
            if first or step % self.rollouts.cfg.model_rollouts.every == 0:
                policies, real = self.explorer(state), self.buffers._replace(rollouts=None)
                dynamics = state.model.dynamics.net
                self.slow.append(self.rollouts.advance(dynamics, policies, real, self.rollout_keys, step))
        return state

    def metrics(self) -> Metrics:
        """Of training episodes, fits and rollouts since the last call, [S] each."""
        slow, self.slow = self.slow, []
        names = sorted({name for metrics in slow for name in metrics})
        means = {name: np.mean([m[name] for m in slow if name in m], 0) for name in names}
        return means | ({} if self.online is None else self.online.episode_metrics())

    def save(self, folders: list[Path], step: int) -> list[str]:
        """Write the replay since the last save; returns the names of its files."""
        return [] if self.online is None else self.online.save(folders, step)

    def device_state(self) -> Any:
        """What a checkpoint holds of the streams beside their files."""
        return None if self.rollouts is None else self.rollouts.buffer

    def restore(self, device_state: Any, folders: list[Path], shards: list[str], step: int) -> None:
        """Continue from a checkpoint.

        Raises:
            CheckpointError: a file is missing or damaged.
        """
        if self.rollouts is not None:  # donated later, so it must not lie in the file's memory
            self.rollouts.buffer = spread(jax.tree.map(jnp.copy, device_state), self.devices)
        if self.online is not None:
            self.online.restore(folders, shards, step)

    def close(self) -> None:
        """Close the environments."""
        if self.online is not None:
            self.online.close()
