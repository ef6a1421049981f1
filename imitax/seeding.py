"""Where every random number comes from: one seed, split by purpose, so that no stream depends on another.

Environment seeds of different purposes lie in disjoint ranges: an episode that a policy is evaluated on is never
one that it was trained on, whatever the seeds.
"""

from enum import IntEnum

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key, PRNGKeyArray

from imitax.settings import check_seed

ENVIRONMENT_SEEDS = 2**29
"""Environment seeds for each purpose; the blocks lie side by side below 2**31."""


class Purpose(IntEnum):
    """What a stream of random numbers is for."""

    TRAINING = 0
    EVALUATION = 1
    COLLECTION = 2
    INITIALISATION = 3
    UPDATES = 4
    ACTING = 5
    WARMUP = 6
    DEMONSTRATIONS = 7
    SUBSAMPLING = 8
    MODEL = 9
    """The fit of a learned model."""
    MODEL_INITIALISATION = 10
    MODEL_ROLLOUTS = 11
    TURNS = 12
    """Slow work between chunks of updates."""
    SELECTION = 13
    """What decides among a run's policies: the noise of their actions, and which rows stand for all."""


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """A NumPy generator for one purpose, and for one index (a step, an episode) of it."""
    return np.random.default_rng([seed, int(purpose), *index])


def environment_seed(purpose: Purpose, seed: int, index: int) -> int:
    """Seed with which the index-th episode of a run is reset.

    Each purpose has its own block of ENVIRONMENT_SEEDS, so nothing is ever evaluated on an episode that it was
    trained on or that was demonstrated. Within its block a run counts upwards from a start that
    `numpy.random.SeedSequence(seed)` draws, so no two of its episodes are alike.
    """
    start = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return int(purpose) * ENVIRONMENT_SEEDS + (start + index) % ENVIRONMENT_SEEDS


def key(seed: int, purpose: Purpose) -> PRNGKeyArray:
    """A JAX key for one purpose. Raises ConfigError for a seed that `check_seed` refuses."""
    check_seed(seed)
    return jr.fold_in(jr.key(seed), int(purpose))


def keys(seeds: tuple[int, ...], purpose: Purpose) -> Key[Array, "S"]:
    """One JAX key a seed, stacked."""
    return jax.numpy.stack([key(seed, purpose) for seed in seeds])
