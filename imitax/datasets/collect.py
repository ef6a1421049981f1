"""Roll out a policy and keep whole episodes, with their true final observations."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gymnasium as gym
import jax
import numpy as np

from imitax.datasets.environment import bounds, identity
from imitax.datasets.episode import Dataset, Episode
from imitax.datasets.playing import Policy, Remembers, executed, with_steps
from imitax.envs import EPISODE_LIMIT, EnvLike, SoleVectorEnv, Task
from imitax.envs.actions import action_space
from imitax.envs.limits import time_limit, warn_of_cut
from imitax.errors import DataError
from imitax.observation_spaces import recorded
from imitax.seeding import Purpose, environment_seed
from imitax.settings import fitting, number
from imitax.vector_envs import SerialVectorEnv


def collect(
    policy: Policy,
    make_env: EnvLike | Task,
    *,
    episodes: int,
    seed: int,
    num_envs: int = 8,
    full_length_only: bool = False,
    min_return: float | None = None,
    max_attempts: int | None = None,
    name: str = "collected",
) -> Dataset:  # over 50 lines for its docstring; keywords, as users call it
    """Record whole episodes of a policy.

    Episode i is reset with `environment_seed(Purpose.COLLECTION, seed, i)`, and episodes are kept in this order, so
    what a policy without noise collects does not depend on num_envs, and short episodes are not favoured.

    Args:
        policy: see `Policy`; one that takes observations alone, such as `run.policy`, will do. It always gets
            N = num_envs rows; those of idle environments are zero. If it has a method `reset()`, this is called
            whenever all environments begin an episode. `predict` of a model of Stable-Baselines3 will do too.
        make_env: a Gymnasium id, an environment, a callable that makes a new one at every call, or a task. An episode
            without an end is cut after 10,000 steps.
        episodes: how many to keep.
        seed: at least 0.
        num_envs: how many environments step side by side; at most `episodes` are used.
        full_length_only: keep only episodes that ran to the time limit without terminating.
        min_return: keep only episodes with at least this undiscounted return.
        max_attempts: give up after this many episodes; 20 times `episodes` by default.
        name: the dataset's.

    Returns:
        The dataset. Its attributes say how many episodes were attempted and how many of them discarded.

    Raises DataError when the policy's actions have another shape, are no finite numbers, or lie outside of the set or
    the bounds, or when too few of the attempted episodes could be kept. Raises ConfigError for an argument of another
    kind, and EnvError or ConfigError for an environment, as `Task.create` does.
    """
    episodes, num_envs = fitting(episodes, int, "episodes"), fitting(num_envs, int, "num_envs")
    seed = fitting(seed, int, "seed")
    max_attempts, min_return = number(max_attempts, int, "max_attempts"), number(min_return, float, "min_return")
    if episodes < 1 or num_envs < 1 or seed < 0:
        raise DataError(
            f"episodes and num_envs must be at least 1 and seed at least 0, got {episodes}, {num_envs} and {seed}"
        )
    act, task = with_steps(policy), make_env if isinstance(make_env, Task) else Task.create(make_env)
    attempts = 20 * episodes if max_attempts is None else max_attempts
    kept: list[Episode] = []
    tried = 0
    with ExitStack() as stack:
        envs = _environments(task, min(num_envs, episodes))
        stack.callback(envs.close)
        first = envs.envs[0]
        low, high = bounds(first.action_space)
        env_id, env_kwargs = identity(first.spec)
        seeds = [environment_seed(Purpose.COLLECTION, seed, i) for i in range(attempts)]
        for episode in _episodes(act, envs, seeds):
            tried += 1
            full = episode.truncated and not episode.terminated
            if (full or not full_length_only) and (min_return is None or episode.ret >= min_return):
                kept.append(episode)
            if len(kept) == episodes:
                break
    if len(kept) < episodes:
        raise DataError(
            f"only {len(kept)} of {attempts} episodes could be kept, {episodes} are wanted; train the policy further, "
            "ask less of it, or raise max_attempts"
        )
    return Dataset(
        episodes=tuple(kept),
        env_id=env_id,
        env_kwargs=env_kwargs,
        name=name,
        action_low=low,
        action_high=high,
        attributes={
            "collection_seed": str(seed),
            "attempted_episodes": str(tried),
            "discarded_episodes": str(tried - episodes),
            "gymnasium": gym.__version__,
        },
    )


def _environments(task: Task, num_envs: int) -> SerialVectorEnv | SoleVectorEnv:
    return SerialVectorEnv(task.make, num_envs) if task.sole is None else SoleVectorEnv(task.sole, 1)


def _episodes(policy: Policy, envs: SerialVectorEnv | SoleVectorEnv, seeds: list[int]) -> Iterator[Episode]:
    """One episode for each seed, in their order, in waves of one seed for each environment."""
    steps = itertools.count()
    for start in range(0, len(seeds), envs.num_envs):
        yield from _wave(policy, envs, seeds[start : start + envs.num_envs], start, steps)


def _wave(
    policy: Policy, envs: SerialVectorEnv | SoleVectorEnv, seeds: list[int], start: int, steps: Iterator[int]
) -> list[Episode]:
    """Episodes with these seeds; `start` is the number of the first."""
    first = envs.envs[0]
    space = action_space(first.action_space, first.name)
    envs.reset(dict(enumerate(seeds)))
    if isinstance(policy, Remembers):
        policy.reset()
    observations = [[_row(envs.obs, i)] for i in range(len(seeds))]
    actions: list[list[np.ndarray]] = [[] for _ in seeds]
    rewards: list[list[float]] = [[] for _ in seeds]
    ends: dict[int, tuple[bool, bool]] = {}
    limit = time_limit(first.env) or EPISODE_LIMIT
    running = np.arange(envs.num_envs) < len(seeds)
    for t in itertools.count():
        chosen = executed(policy(_shown(envs, running), next(steps)), space, running, start, t)
        reward, terminated, truncated = envs.step(chosen, running)
        if t + 1 >= limit and not (terminated | truncated)[running].all():
            warn_of_cut(first.name, limit)
            truncated |= running & ~terminated
        for i in np.flatnonzero(running).tolist():
            observations[i].append(_row(envs.obs, i))
            actions[i].append(np.ravel(chosen[i]))
            rewards[i].append(float(reward[i]))
            if terminated[i] or truncated[i]:
                ends[i] = (bool(terminated[i]), bool(truncated[i]))
        running &= ~(terminated | truncated)
        if not running.any():
            break
    return [
        Episode(
            recorded(first.space, jax.tree.map(lambda *x: np.stack(x), *observations[i])),
            np.array(actions[i]),
            np.array(rewards[i]),
            *ends[i],
        )
        for i in range(len(seeds))
    ]


def _row(obs: Any, i: int) -> Any:
    """A copy of one environment's observation."""
    return jax.tree.map(lambda x: x[i].copy(), obs)


def _shown(envs: SerialVectorEnv | SoleVectorEnv, running: np.ndarray) -> Any:
    """What a policy sees: zeros for environments that do not run, but for classes, of which 0 need not be one."""
    leaves, structure = jax.tree.flatten(envs.obs)
    for i, leaf in enumerate(envs.envs[0].space.leaves):
        if leaf.kind == "vector":
            x = leaves[i]
            leaves[i] = np.where(running.reshape(-1, *(1,) * (x.ndim - 1)), x, x.dtype.type(0))
    return jax.tree.unflatten(structure, leaves)
