"""Tables with named columns, one row a step: which column is what, and which rows are one episode."""

from collections.abc import Mapping, Sequence

import numpy as np

from imitax.datasets.arrays import split
from imitax.datasets.clock import check_times, cut_at_gaps
from imitax.datasets.episode import Dataset
from imitax.datasets.faults import Mend
from imitax.datasets.flags import flags, numbers, times
from imitax.datasets.grouping import check_continued, numbered
from imitax.datasets.limits import short
from imitax.datasets.roles import SINGLE, Columns, assign, listed
from imitax.errors import DataError

Table = Mapping[str, np.ndarray]
"""Columns [N] or [N, K] by their names, in their order."""


def read_table(
    table: Table,
    name: str,
    columns: Columns | None = None,
    mend: Mend | None = None,
    unread: Mapping[str, str] | None = None,
) -> Dataset:
    """Episodes from a table.

    Neither rewards nor flags are needed. Rows with one value in the episode column are one episode, in the order of
    the time column, which has numbers or dates; without an episode column, an episode starts where the time goes back,
    or after a flag. An episode without flags counts as truncated, and without columns of next observations its last row
    only says where the row before it led to. Where the times have gaps, a warning says so, or repairs cut the episode.

    Args:
        table: the columns.
        name: of the dataset.
        columns: what is what; columns that it does not assign are recognised by their names (`ROLES`), and None
            takes a role from the column that would have it.
        mend: cuts episodes at gaps, and is passed to `split`.
        unread: types of further columns, which cannot be read.

    Raises DataError when observations are missing, when a named column is, when a column holds text or gaps where
    numbers or flags are needed or cannot be read, or when it cannot be known where episodes end.
    """
    unread = unread or {}
    roles = assign([*table, *unread], columns)
    _check_read(roles, unread)
    if not roles["observations"]:
        raise DataError(
            f"no column is called like an observation (obs_0, state, ...) among {listed(list(table))}; name them: "
            'columns={"observations": ["x", "y"], "actions": "u_*"}'
        )
    if not len(table[roles["observations"][0]]):
        raise DataError("the table has columns but no rows")
    single = _single(table, roles)
    order, starts = _in_order(table, roles, single, mend or Mend())
    fields = {
        key: joined(table, roles[key])[order] for key in ("observations", "actions", "next_observations") if roles[key]
    }
    fields |= {key: column[order] for key, column in single.items()}
    if starts is not None:
        if not roles["time"]:
            check_continued(fields, order, np.r_[starts[1:], True], short(roles["episode"][0]))
        _close(fields, starts)
    elif "terminals" not in fields:
        fields["terminals"] = np.zeros(len(order), bool)
    named = {key: tuple(roles[key]) for key in ("observations", "actions") if roles[key]}
    return Dataset(split(fields, mend), name=name, attributes=_about([*table, *unread], roles), columns=named)


def _in_order(
    table: Table, roles: Mapping[str, list[str]], single: Mapping[str, np.ndarray], mend: Mend
) -> tuple[np.ndarray, np.ndarray | None]:
    """As `_episodes`, with episodes cut at gaps in the time if repairs are wanted."""
    clock = short(roles["time"][0]) if roles["time"] else ""
    time = times(table[roles["time"][0]], clock) if clock else None
    order, starts = _episodes(table, roles, [single[k] for k in ("terminals", "timeouts") if k in single], time)
    if starts is not None and time is not None and not roles["next_observations"]:
        dates = table[roles["time"][0]].dtype.kind not in "biuf"
        said, unit = (f"{clock}, in seconds,", 1e9) if dates else (clock, 1.0)
        starts = cut_at_gaps(time / unit, order, starts, said, mend)
    return order, starts


def _single(table: Table, roles: Mapping[str, list[str]]) -> dict[str, np.ndarray]:
    """Rewards and flags, as far as there are any."""
    single = {}
    for key in ("rewards", "terminals", "timeouts"):
        if roles[key]:
            name_of = roles[key][0]
            said = key if name_of == key else f"{key} ({short(name_of)})"
            single[key] = (numbers if key == "rewards" else flags)(table[name_of], said)
    return single


