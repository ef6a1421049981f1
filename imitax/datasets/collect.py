"""Roll out a policy and keep whole episodes, with their true final observations."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import jax
import numpy as np

from imitax.datasets.environment import bounds, identity
from imitax.datasets.episode import Dataset, Episode
from imitax.envs import EPISODE_LIMIT, SoleVectorEnv, Task
from imitax.envs.limits import time_limit, warn_of_cut
from imitax.errors import DataError
from imitax.observation_spaces import recorded
from imitax.seeding import Purpose, environment_seed
from imitax.vector_envs import SerialVectorEnv

Policy = Callable[[Any, int], Any]
"""From observations [N, ...] (float32, images uint8; dicts and tuples as the environment has them) and the number of
the step, for the policy's noise, to actions [N, ...]."""


@runtime_checkable
class Remembers(Protocol):
    """A policy that is told when the episodes of all its environments begin."""

    def __call__(self, obs: Any, step: int, /) -> Any:
        """As `Policy`."""
        ...

    def reset(self) -> None:
        """Forget the episodes before."""
        ...


def collect(
    policy: Policy,
    make_env: Callable[[], gym.Env] | gym.Env | Task,
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
            whenever all environments begin an episode.
        make_env: builds the environment, or is one, or a task. An episode without an end is cut after 10,000 steps.
        episodes: how many to keep.
        seed: at least 0.
        num_envs: how many environments step side by side; at most `episodes` are used.
        full_length_only: keep only episodes that ran to the time limit without terminating.
        min_return: keep only episodes with at least this undiscounted return.
        max_attempts: give up after this many episodes; 20 times `episodes` by default.
        name: the dataset's.

    Returns:
        The dataset. Its attributes say how many episodes were attempted and how many of them discarded.

    Raises DataError when imitax does not take a space, when the policy's actions have another shape, or when
    too few of the attempted episodes could be kept.
    """
    if episodes < 1 or num_envs < 1 or seed < 0:
        raise DataError(
            f"episodes and num_envs must be at least 1 and seed at least 0, got {episodes}, {num_envs} and {seed}"
        )
    attempts = 20 * episodes if max_attempts is None else max_attempts
    kept: list[Episode] = []
    tried = 0
    with ExitStack() as stack:
        envs = _environments(make_env, min(num_envs, episodes))
        stack.callback(envs.close)
        first = envs.envs[0]
        low, high = bounds(first.action_space)
        env_id, env_kwargs = identity(first.spec)
        seeds = [environment_seed(Purpose.COLLECTION, seed, i) for i in range(attempts)]
        for episode in _episodes(_with_steps(policy), envs, seeds):
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


class _Stepless:
    """A policy that is not told the number of the step."""

    def __init__(self, policy: Callable[[Any], Any]):
        self.policy = policy

    def __call__(self, obs: Any, step: int) -> Any:
        return self.policy(obs)

    def reset(self) -> None:
        if isinstance(self.policy, Remembers):
            self.policy.reset()


def _with_steps(policy: Callable[..., Any]) -> Policy:
    """The policy, or what calls it with observations alone if it takes nothing else."""
    try:
        signature = inspect.signature(policy)
    except (TypeError, ValueError):  # some built-in functions have none
        return policy
    try:
        signature.bind(None, 0)
    except TypeError:
        return _Stepless(policy)
    return policy


def _environments(make_env: Callable[[], gym.Env] | gym.Env | Task, num_envs: int) -> SerialVectorEnv | SoleVectorEnv:
    if not isinstance(make_env, gym.Env | Task):
        return SerialVectorEnv(make_env, num_envs)
    task = Task.create(make_env) if isinstance(make_env, gym.Env) else make_env
    return SerialVectorEnv(task.make, num_envs) if task.sole is None else SoleVectorEnv(task.sole, 1)


def _episodes(policy: Policy, envs: SerialVectorEnv | SoleVectorEnv, seeds: list[int]) -> Iterator[Episode]:
    """One episode for each seed, in their order, in waves of one seed for each environment."""
    steps = itertools.count()
    for start in range(0, len(seeds), envs.num_envs):
        yield from _wave(policy, envs, seeds[start : start + envs.num_envs], steps)


def _wave(
    policy: Policy, envs: SerialVectorEnv | SoleVectorEnv, seeds: list[int], steps: Iterator[int]
) -> list[Episode]:
    shape = (envs.num_envs, *(envs.envs[0].action_space.shape or ()))
    own = np.dtype(envs.envs[0].action_space.dtype)
    stored = np.float32 if own.kind == "f" else own
    envs.reset(dict(enumerate(seeds)))
    if isinstance(policy, Remembers):
        policy.reset()
    observations = [[_row(envs.obs, i)] for i in range(len(seeds))]
    actions: list[list[np.ndarray]] = [[] for _ in seeds]
    rewards: list[list[float]] = [[] for _ in seeds]
    ends: dict[int, tuple[bool, bool]] = {}
    first = envs.envs[0]
    limit = time_limit(first.env) or EPISODE_LIMIT
    running = np.arange(envs.num_envs) < len(seeds)
    while running.any():
        chosen = np.array(policy(_shown(envs, running), next(steps)), stored).astype(own)  # stored as it is executed
        if chosen.shape != shape:
            raise DataError(f"the policy must return actions of shape {shape}, got {chosen.shape}")
        reward, terminated, truncated = envs.step(chosen, running)
        if len(actions[0]) + 1 >= limit and not (terminated | truncated)[running].all():
            warn_of_cut(first.name, limit)
            truncated |= running & ~terminated
        for i in np.flatnonzero(running).tolist():
            observations[i].append(_row(envs.obs, i))
            actions[i].append(np.ravel(chosen[i]))
            rewards[i].append(float(reward[i]))
            if terminated[i] or truncated[i]:
                ends[i] = (bool(terminated[i]), bool(truncated[i]))
        running &= ~(terminated | truncated)
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
