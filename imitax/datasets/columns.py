"""Which columns are what, in sources other than tables: some take it, the others refuse it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imitax.datasets.limits import short
from imitax.datasets.roles import Columns, given, match
from imitax.errors import DataError
from imitax.observations import unmasked


def patterns(columns: Columns) -> list[str]:
    """Which observations to join, of a file whose observations have names: names and patterns.

    Raises DataError for columns of other roles, which such files assign themselves.
    """
    wanted = given(columns)
    if others := sorted(wanted.keys() - {"observations"}):
        raise DataError(f"columns: this file says itself what its {others[0]} are; columns chooses observations alone")
    return wanted.get("observations", [])


def observed(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The observations that names and patterns choose. Raises DataError for those that choose none."""
    return [name for pattern in wanted for name in match(names, pattern, "observations")]


def as_table(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by name as a table; single values are left out. Raises DataError where lengths differ."""
    table = {}
    for name, value in arrays.items():
        if isinstance(value, Mapping | tuple):
            refuse({"observations": str(name)}, "a dict in which observations have parts of their own")
        column = unmasked(value)
        if column.ndim:
            table[str(name)] = column
    if len({len(column) for column in table.values()}) > 1:
        raise DataError("lengths differ: " + ", ".join(f"{len(x)} {short(name)}" for name, x in table.items()))
    return table


def refuse(columns: Columns | None, what: str) -> None:
    """Raise DataError where columns are assigned in something that has none."""
    if columns:
        raise DataError(
            f"columns are for tables, and for files whose observations have names; this is {what}: leave columns out, "
            "and pass the arrays that you want as observations and actions"
        )
