"""The online source: the environments of every seed, whose transitions go into a replay on the device."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from imitax import seeding
from imitax.buffers import Buffer, Stored
from imitax.datasets import Episode
from imitax.datasets.remembered import present
from imitax.envs import SoleVectorEnv
from imitax.errors import CheckpointError
from imitax.files import save_arrays
from imitax.observations import named, put, rows
from imitax.seeding import Purpose
from imitax.sources.chunks import Chunk, empty_chunk, read_shard, transitions
from imitax.spaces import Spec
from imitax.types import Transition
from imitax.vector_envs import VectorEnv

Act = Callable[[Any, int], np.ndarray]
"""`(obs [S, N, ...], step) -> actions [S, N, k]`, as data have them: N environments of each of S seeds."""

Reward = Callable[[Transition], np.ndarray]
"""Rewards [N] of transitions, in place of the environment's."""


class OnlineSource:
    """Steps environments and remembers what happened.

    Each seed has N environments, and a step is one step of one environment. Steps are numbered in the order of the
    replay: N consecutive numbers are one step of all N environments, in their order.

    Every episode starts from a seed that the run's seed and the number of its first step decide, so no environment
    state needs saving: `save` cuts the running episodes (a truncation, after which the environments start anew)
    whether or not the run is ever interrupted, and a resumed run sees what an uninterrupted one would.

    Args:
        envs: the N environments of the first seed, then those of the second, and so on. The source closes them.
        spec: of the task.
        seeds: of the run.
        buffer: one seed's replay, empty.
        warmup: steps with uniformly random actions at the start; a multiple of N.
        reward: replaces the environment's reward in the replay; files keep the environment's.
    """

    def __init__(
        self,
        envs: VectorEnv,
        spec: Spec,
        seeds: tuple[int, ...],
        buffer: Buffer,
        warmup: int,
        reward: Reward | None = None,
    ):
        self.envs, self.spec, self.seeds, self.warmup, self.reward = envs, spec, seeds, warmup, reward
        self.num_envs = envs.num_envs // len(seeds)
        self.buffer = jax.tree.map(lambda x: jnp.stack([x] * len(seeds)), buffer)
        self.recent: Buffer | None = None
        """The latest transitions of the replay, where they are kept apart."""
        self.fresh: list[Chunk] = []
        """What happened since the last save."""
        self.saved_to = 0
        self.shards: list[str] = []
        self.returns = np.zeros(envs.num_envs)
        self.finished: list[list[tuple[float, bool]]] = [[] for _ in seeds]
        """Return of each training episode that ended since the last report, and whether it terminated."""
        self.start_episodes(0)

    def keep_recent(self, count: int) -> None:
        """Keep the latest `count` transitions of every seed in a ring of their own too, before the first step."""
        empty = Buffer.empty(count, self.spec, self.buffer.samples_absorbing)
        self.recent = jax.tree.map(lambda x: jnp.stack([x] * len(self.seeds)), empty)

    def start_episodes(self, step: int) -> None:
        """Start an episode in every environment, the first of a seed at `step`."""
        self._reset(np.arange(self.envs.num_envs), step)

    def _reset(self, indices: np.ndarray, step: int) -> None:
        """Start episodes in some environments, where `step` is the next step of every seed's first environment."""
        seeds = {}
        for i in indices.tolist():
            seed, env = divmod(i, self.num_envs)
            seeds[i] = seeding.environment_seed(Purpose.TRAINING, self.seeds[seed], step + env)
        self.envs.reset(seeds)
        self.returns[indices] = 0.0

    def advance(self, act: Act, step: int, count: int) -> None:
        """Take `count` steps of every seed (a multiple of N), numbered from `step`, and write them to the replay."""
        s, n, space = len(self.seeds), self.num_envs, self.spec.action
        if isinstance(self.envs, SoleVectorEnv) and self.envs.taken:  # an evaluation has cut the running episode
            if self.fresh:
                self.fresh[-1].ends[:, -1] = True
            self.start_episodes(step)
        draws = [seeding.generator(seed, Purpose.WARMUP, step) for seed in self.seeds]
        noise = np.stack([d.random((count, space.size), np.float32) for d in draws]).reshape(s, -1, n, space.size)
        chunk = empty_chunk(s, count, self.spec)
        by_env = jax.tree.map(lambda x: x.reshape(s, -1, n, *x.shape[2:]), chunk)  # views: [S, K / N, N, ...]
        for i in range(count // n):
            number = step + i * n
            obs = self._by_seed()
            action = space.at(noise[:, i]) if number < self.warmup else act(obs, number)
            put(by_env.obs, np.s_[:, i], obs)
            by_env.action[:, i] = action
            reward, terminated, truncated = self.envs.step(space.env(by_env.action[:, i].reshape(s * n, -1)))
            ended = terminated | truncated
            by_env.reward[:, i] = reward.reshape(s, n)
            put(by_env.next_obs, np.s_[:, i], self._by_seed())
            by_env.terminated[:, i], by_env.ends[:, i] = terminated.reshape(s, n), ended.reshape(s, n)
            self.returns += reward
            if ended.any():
                self._finish(np.flatnonzero(ended), terminated, number + n)
        self.fresh.append(chunk)
        self._remember(chunk, step)

    def _by_seed(self) -> Any:
        """The latest observations, [S, N, ...]."""
        lead = (len(self.seeds), self.num_envs)
        return jax.tree.map(lambda x: x.reshape(*lead, *x.shape[1:]), self.envs.obs)

    def _finish(self, indices: np.ndarray, terminated: np.ndarray, step: int) -> None:
        """Report the episodes that ended in some environments and start new ones."""
        for i in indices.tolist():
            self.finished[i // self.num_envs].append((float(self.returns[i]), bool(terminated[i])))
        self._reset(indices, step)

    def _remember(self, chunk: Chunk, start: int) -> None:
        """Put a chunk on the device, with the rewards that count."""
        chunk = chunk._replace(action=self.spec.action.encode(chunk.action))
        if self.reward is not None:
            chunk = chunk._replace(reward=self.reward(transitions(chunk)).reshape(chunk.reward.shape))
        self.buffer = _written(self.buffer, chunk, start)
        if self.recent is not None:
            skip = max(0, chunk.reward.shape[1] - self.recent.capacity)
            self.recent = _written(self.recent, rows(chunk, np.s_[:, skip:]), start + skip)

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
        """Write the steps since the last save as one shard for each seed, and start new episodes.

        Returns the names of all shards, oldest first; they are the same for every seed's folder.
        """
        if self.fresh:
            chunk: Chunk = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *self.fresh)
            chunk.ends[:, -self.num_envs :] = True  # the cut ends every episode, without terminating it
            name = f"{self.saved_to:09d}-{step:09d}.safetensors"
            about = {} if self.num_envs == 1 else {"num_envs": str(self.num_envs)}
            for i, folder in enumerate(folders):
                own = {n: x[i] for field, tree in chunk._asdict().items() for n, x in named(tree, field, "/")}
                save_arrays(folder / name, own, about)
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
            parts = [read_shard(folder / name)[0] for folder in folders]
            chunk: Chunk = jax.tree.map(lambda *x: np.stack(x), *parts)
            count, capacity = chunk.reward.shape[1], self.buffer.capacity
            skip = max(0, count - capacity)
            self._remember(rows(chunk, np.s_[:, skip:]), start + skip)
            start += count
        if start != step:
            raise CheckpointError(f"the replay's shards hold {start} steps where the checkpoint has {step}")
        self.shards, self.fresh, self.saved_to = list(shards), [], step
        self.start_episodes(step)

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def _written(buffer: Buffer, chunk: Chunk, start: int) -> Buffer:
    """The buffer of all seeds with the steps `start` and following written to it; it is donated."""
    data, at = jax.tree.map(jnp.asarray, Stored(*chunk[:5])), jnp.asarray(start)
    return _write(buffer, data, at, _terminations(buffer, at, chunk.reward.shape[1]))


@partial(jax.jit, donate_argnums=0)  # noqa: TID251  copies and counts, multiplies nothing
def _write(buffer: Buffer, data: Stored, start: Int[Array, ""], replaced: Float[Array, "S"]) -> Buffer:
    return jax.vmap(Buffer.write, in_axes=(0, 0, None, 0))(buffer, data, start, replaced)


@partial(jax.jit, static_argnums=2)  # noqa: TID251  copies and counts, multiplies nothing
def _terminations(buffer: Buffer, start: Int[Array, ""], count: int) -> Float[Array, "S"]:
    return jax.vmap(lambda b: b.terminations(start, count))(buffer)


def read_replay(folder: Path, spec: Spec) -> tuple[Episode, ...]:
    """The episodes that a seed's shards hold, ordered by their first steps; those cut by a checkpoint are truncated.

    Args:
        folder: of the shards.
        spec: of the task; observations are those that the environment showed, without a history.

    Raises:
        CheckpointError: a shard is damaged.
    """
    episodes = []
    for path in sorted(folder.glob("*.safetensors")):  # a shard ends all of its episodes
        chunk, num_envs = read_shard(path)
        started = []
        for env in range(num_envs):
            own: Chunk = rows(chunk, np.s_[env::num_envs])
            bounds = itertools.pairwise([0, *(np.flatnonzero(own.ends) + 1).tolist()])
            started += [(first, env, _episode(own, first, stop, spec)) for first, stop in bounds]
        episodes += [episode for *_, episode in sorted(started, key=lambda entry: entry[:2])]
    return tuple(episodes)


def _episode(chunk: Chunk, first: int, stop: int, spec: Spec) -> Episode:
    """The steps `first` to `stop` of one environment."""
    terminated = bool(chunk.terminated[stop - 1])
    last = rows(chunk.next_obs, np.s_[stop - 1 : stop])
    observations = jax.tree.map(lambda *x: np.concatenate(x), rows(chunk.obs, np.s_[first:stop]), last)
    actions, rewards = chunk.action[first:stop], chunk.reward[first:stop]
    return Episode(present(observations, spec), actions, rewards, terminated, truncated=not terminated)
