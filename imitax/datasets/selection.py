"""Which demonstrations an experiment learns from: whole episodes, drawn by seed."""

import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imitax.datasets.episode import Dataset
from imitax.errors import DataError
from imitax.seeding import Purpose, generator

Whole = int | np.integer


@dataclass(frozen=True)
class Selection:
    """Episodes to learn from, and episodes held out to validate on."""

    train: Dataset
    validation: Dataset | None
    train_indices: tuple[int, ...]
    """Positions in the dataset that was drawn from, ascending."""
    validation_indices: tuple[int, ...]


def select(dataset: Dataset, *, episodes: Whole | None, validation_episodes: Whole = 0, seed: Whole) -> Selection:
    """Draw whole episodes without replacement.

    The draw is a prefix of one permutation, made by `seeding.generator(seed, Purpose.DEMONSTRATIONS)` from the
    number of episodes alone: under one seed, ten episodes contain the five. Drawn episodes keep the order of the
    dataset, so the same demonstrations have the same hash whatever the seed that found them.

    Args:
        dataset: what to draw from.
        episodes: how many to draw, those held out included; None takes all.
        validation_episodes: how many of the drawn episodes to hold out.
        seed: at least 0.

    Raises DataError when a number is out of its range or the dataset has too few episodes.
    """
    available = len(dataset.episodes)
    seed, validation_episodes = _whole(seed, "seed"), _whole(validation_episodes, "validation_episodes")
    count = available if episodes is None else _whole(episodes, "episodes")
    if seed < 0:
        raise DataError(f"the selection's seed must be at least 0, got {seed}")
    if count < 1:
        raise DataError(f"episodes must be at least 1, got {count}")
    if count > available:
        raise DataError(f"{count} episodes are wanted, but {dataset.name} has too few: {available}")
    if not 0 <= validation_episodes < count:
        raise DataError(
            f"validation_episodes must be at least 0 and below the {count} episodes drawn, which are to leave some to "
            f"learn from; got {validation_episodes}"
        )
    drawn = generator(seed, Purpose.DEMONSTRATIONS).permutation(available)[:count]
    train, validation = (tuple(sorted(part.tolist())) for part in np.split(drawn, [count - validation_episodes]))
    return Selection(
        train=_take(dataset, train),
        validation=_take(dataset, validation) if validation else None,
        train_indices=train,
        validation_indices=validation,
    )


def _whole(value: Any, name: str) -> int:
    """An integer of Python, NumPy or JAX. Raises DataError for anything else."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError as error:
        raise DataError(f"{name} must be a whole number, got {value!r}") from error


def pool(recorded: Dataset, demonstrations: Dataset, copies: int = 1) -> Dataset:
    """Recorded episodes and then `copies` times the demonstrations; rewards are kept where both have them."""
    parts = [recorded.episodes, demonstrations.episodes * copies]
    if not (recorded.has_rewards and demonstrations.has_rewards):
        parts = [tuple(replace(e, rewards=None) for e in part) for part in parts]
    return replace(recorded, episodes=parts[0] + parts[1])


def _take(dataset: Dataset, indices: tuple[int, ...]) -> Dataset:
    return replace(dataset, episodes=tuple(dataset.episodes[index] for index in indices))
