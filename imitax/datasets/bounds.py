"""The actions that there are where no environment says it: as the data say, or inferred from what was recorded.

Integers by type are choices, members of a finite set; floats are amounts, in a round interval around the recorded ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Real

from imitax.datasets.episode import Dataset
from imitax.errors import DataError
from imitax.spaces import JOINT_LIMIT, ActionSpace, BoxActions, FiniteActions

MARGIN = 0.05
"""Share of a dimension's width that is added at either end before rounding."""
STILL = 32
"""A dimension that spans fewer distinct 32-bit numbers than this is held still."""

Bounds = tuple[tuple[float, ...], tuple[float, ...]]
"""Low and high [A]."""


def recorded_actions(data: Sequence[Dataset]) -> Real[np.ndarray, "N k"]:
    """The actions of several datasets: int64 where all are integers by type, else float64 without rows that are not
    finite.

    Raises DataError when there are none, or when their sizes differ.
    """
    known = [dataset for dataset in data if dataset.has_actions]
    if not known:
        raise DataError(
            "no actions are recorded, so their number and bounds are unknown: give spaces or an environment"
        )
    sizes = {dataset.name: dataset.action_dim for dataset in known}
    if len(set(sizes.values())) > 1:
        raise DataError(f"actions differ in size: {', '.join(f'{name} has {size}' for name, size in sizes.items())}")
    actions = np.concatenate([dataset.actions for dataset in known])
    if actions.dtype.kind == "i":
        return actions
    actions = actions.astype(np.float64)
    return actions[np.isfinite(actions).all(1)]


def mixture(data: Sequence[Dataset]) -> str | None:
    """What to say where some episodes have integers and others floats, which are amounts then; None without a mixture.

    Raises DataError when the floats are whole numbers too, so that it is open which of the two is meant.
    """
    episodes = [(d, i, e.actions) for d in data if d.has_actions for i, e in enumerate(d.episodes)]
    floats = [(d, i, np.asarray(a)) for d, i, a in episodes if a is not None and a.dtype.kind != "i"]
    if len(floats) in (0, len(episodes)):
        return None
    dataset, index, _ = floats[0]
    count = f"{len(floats)} of {len(episodes)} episodes, such as episode {index} of {dataset.name}"
    if all((a == np.floor(a)).all() for _, _, a in floats):
        raise DataError(
            f"actions are floats by type in {count}, and integers in the others, and all are whole numbers: if "
            "they are choices (discrete actions), make all integers or give spaces; if they are amounts, make all "
            "floats, or give action_low and action_high (--action-low, --action-high)"
        )
    return f"actions are floats in {count}, and integers in the others: all are taken as amounts"


def infer_action_space(actions: Real[np.ndarray, "N k"]) -> ActionSpace:
    """The action space of data that come without an environment.

    Integers by type are members of a finite set: in each column those from 0 (or the least, if that is negative) to the
    largest. Floats are points of a box, see `inferred`.

    Raises DataError without a row, when all rows are the same integers, or when a column has more than `JOINT_LIMIT`.
    """
    if actions.dtype.kind not in "iu":
        return BoxActions(*inferred(actions.astype(np.float64)))
    if not len(actions):
        raise DataError("there are no actions, so their set cannot be inferred")
    sizes, starts = spans(actions)
    if max(sizes) == 1:
        raise DataError("all actions are 0, so their set cannot be inferred: give spaces")
    if max(sizes) > JOINT_LIMIT:
        dim = next(i for i, size in enumerate(sizes) if size > JOINT_LIMIT)
        raise DataError(
            f"action {dim} is an integer by type, from {actions[:, dim].min()} to {actions[:, dim].max()}: so many "
            "look like amounts, not choices; give their limits, action_low and action_high (--action-low, "
            "--action-high), or floats; if they are choices, give spaces"
        )
    return FiniteActions(sizes, starts, () if len(sizes) == 1 else (len(sizes),))


