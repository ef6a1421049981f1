"""Whether a policy can act in an environment."""

import numpy as np

from imitax.envs.making import Task
from imitax.errors import ConfigError
from imitax.spaces import ActionSpace, BoxActions, FiniteActions, ObservationSpace, Spec

SPARE = 0.1
"""Part of an environment's range of actions by which a policy's may exceed it: bounds that were inferred from data are
wider than what they show."""


def require_fit(task: Task, spec: Spec, policy: str) -> None:
    """Refuse an environment whose observations or actions are not those of a policy.

    Args:
        task: the environment.
        spec: what the policy sees and does.
        policy: whose it is, for the message.

    Raises:
        ConfigError: with both spaces.
    """
    here, there = spec.single, task.spec.single
    if not _see_alike(here, there):
        raise ConfigError(
            f"{policy} sees observations {here.describe()}, {task.label} shows {there.describe()}: open the run with "
            "an environment that shows what it learned from"
        )
    if not _covers(task.spec.action, spec.action):
        raise ConfigError(
            f"{policy} has the actions {spec.action}, {task.label} takes {task.spec.action}: open the run with an "
            "environment that takes what it learned, or rescale its actions (gymnasium.wrappers.RescaleAction)"
        )


def require_same(task: Task, spec: Spec, run: str) -> None:
    """Refuse to go on with a run in an environment of other spaces than its own.

    Args:
        task: the environment.
        spec: what the run's policy sees and does.
        run: its folder, for the message.

    Raises:
        ConfigError: with both spaces.
    """
    here, there = spec.single, task.spec.single
    if not _see_alike(here, there):
        raise ConfigError(
            f"{run} was started with observations {here.describe()}, this environment shows {there.describe()}: give "
            "the environment of the run"
        )
    if not _same_actions(task.spec.action, spec.action):
        raise ConfigError(
            f"{run} was started with the actions {spec.action}, this environment takes {task.spec.action}: give the "
            "environment of the run"
        )


def _see_alike(one: ObservationSpace, other: ObservationSpace) -> bool:
    """Whether observations have the same parts, of the same shapes, that mean the same: classes, images or numbers."""
    return (one.structure, one.leaves) == (other.structure, other.leaves)


def _same_actions(one: ActionSpace, other: ActionSpace) -> bool:
    if isinstance(one, BoxActions) and isinstance(other, BoxActions):
        return np.shape(one.limits) == np.shape(other.limits) and np.allclose(one.limits, other.limits)
    return _covers(one, other)


def _covers(taken: ActionSpace, given: ActionSpace) -> bool:
    """Whether an environment takes what a policy does."""
    if isinstance(taken, FiniteActions) and isinstance(given, FiniteActions):
        return (taken.sizes, taken.starts) == (given.sizes, given.starts)
    if not (isinstance(taken, BoxActions) and isinstance(given, BoxActions)) or len(taken.low) != len(given.low):
        return False
    (low, high), (least, most) = (np.array(box.limits) for box in (taken, given))
    spare = SPARE * (high - low)
    return bool(((least >= low - spare) & (most <= high + spare)).all())
