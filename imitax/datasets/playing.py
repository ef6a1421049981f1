"""What a user's policy takes and answers when episodes are recorded."""

import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from imitax.datasets.flags import numbers
from imitax.errors import DataError
from imitax.spaces import ActionSpace, FiniteActions

TOLERANCE = 1e-4
"""How far beyond the bounds an action may lie, in the action's units (rounding), as in `validate`."""

Policy = Callable[[Any, int], Any]
"""From observations [N, ...] (float32, images uint8; dicts and tuples as the environment has them) and the number of
the step, for the policy's noise, to actions [N, ...]."""


@runtime_checkable
class Remembers(Protocol):
    """A policy that is told when the episodes of all its environments begin."""

    def __call__(self, obs: Any, step: int, /) -> Any:
        """As `Policy`."""
        ...

    def reset(self) -> None:
        """Forget the episodes before."""
        ...


class _Stepless:
    """A policy that is not told the number of the step."""

    def __init__(self, policy: Callable[[Any], Any]):
        self.policy = policy

    def __call__(self, obs: Any, step: int) -> Any:
        return self.policy(obs)

    def reset(self) -> None:
        if isinstance(self.policy, Remembers):
            self.policy.reset()


def with_steps(policy: Any) -> Policy:
    """The policy, or what calls it with observations alone if it takes no number of the step.

    Raises:
        DataError: it cannot be called.
    """
    if not callable(policy):
        raise DataError(
            f"policy is a function of observations, got {type(policy).__name__}: of a run, pass run.policy; of a model "
            f"of Stable-Baselines3, {PREDICT}"
        )
    try:
        signature = inspect.signature(policy)
    except (TypeError, ValueError):  # some built-in functions have none
        return policy
    try:
        second = list(signature.bind(None, 0).arguments)[1:2]
    except TypeError:
        return _Stepless(policy)
    return _Stepless(policy) if second == ["state"] else policy  # a `predict` of Stable-Baselines3


PREDICT = "lambda obs: model.predict(obs, deterministic=True)[0]"


def executed(answer: Any, space: ActionSpace, running: np.ndarray, first: int, step: int) -> np.ndarray:
    """A policy's answer as the environments take it, [N, *shape]: what is stored is what is executed.

    Args:
        answer: of the policy; a pair of actions and None, as `predict` of Stable-Baselines3 returns it, will do.
        space: of the actions.
        running: which of the N environments have an episode; actions of the others do not count.
        first: number of the first environment's episode, for messages.
        step: within the episodes, for messages.

    Raises:
        DataError: actions of another shape, that are no finite numbers, outside of the finite set, or out of bounds.
    """
    shape = (len(running), *space.shape)
    actions = numbers(_alone(answer, shape), "the policy's actions")
    if actions.shape != shape:
        raise DataError(f"the policy must return actions of shape {shape}, got {actions.shape}")
    columns = actions.reshape(len(running), -1)
    if isinstance(space, FiniteActions):
        columns = np.where(running[:, None], columns, np.asarray(space.starts))
        wrong = space.outside(columns)
    else:
        with np.errstate(over="ignore"):
            columns = columns.astype(np.float32)  # which is what is stored
        low, high = map(np.asarray, space.limits)
        wrong = running[:, None] & ~(
            (columns >= low - TOLERANCE) & (columns <= high + TOLERANCE) & np.isfinite(columns)
        )
    if wrong.any():
        i, dim = np.argwhere(wrong)[0].tolist()
        where = f"episode {first + i} step {step} (counted from 0)"
        raise DataError(f"{where}: the policy's action {_problem(columns[i, dim].item(), dim, space)}")
    return space.env(columns)


def _alone(answer: Any, shape: tuple[int, ...]) -> Any:
    """The actions, without the state that stands beside them."""
    if not (
        isinstance(answer, tuple)
        and len(answer) == 2
        and isinstance(answer[0], np.ndarray)
        and answer[0].shape == shape
    ):
        return answer
    if answer[1] is not None:
        raise DataError(
            f"the policy returns a pair, actions and {type(answer[1]).__name__}: return the actions alone; a policy "
            "with a state of its own is an object that keeps it, with a method reset() that forgets it"
        )
    return answer[0]


def _problem(number: int | float, dim: int, space: ActionSpace) -> str:
    """What is wrong with a number of an action, and what to do."""
    if not np.isfinite(number):
        return f"is {number}: look at how the policy computes it"
    if isinstance(space, FiniteActions):
        return f"is {number:g}, which is not in {space}: return its integers"
    low, high = (side[dim] for side in space.limits)
    return (
        f"is {number:g} in dimension {dim}, where the bounds are [{low:g}, {high:g}]: scale it to the environment's "
        "units, or let the policy clip it"
    )
