"""A few steps in environments before training: whether they keep to the interface, and whether copies are separate."""

import warnings
from typing import Any

import jax
import numpy as np

from imitax.envs.actions import action_space
from imitax.envs.guard import Guard
from imitax.errors import EnvError, EnvWarning

SEED, STEPS = 0, 5

LARGEST_INTEGER = 2.0**24
"""Beyond which float32 leaves integers out."""

Trace = list[np.ndarray]
"""Observation, reward and ends of each step."""


def trace(env: Guard, beside: Guard | None = None) -> Trace:
    """What happens in the first steps of an episode, while another environment is stepped beside it.

    Raises:
        EnvError: the environment does not keep to the interface.
    """
    space = action_space(env.action_space, env.name)
    shares = np.linspace(0.25, 0.75, STEPS * space.size).reshape(STEPS, space.size)
    seen, other = [_vector(env.reset(seed=SEED)[0])], beside
    if other is not None:
        other.reset(seed=SEED + 1)
    for share in shares:
        obs, reward, terminated, truncated, _ = env.step(space.env(space.at(share))[()])
        seen.append(np.r_[_vector(obs), reward, terminated, truncated])
        if terminated or truncated:
            break
        if other is not None:
            _, _, *ends, _ = other.step(space.env(space.at(1 - share))[()])
            if any(ends):
                other.reset(seed=SEED + 1)
    return seen


def _vector(obs: Any) -> np.ndarray:
    """A copy of all numbers of an observation."""
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(obs)])


def check_alike(first: Guard, *others: Guard) -> None:
    """Refuse environments of one task whose observations or actions differ.

    Raises:
        EnvError: with the spaces.
    """
    for other in others:
        alike = action_space(first.action_space, first.name) == action_space(other.action_space, other.name)
        name = "observation_space" if first.space != other.space else "" if alike else "action_space"
        if name:
            raise EnvError(
                f"{first.name}: the environments that are made differ in their {name}, {getattr(first, name)} and "
                f"{getattr(other, name)}: let all have the same, since one policy acts in them"
            )


def same(first: Trace, second: Trace) -> bool:
    """Whether two traces are equal."""
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def share_state(first: Guard, second: Guard) -> bool:
    """Whether steps of the second change what happens in the first, as in two clients of one simulator.

    An environment that does not repeat itself from one seed says nothing about this.
    """
    alone, beside = trace(first), trace(first, second)
    return not same(alone, beside) and same(alone, trace(first))


def differ(first: Guard, second: Guard) -> bool:
    """Whether a copy does something else than its original, which repeats itself from one seed."""
    original = trace(first)
    return not same(original, trace(second)) and same(original, trace(first))


def warn_of_size(name: str, obs: np.ndarray) -> None:
    """Say where 32-bit numbers do not even hold the integers."""
    for i in np.flatnonzero(np.abs(obs) >= LARGEST_INTEGER).tolist():
        warnings.warn(
            f"{name}: observation {i} is {obs[i]:.4g} at the start, where 32-bit numbers are "
            f"{np.spacing(np.abs(obs[i])):g} apart (a time stamp?): subtract its offset or leave it out",
            EnvWarning,
            stacklevel=3,
        )
