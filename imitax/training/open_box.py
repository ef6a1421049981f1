"""Actions without bounds: the finite range that stands for them in a run."""

from dataclasses import replace

import numpy as np

from imitax.algorithm import Needs
from imitax.config import Training
from imitax.datasets import Dataset, bounds
from imitax.envs import Task
from imitax.errors import ConfigError
from imitax.spaces import LARGEST_BOUND, ActionSpace, BoxActions


def with_range(task: Task, options: Training, data: list[Dataset], needs: Needs) -> tuple[Task, str]:
    """The task of an environment with a range for its actions where they have no bounds, and what to say of it.

    The user's `action_low` and `action_high` count before a range around the recorded actions.

    Args:
        task: of the environment.
        options: of the run.
        data: demonstrations and offline data, as far as there are any.
        needs: of the algorithm.

    Raises:
        ConfigError: nothing says the range, or a bound is given where the environment has one.
        DataError: recorded actions lie outside of the bounds.
    """
    space, given = task.spec.action, (options.action_low, options.action_high)
    if not (isinstance(space, BoxActions) and space.is_open):
        if given != (None, None):
            raise ConfigError("action_low, action_high and spaces stand for an environment: leave them out, or env")
        return task, ""
    open_box = BoxActions.of(*_given(task.label, space, given), shape=space.shape, dtype=space.dtype)
    if open_box.is_open and not any(dataset.has_actions for dataset in data):
        raise ConfigError(
            f"{task.label}: action bounds must be finite where no recorded actions show the range that is used, got "
            f"{space}: give it, action_low and action_high (--action-low, --action-high), or let the environment have "
            "bounds"
        )
    for dataset in data:
        bounds.check_inside(dataset, open_box, "given")
    found = closed_unless(needs, bounds.ranged(open_box, data))
    source = "recorded actions" if open_box.is_open else "given bounds"
    ends = ", ".join(f"{a:g} to {b:g}" for a, b in zip(found.low, found.high, strict=True))
    policy = "a Gaussian policy, scaled to" if isinstance(found, BoxActions) and found.is_open else "a policy within"
    said = f"{task.label} has no bounds for its actions: {policy} the range of {source}, {ends}"
    return replace(task, spec=replace(task.spec, action=found)), said


def closed_unless(needs: Needs, space: ActionSpace) -> ActionSpace:
    """The space, with the range as its bounds where the algorithm has no policy for an open box."""
    return space.closed if isinstance(space, BoxActions) and space.is_open and not needs.open_box else space


def bound_of(bound: tuple[float, ...], size: int, name: str) -> tuple[float, ...]:
    """One side of a box as the user gives it, one number for all dimensions or one for each.

    Raises:
        ConfigError: there are others, or they are no bounds.
    """
    if len(bound) not in (1, size):
        raise ConfigError(f"{name} has {len(bound)} numbers, the actions {size} dimensions: give one, or {size}")
    if any(not abs(x) < LARGEST_BOUND for x in bound):
        raise ConfigError(
            f"{name} must be finite, and within +-{LARGEST_BOUND:g}, got {', '.join(f'{x:g}' for x in bound)}: leave "
            "it out where actions have no bounds; without an environment, give spaces whose Box is infinite there"
        )
    return tuple(map(float, bound)) * (size if len(bound) == 1 else 1)


def _given(
    name: str, space: BoxActions, given: tuple[tuple[float, ...] | None, tuple[float, ...] | None]
) -> list[np.ndarray]:
    """The bounds of a box with those that the user gives on its open sides."""
    sides = []
    for own, bound, what in zip(space.limits, given, ("action_low", "action_high"), strict=True):
        if bound is None:
            sides.append(np.array(own))
            continue
        asked, has = np.array(bound_of(bound, space.size, what)), np.isfinite(own)
        if len(bound) > 1 and (asked[has] != np.array(own)[has]).any():
            dim = int(np.flatnonzero(has & (asked != np.array(own)))[0])
            raise ConfigError(
                f"{name}: action {dim} has the bound {own[dim]:g}: give the same as {what}, or one number"
            )
        sides.append(np.where(has, own, asked))
    return sides
