"""Consecutive steps of all seeds, in memory and in the files of a replay."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from imitax.errors import CheckpointError
from imitax.files import load_arrays
from imitax.observations import Misfit, host_zeros, nested
from imitax.spaces import Spec
from imitax.types import Transition


class Chunk(NamedTuple):
    """K consecutive steps of every seed, as NumPy arrays [S, K, ...]; `ends` marks the last step of an episode.

    Actions are as in data.
    """

    obs: Any
    action: np.ndarray
    reward: np.ndarray
    next_obs: Any
    terminated: np.ndarray
    ends: np.ndarray


def empty_chunk(seeds: int, count: int, spec: Spec) -> Chunk:
    """Zeros for `count` steps of every seed."""
    shape = (seeds, count)
    obs, next_obs = (host_zeros(spec.observation, *shape) for _ in range(2))
    action = np.zeros((*shape, spec.action.columns), spec.action.dtype)
    reward = np.zeros(shape, np.float32)
    return Chunk(obs, action, reward, next_obs, np.zeros(shape, bool), np.zeros(shape, bool))


def transitions(chunk: Chunk) -> Transition:
    """The steps of all seeds, [S * K, ...]."""
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tuple(chunk[:5]))
    return Transition(*flat, absorbing=np.zeros(chunk.reward.size, bool))


def read_shard(path: Path) -> tuple[Chunk, int]:
    """One seed's steps [K, ...] in a shard, and how many environments took them in turn.

    Raises:
        CheckpointError: the shard is missing or damaged, or an older imitax wrote it.
    """
    arrays, about = load_arrays(path)
    try:
        fields = {name: nested(arrays, name) for name in Chunk._fields}
    except Misfit as e:
        raise CheckpointError(f"{path} is damaged: {e}") from e
    if {name.partition("/")[0] for name in arrays} != set(Chunk._fields):
        raise CheckpointError(f"{path} is not a replay of this version: it holds {', '.join(sorted(arrays))}")
    return Chunk(**fields), int(about.get("num_envs", 1))
