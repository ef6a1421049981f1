"""The online source: one environment a seed, whose transitions go into a replay on the device."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from imitax import seeding
from imitax.datasets import Episode
from imitax.envs import Lanes, Task
from imitax.errors import CheckpointError
from imitax.files import load_arrays, save_arrays
from imitax.seeding import Purpose
from imitax.sources.buffer import Buffer, unpack
from imitax.types import Spec, Transition

Act = Callable[[np.ndarray, int], np.ndarray]
"""`(obs [S, O], step) -> actions [S, A]`, one row a seed."""

Reward = Callable[[Transition], np.ndarray]
"""Rewards [N] of transitions, in place of the environment's."""


class OnlineSource:
    """Steps environments and remembers what happened.

    Every episode starts from a seed that the run's seed and the step decide, so no environment state needs saving:
    `save` cuts the running episodes (a truncation, after which the environments start anew) whether or not the run
    is ever interrupted, and a resumed run sees what an uninterrupted one would.
    """

    def __init__(
        self,
        task: Task,
        seeds: tuple[int, ...],
        capacity: int,
        warmup: int,
        absorbing_rows: bool = False,
        reward: Reward | None = None,
    ):
        self.task, self.seeds, self.warmup, self.reward = task, seeds, warmup, reward
        self.lanes = Lanes(task.make, len(seeds))
        empty = Buffer.empty(capacity, task.spec.obs_dim, task.spec.action_dim, absorbing_rows)
        self.buffer = jax.tree.map(lambda x: jnp.stack([x] * len(seeds)), empty)
        self.fresh: list[np.ndarray] = []
        """Chunks of rows [S, K, W + 1] since the last save; the last column marks the ends of episodes."""
        self.saved_to = 0
        self.shards: list[str] = []
        self.returns = np.zeros(len(seeds))
        self.finished: list[list[tuple[float, bool]]] = [[] for _ in seeds]
        """Return of each training episode that ended since they were last asked for, and whether it terminated."""
        self.start_episodes(0)

    def start_episodes(self, step: int) -> None:
        """Start an episode in every environment from the seeds that belong to `step`."""
        for lane, seed in enumerate(self.seeds):
            self._reset(lane, seed, step)

    def _reset(self, lane: int, seed: int, step: int) -> None:
        self.lanes.reset(lane, seeding.environment_seed(Purpose.TRAINING, seed, step))
        self.returns[lane] = 0.0

    def advance(self, act: Act, step: int, count: int) -> None:
        """Take `count` steps in every environment, numbered from `step`, and write them to the replay."""
        spec = self.task.spec
        o, a = spec.obs_dim, spec.action_dim
        rows = np.zeros((len(self.seeds), count, 2 * o + a + 3), np.float32)
        low, high = np.asarray(spec.action_low, np.float32), np.asarray(spec.action_high, np.float32)
        noise = np.stack(
            [seeding.generator(s, Purpose.WARMUP, step).random((count, a), np.float32) for s in self.seeds]
        )
        for i in range(count):
            random = step + i < self.warmup
            actions = low + (high - low) * noise[:, i] if random else act(self.lanes.obs, step + i)
            for lane, seed in enumerate(self.seeds):
                row = rows[lane, i]
                row[:o], row[o : o + a] = self.lanes.obs[lane], actions[lane]
                reward, terminated, truncated = self.lanes.step(lane, actions[lane])
                row[o + a] = reward
                row[o + a + 1 : 2 * o + a + 1] = self.lanes.obs[lane]
                row[-2], row[-1] = terminated, terminated or truncated
                self.returns[lane] += reward
                if terminated or truncated:
                    self.finished[lane].append((self.returns[lane], terminated))
                    self._reset(lane, seed, step + i + 1)
        self.fresh.append(rows)
        self._remember(rows[..., :-1], step)

    def _remember(self, rows: np.ndarray, start: int) -> None:
        """Put rows [S, K, W] on the device, with the rewards that count; files keep the environment's."""
        if self.reward is not None:
            spec = self.task.spec
            rows = rows.copy()
            t = unpack(rows.reshape(-1, rows.shape[-1]), spec.obs_dim, spec.action_dim)
            rows[..., spec.obs_dim + spec.action_dim] = self.reward(t).reshape(rows.shape[:2])
        at = jnp.asarray(start)
        replaced = _terminations(self.buffer, at, rows.shape[1])
        self.buffer = _write(self.buffer, jnp.asarray(rows), at, replaced)

    def episode_metrics(self) -> dict[str, np.ndarray]:
        """Of the training episodes since the last call, each seed's mean return and share that terminated.

        Empty until every seed has finished one.
        """
        if not all(self.finished):
            return {}
        returns, terminated = np.array([np.mean(ended, axis=0) for ended in self.finished]).T
        self.finished = [[] for _ in self.seeds]
        return {"episode_return": returns, "episode_terminated": terminated}

    def save(self, folders: list[Path], step: int) -> list[str]:
        """Write the rows since the last save as one shard a seed, and start new episodes.

        Returns the names of all shards, oldest first; they are the same for every seed's folder.
        """
        if self.fresh:
            rows = np.concatenate(self.fresh, axis=1)
            rows[:, -1, -1] = 1.0  # the cut ends the episode, without terminating it
            name = f"{self.saved_to:09d}-{step:09d}.safetensors"
            for folder, seed_rows in zip(folders, rows, strict=True):
                save_arrays(folder / name, {"rows": seed_rows[:, :-1], "ends": seed_rows[:, -1] > 0.5})
            self.shards.append(name)
            self.fresh, self.saved_to = [], step
        self.finished = [[] for _ in self.seeds]  # not saved, so forgotten whether or not the run is interrupted here
        self.start_episodes(step)
        return list(self.shards)

    def restore(self, folders: list[Path], shards: list[str], step: int) -> None:
        """Read the replay back from its shards and start the episodes that `save` started at `step`.

        Raises:
            CheckpointError: a shard is missing or damaged.
        """
        start = 0
        for name in shards:
            rows = np.stack([load_arrays(folder / name)[0]["rows"] for folder in folders])
            capacity = self.buffer.rows.shape[1]
            skip = max(0, rows.shape[1] - capacity)
            self._remember(rows[:, skip:], start + skip)
            start += rows.shape[1]
        if start != step:
            raise CheckpointError(f"the replay's shards hold {start} steps where the checkpoint has {step}")
        self.shards, self.fresh, self.saved_to = list(shards), [], step
        self.start_episodes(step)

    def close(self) -> None:
        """Close the environments."""
        self.lanes.close()


