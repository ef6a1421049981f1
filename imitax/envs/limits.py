"""How long an episode may last."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from imitax.errors import EnvWarning

EPISODE_LIMIT = 10_000
"""Steps after which an episode is cut where the environment sets no limit of its own."""


def layers(env: Any) -> Iterator[Any]:
    """The environment and what its wrappers wrap, from the outside in."""
    while env is not None:
        yield env
        env = env.env if isinstance(env, gym.Wrapper) else None


def registration(env: Any) -> EnvSpec | None:
    """How Gymnasium has registered an environment; None where it has not, whatever the environment calls its spec."""
    spec = getattr(env, "spec", None)
    return spec if isinstance(spec, EnvSpec) else None


def as_registered(spec: EnvSpec, kwargs: dict[str, Any]) -> tuple[str | Callable[[], gym.Env], dict[str, Any]]:
    """Id and keyword arguments of what is in Gymnasium's registry; of any other a function that makes it."""
    if spec.id in gym.registry and not spec.additional_wrappers:
        return spec.id, {**spec.kwargs, **kwargs}
    return partial(gym.make, spec, **kwargs), {}


def time_limit(env: Any) -> int | None:
    """The steps after which the environment cuts its episodes: those of its `TimeLimit`, or of its registration."""
    limits = [layer._max_episode_steps for layer in layers(env) if isinstance(layer, gym.wrappers.TimeLimit)]
    if limits:
        return min(limits)
    spec = registration(env)
    return None if spec is None else spec.max_episode_steps


def warn_of_cut(name: str, limit: int) -> None:
    """Say that episodes were cut because the environment does not end them."""
    warnings.warn(
        f"{name}: an episode had no end after {limit:,} steps and was cut there; give the environment a limit of its "
        "own: gymnasium.wrappers.TimeLimit(env, STEPS)",
        EnvWarning,
        stacklevel=2,
    )
