"""Several datasets of one task as one: what they must agree in, and columns that are matched by their names."""

from dataclasses import replace

import numpy as np

from imitax.datasets.episode import Dataset, Episode, kwargs_json
from imitax.datasets.limits import short
from imitax.errors import DataError

COLUMNS = ("observations", "actions")
"""Whose columns have names in a table."""


def joined_datasets(parts: list[Dataset]) -> Dataset:
    """One dataset with the episodes of several of the same task, in their order.

    Columns that have the same names in another order are put in the order of the first dataset. The result has the
    names that all of them have.

    Raises DataError when they differ in their environment, in the bounds of their actions, or in the names of their
    columns.
    """
    first, rest = parts[0], [_reordered(other, parts[0]) for other in parts[1:]]
    for other in rest:
        check_columns(first, other)
        for key in ("env_id", "env_kwargs", "action_low", "action_high"):
            one, two = getattr(first, key), getattr(other, key)
            if one != two and not (key == "env_kwargs" and kwargs_json(one) == kwargs_json(two)):
                raise DataError(
                    f"{first.name} and {other.name} differ in their {key}, {one} and {two}: load them as separate "
                    "datasets"
                )
    episodes = tuple(episode for part in (first, *rest) for episode in part.episodes)
    name = first.name + (f" and {len(rest)} more" if rest else "")
    columns = {key: names for key, names in first.columns.items() if all(key in other.columns for other in rest)}
    return replace(first, episodes=episodes, name=name, attributes={}, columns=columns)


def check_columns(one: Dataset, two: Dataset) -> None:
    """Raise DataError where two datasets of one task name their columns otherwise, or in another order.

    Datasets whose columns have no names are not compared.
    """
    for key in COLUMNS:
        ours, theirs = one.columns.get(key), two.columns.get(key)
        if ours is None or theirs is None or ours == theirs:
            continue
        said = f"{one.name} and {two.name} differ in their columns of {key}"
        if sorted(ours) == sorted(theirs):
            raise DataError(
                f"{said}: the order is {_names(ours)} in one and {_names(theirs)} in the other; name them in one order "
                f'for both: columns={{"{key}": [...]}}'
            )
        alone = [
            f"{_names(extra)} only in {data.name}"
            for data, extra in ((one, _without(ours, theirs)), (two, _without(theirs, ours)))
            if extra
        ]
        raise DataError(
            f'{said}: {" and ".join(alone)}; choose those that both have, columns={{"{key}": [...]}}, or rename them '
            "where they mean the same"
        )


def _reordered(data: Dataset, like: Dataset) -> Dataset:
    """The dataset with its columns in the order of another, where it has the same ones and each is one number."""
    for key in COLUMNS:
        names, wanted = data.columns.get(key, ()), like.columns.get(key, ())
        array = getattr(data.episodes[0], key)
        one_each = isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == len(names)
        if names == wanted or sorted(names) != sorted(wanted) or not one_each:
            continue
        order = [names.index(name) for name in wanted]
        episodes = tuple(_permuted(episode, key, order) for episode in data.episodes)
        data = replace(data, episodes=episodes, columns=data.columns | {key: wanted}, **_bounds(data, key, order))
    return data


def _permuted(episode: Episode, key: str, order: list[int]) -> Episode:
    return replace(episode, **{key: getattr(episode, key)[:, order]})


def _bounds(data: Dataset, key: str, order: list[int]) -> dict[str, tuple[float, ...]]:
    """The bounds of reordered actions."""
    bounds = {side: getattr(data, side) for side in ("action_low", "action_high") if key == "actions"}
    return {side: tuple(bound[i] for i in order) for side, bound in bounds.items() if bound is not None}


def _without(names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def _names(names: tuple[str, ...]) -> str:
    return short(", ".join(names))