@partial(jax.jit, donate_argnums=0)  # noqa: TID251  copies and counts, multiplies nothing
def _write(buffer: Buffer, rows: Float[Array, "S K W"], start: Int[Array, ""], replaced: Float[Array, "S"]) -> Buffer:
    return jax.vmap(Buffer.write, in_axes=(0, 0, None, 0))(buffer, rows, start, replaced)


@partial(jax.jit, static_argnums=2)  # noqa: TID251  copies and counts, multiplies nothing
def _terminations(buffer: Buffer, start: Int[Array, ""], count: int) -> Float[Array, "S"]:
    return jax.vmap(lambda b: b.terminations(start, count))(buffer)


def read_replay(folder: Path, spec: Spec) -> tuple[Episode, ...]:
    """The episodes that a seed's shards hold, in their order; those that a checkpoint cut are truncated ones.

    Raises:
        CheckpointError: a shard is damaged.
    """
    arrays = [load_arrays(shard)[0] for shard in sorted(folder.glob("*.safetensors"))]
    rows, ends = (np.concatenate([a[name] for a in arrays]) for name in ("rows", "ends"))
    t = unpack(rows, spec.obs_dim, spec.action_dim)
    return tuple(
        Episode(
            np.concatenate([t.obs[first:stop], t.next_obs[stop - 1 : stop]]),
            t.action[first:stop],
            t.reward[first:stop],
            terminated=bool(t.terminated[stop - 1]),
            truncated=not t.terminated[stop - 1],
        )
        for first, stop in itertools.pairwise([0, *(np.flatnonzero(ends) + 1)])
    )