def spans(actions: Int[np.ndarray, "N k"]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many integers each column spans, and the least of them: 0, unless there are negative ones."""
    starts = tuple(min(int(low), 0) for low in actions.min(0))  # of Python, which do not overflow
    return tuple(int(top) - start + 1 for top, start in zip(actions.max(0), starts, strict=True)), starts


def declared(data: Sequence[Dataset], size: int) -> BoxActions | None:
    """The widest box that the data name; None where they name none, or one that has no room."""
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    for dataset in data:
        if dataset.action_low is not None and dataset.action_high is not None and len(dataset.action_low) == size:
            low, high = np.minimum(low, dataset.action_low), np.maximum(high, dataset.action_high)
    return BoxActions.of(low, high) if (low < high).all() else None


def ranged(space: ActionSpace, data: Sequence[Dataset]) -> ActionSpace:
    """The space with a range around the recorded actions (`inferred`) on the open sides of a box.

    Raises DataError where no actions are recorded.
    """
    if not (isinstance(space, BoxActions) and space.is_open):
        return space
    low, high = (np.array(side) for side in space.limits)
    around_low, around_high = map(np.array, inferred(recorded_actions(data).astype(np.float64)))
    low, high = np.where(np.isinf(low), around_low, low), np.where(np.isinf(high), around_high, high)
    # actions beyond the bound of the other side are an error, of which others say more
    low = np.where(np.isinf(space.limits[0]) & (low >= high), high - 1, low)
    high = np.where(np.isinf(space.limits[1]) & (low >= high), low + 1, high)
    return replace(space, low=_tuple(low), high=_tuple(high))


def inferred(actions: Float[np.ndarray, "N A"]) -> Bounds:
    """Limits around recorded actions: 5 % of the width wider at either end, rounded outwards to two digits of it.

    An action that is held still gets an interval of its own magnitude around it, of 1 around zero. Raises DataError
    without a row.
    """
    if not len(actions):
        raise DataError("no row of actions is finite, so their bounds cannot be inferred")
    low, high = actions.min(0), actions.max(0)
    largest = np.maximum(np.abs(low), np.abs(high))
    still = high - low < STILL * np.spacing(largest.astype(np.float32))
    width = np.where(still, np.where(largest > 0, largest, 1.0), high - low)
    digits = 1 - np.floor(np.log10(width))
    step = 10.0**-digits
    low, high = (np.floor((low - MARGIN * width) / step) * step, np.ceil((high + MARGIN * width) / step) * step)
    return _rounded(low, digits), _rounded(high, digits)


def check_inside(data: Dataset, space: ActionSpace, whose: str) -> None:
    """Raise DataError, with the dimensions and the worst (or first) row of each, where actions lie outside of a space.

    Args:
        data: whose actions are checked.
        space: the actions that there are.
        whose: the space is, for the message: "given", "recorded".
    """
    if not data.has_actions:
        return
    if isinstance(space, FiniteActions):
        if problems := list(out_of_set(data, space)):
            raise DataError(
                f"{data.name}: actions are not in the {whose} set: {'; '.join(problems)}. Repair the rows, or give "
                "spaces with more actions"
            )
        return
    low, high = (np.asarray(bound, np.float64) for bound in (space.low, space.high))
    actions = data.transitions().action.astype(np.float64)
    slack = 1e-6 * (high - low) + 2 * np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32))
    low, high = (np.asarray(bound, np.float64) for bound in space.limits)
    excess, problems = np.nan_to_num(np.maximum(low - actions, actions - high), nan=-np.inf), []
    for dim in np.flatnonzero((excess > slack).any(0)).tolist():
        worst, count = int(excess[:, dim].argmax()), int((excess[:, dim] > slack[dim]).sum())
        problems.append(
            f"action {dim} is {actions[worst, dim]:g} at {_place(data, worst)}, outside of {low[dim]:g} to "
            f"{high[dim]:g} ({count} such rows)"
        )
    if problems:
        raise DataError(
            f"{data.name}: actions lie outside of the {whose} bounds: {'; '.join(problems)}. Give wider ones "
            "(action_low, action_high; --action-low, --action-high), or repair the rows"
        )


def out_of_set(data: Dataset, space: FiniteActions) -> Iterator[str]:
    """Where the actions of a dataset are not in a finite set: a text for each column [k]."""
    actions = data.actions
    outside = space.outside(actions)
    for dim in np.flatnonzero(outside.any(axis=0)).tolist():
        row, start = int(outside[:, dim].argmax()), space.starts[dim]
        yield (
            f"dimension {dim}: {outside[:, dim].sum()} rows, the first {actions[row, dim]:g} at {_place(data, row)}, "
            f"the set is the integers {start} to {start + space.sizes[dim] - 1}"
        )


def _place(data: Dataset, row: int) -> str:
    """Of a row of all transitions: its episode, and its row in that."""
    starts = np.r_[0, np.cumsum(data.lengths)]
    episode = int(np.searchsorted(starts, row, side="right")) - 1
    return f"episode {episode} row {row - starts[episode]}"


def _rounded(values: np.ndarray, digits: np.ndarray) -> tuple[float, ...]:
    """Plain numbers such as -1.1, not -1.1000000000000001."""
    return tuple(round(float(v), int(d)) + 0.0 for v, d in zip(values, digits, strict=True))


def _tuple(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))
