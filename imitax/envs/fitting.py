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
    if (here.structure, _shapes(here)) != (there.structure, _shapes(there)):
        raise ConfigError(
            f"{policy} sees observations {here.describe()}, {task.label} shows {there.describe()}: open the run with "
            "an environment that shows what it learned from"
        )
    if not _covers(task.spec.action, spec.action):
        raise ConfigError(
            f"{policy} has the actions {spec.action}, {task.label} takes {task.spec.action}: open the run with an "
            "environment that takes what it learned, or rescale its actions (gymnasium.wrappers.RescaleAction)"
        )


def _shapes(space: ObservationSpace) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in space.leaves]


def _covers(taken: ActionSpace, given: ActionSpace) -> bool:
    """Whether an environment takes what a policy does."""
    if isinstance(taken, FiniteActions) and isinstance(given, FiniteActions):
        return (taken.sizes, taken.starts) == (given.sizes, given.starts)
    if not (isinstance(taken, BoxActions) and isinstance(given, BoxActions)) or len(taken.low) != len(given.low):
        return False
    (low, high), (least, most) = (np.array(box.limits) for box in (taken, given))
    spare = SPARE * (high - low)
    return bool(((least >= low - spare) & (most <= high + spare)).all())
