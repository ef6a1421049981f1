"""Rows that belong to one episode because a column says so."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from imitax.datasets.flags import flags
from imitax.datasets.leaves import check_alike, check_known, same_rows
from imitax.errors import DataError
from imitax.observations import NO_ARRAY, count, rows, unmasked


def by_episode(arrays: Mapping[str, Any], value: Any, name: str) -> tuple[dict[str, Any], np.ndarray]:
    """Arrays with the rows of each episode together, in the order of their first ones, and `timeouts` where they end;
    and which row is where.

    Args:
        arrays: flat ones, checked for their lengths.
        value: numbers or names of the episodes; or, for `episode_starts`, flags of the rows that begin one.
        name: of this column.

    Raises DataError for gaps in it, and where an episode comes back after others and cannot be the same one.
    """
    total = count(arrays["observations"])
    column = vector(raw(value, name), name)
    if len(column) != total:
        raise DataError(f"lengths differ: {total} observations, {len(column)} {name}")
    if name == "episode_starts":
        return {**arrays, "timeouts": np.r_[flags(column, name)[1:], True]}, np.arange(total)
    group = numbered(column, name)
    order = np.argsort(group, kind="stable")
    ends = np.r_[np.diff(group[order]) != 0, True]
    if (order == np.arange(total)).all():
        return {**arrays, "timeouts": ends}, order
    moved = {key: x if key == "final_observations" else rows(x, order) for key, x in arrays.items()}
    check_continued(moved, order, ends, name)
    return moved | {"timeouts": ends}, order


def numbered(column: np.ndarray, name: str) -> np.ndarray:
    """The number of each row's episode, from 0 in the order of their first rows. Raises DataError for gaps."""
    first: dict[Any, int] = {}
    try:
        group = np.array([first.setdefault(value, len(first)) for value in column.tolist()], np.intp)
        gaps = any(value is None or value != value or value == "" for value in first)
    except (TypeError, ValueError) as error:  # lists, and the missing values of pandas
        raise DataError(f"the episode column {name} must hold a number or a name in every row: {error}") from error
    if gaps:
        raise DataError(f"the episode column {name} has gaps; every row needs its episode")
    return group


def raw(value: Any, name: str) -> np.ndarray:
    """What is yet to be read as flags or names."""
    try:
        return unmasked(value)
    except NO_ARRAY as error:
        raise DataError(f"{name} must be one value a row: {error}") from error


def vector(array: np.ndarray, name: str) -> np.ndarray:
    """[N] from [N], or from the [N, 1] of some older D4RL files. Raises DataError for other shapes."""
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim != 1:
        raise DataError(f"{name} must have shape [time], got {array.shape}")
    return array


def check_continued(arrays: Mapping[str, Any], order: np.ndarray, ends: np.ndarray, name: str) -> None:
    """Raise DataError for episodes that come back after others where the rows do not go on.

    Args:
        arrays: with the rows of each episode together.
        order: which row each of them was.
        ends: the last rows of episodes.
        name: of the column with the episodes.

    Next observations say it. Without them environments that were recorded in turn, one row each, are all that is
    certain: after several rows of one, another episode may have the same number.
    """
    away = (np.diff(order) > 1) & ~ends[:-1]
    if not away.any():
        return
    if "next_observations" in arrays:
        observations, following = arrays["observations"], arrays["next_observations"]
        check_alike(observations, following)
        wrong = ~same_rows(rows(following, np.s_[:-1]), rows(observations, np.s_[1:])) & ~ends[:-1]
        check_known(observations, following, wrong, order)
        wrong &= away
        why = "its next observation there is another one"
    else:
        together = np.r_[False, (np.diff(order) == 1) & ~ends[:-1]]
        wrong = away & together[:-1]
        why = "whether it goes on there cannot be known without next_observations"
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{name} comes back in row {order[row + 1]} after rows of other episodes, and {why} ({int(wrong.sum())} "
            "such rows): number every episode once, or put the rows of each one together"
        )