def _about(names: Sequence[str], roles: Mapping[str, list[str]]) -> dict[str, str]:
    """What became of the columns, in words."""
    assigned = {column for taken in roles.values() for column in taken}
    about = {"columns": "; ".join(f"{role}: {', '.join(taken)}" for role, taken in roles.items() if taken)}
    if left := [column for column in names if column not in assigned]:
        about["columns_left_out"] = ", ".join(left)
    return {k: short(v, 2000) for k, v in about.items()}


def _check_read(roles: Mapping[str, list[str]], unread: Mapping[str, str]) -> None:
    """Refuse columns that have a role and cannot be read."""
    for role, names in roles.items():
        for name in names:
            if name in unread:
                instead = f'{{"{role}": {"None" if role in SINGLE else "[...]"}}}'
                raise DataError(
                    f"{short(name)} is called like the {role}, and its type, {unread[name]}, is not read: write it as "
                    f"numbers, or leave it out: columns={instead}"
                )


def joined(table: Table, names: Sequence[str]) -> np.ndarray:
    """Columns [N] and [N, K] side by side. Raises DataError, with the column, for text and gaps of lists."""
    parts = []
    for name in names:
        if name not in table:
            raise DataError(f"there is no {short(name)} among {listed(list(table))}")
        column = table[name]
        if column.dtype.kind == "O" and len(column) and isinstance(column[0], list | tuple | np.ndarray):
            try:
                column = np.stack([np.asarray(value, np.float64) for value in column])
            except (TypeError, ValueError) as error:
                raise DataError(f"the lists of {short(name)} differ in length, or hold no numbers") from error
        part = numbers(column, short(name))
        if part.ndim > 2:
            raise DataError(f"{short(name)} has rows of shape {part.shape[1:]}; images and the like are not read")
        parts.append(part.reshape(len(part), -1))
    if len({len(part) for part in parts}) > 1:
        raise DataError(f"the lengths of {listed(list(names))} differ: {[len(part) for part in parts]}")
    return np.concatenate(parts, axis=1)


def _episodes(
    table: Table, roles: Mapping[str, list[str]], marks: Sequence[np.ndarray], time: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Order of the rows, and where in it episodes start; None where the flags, `marks`, say it."""
    rows = len(table[roles["observations"][0]])
    if roles["episode"]:
        group = numbered(table[roles["episode"][0]], short(roles["episode"][0]))
        order = np.lexsort((np.arange(rows), group) if time is None else (np.arange(rows), time, group))
        starts = np.r_[True, np.diff(group[order]) != 0]
        if time is not None:
            check_times(time, order, starts)
        return order, starts
    ends = np.zeros(rows, bool)
    for mark in marks:
        ends |= mark.ravel()
    goes_on = time is None or (ends[:-1] & (np.diff(time) > 0)).any()
    if roles["terminals"] and not roles["timeouts"] and not roles["next_observations"] and goes_on:
        raise DataError(
            "there are terminals but no timeouts, so it cannot be known where a time limit cut an episode; add a "
            'column of timeouts, or of episodes: columns={"episode": NAME}'
        )
    if time is not None:
        starts = np.r_[True, (np.diff(time) < 0) | ends[:-1]]
        check_times(time, np.arange(rows), starts)
        return np.arange(rows), starts
    if marks:
        return np.arange(rows), None
    raise DataError(
        f"no column says where episodes end among {listed(list(table))} (`done` mixes ends and time limits, and is not "
        'read); name one: columns={"episode": NAME}, or add a column that is 0 throughout if it is one episode'
    )


def _close(fields: dict[str, np.ndarray], starts: np.ndarray) -> None:
    """Flags so that every episode ends where the next one starts. Raises DataError for a flag before that."""
    ends = np.r_[starts[1:], True]
    terminals = fields.setdefault("terminals", np.zeros(len(ends), bool))
    early = (terminals | fields.get("timeouts", np.zeros(len(ends), bool))) & ~ends
    if early.any():
        raise DataError(
            f"row {int(early.argmax())}: a flag ends the episode, but its episode goes on ({int(early.sum())} such "
            "rows); the episode column and the flags disagree, so leave one of them out"
        )
    fields["timeouts"] = ends & ~terminals
