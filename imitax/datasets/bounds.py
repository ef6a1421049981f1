"""Limits of actions where no environment says them: those of the data, or a round interval around what was recorded."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from imitax.datasets.episode import Dataset
from imitax.errors import DataError

MARGIN = 0.05
"""Share of a dimension's width that is added at either end before rounding."""
STILL = 32
"""A dimension that spans fewer distinct 32-bit numbers than this is held still."""

Bounds = tuple[tuple[float, ...], tuple[float, ...]]
"""Low and high [A]."""


def recorded_actions(data: Sequence[Dataset]) -> Float[np.ndarray, "N A"]:
    """The actions of several datasets, float64; rows that are not finite are left out.

    Raises DataError when there are none, when their sizes differ, or when they are whole numbers by type, which name
    choices rather than amounts.
    """
    known = [dataset for dataset in data if dataset.has_actions]
    if not known:
        raise DataError(
            "no actions are recorded, so their number and bounds are unknown: give spaces or an environment"
        )
    sizes = {dataset.name: dataset.action_dim for dataset in known}
    if len(set(sizes.values())) > 1:
        raise DataError(f"actions differ in size: {', '.join(f'{name} has {size}' for name, size in sizes.items())}")
    actions = np.concatenate([dataset.transitions().action for dataset in known]).astype(np.float64)
    return actions[np.isfinite(actions).all(1)]


def refuse_integers(data: Sequence[Dataset]) -> None:
    """Raise DataError for actions of an integer type.

    This is the place where a discrete action space will be inferred; until then only amounts are learned.
    """
    for dataset in data:
        if dataset.integer_actions:
            raise DataError(
                f"{dataset.name}: the actions are whole numbers by type, so they look like choices (discrete actions), "
                "which are not learned without an environment yet; if they are amounts, say their limits: action_low "
                "and action_high (--action-low, --action-high), or give them as floats"
            )


def declared(data: Sequence[Dataset], size: int) -> Bounds:
    """The widest limits that the data name, infinite where none does."""
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    for dataset in data:
        if dataset.action_low is not None and dataset.action_high is not None and len(dataset.action_low) == size:
            low, high = np.minimum(low, dataset.action_low), np.maximum(high, dataset.action_high)
    known = np.isfinite(low) & np.isfinite(high) & (low < high)
    return _tuple(np.where(known, low, -np.inf)), _tuple(np.where(known, high, np.inf))


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


def check_inside(data: Dataset, bounds: Bounds, whose: str) -> None:
    """Raise DataError, with the dimensions and the worst row of each, where actions lie outside of limits.

    Args:
        data: whose actions are checked.
        bounds: low and high [A].
        whose: the limits, for the message: "given", "recorded".
    """
    if not data.has_actions:
        return
    low, high = (np.asarray(bound, np.float64) for bound in bounds)
    actions = data.transitions().action.astype(np.float64)
    slack = 1e-6 * (high - low) + 2 * np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32))
    excess = np.nan_to_num(np.maximum(low - actions, actions - high), nan=-np.inf)
    starts, problems = np.r_[0, np.cumsum(data.lengths)], []
    for dim in np.flatnonzero((excess > slack).any(0)).tolist():
        worst, count = int(excess[:, dim].argmax()), int((excess[:, dim] > slack[dim]).sum())
        episode = int(np.searchsorted(starts, worst, side="right")) - 1
        problems.append(
            f"action {dim} is {actions[worst, dim]:g} at episode {episode} row {worst - starts[episode]}, outside of "
            f"{low[dim]:g} to {high[dim]:g} ({count} such rows)"
        )
    if problems:
        raise DataError(
            f"{data.name}: actions lie outside of the {whose} bounds: {'; '.join(problems)}. Give wider ones "
            "(action_low, action_high; --action-low, --action-high), or repair the rows"
        )


def _rounded(values: np.ndarray, digits: np.ndarray) -> tuple[float, ...]:
    """Plain numbers such as -1.1, not -1.1000000000000001."""
    return tuple(round(float(v), int(d)) + 0.0 for v, d in zip(values, digits, strict=True))


def _tuple(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))
