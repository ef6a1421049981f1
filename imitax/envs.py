"""Environments: made from an id, an environment or a callable, and checked."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from imitax.errors import ConfigError
from imitax.spaces import Spec

EnvLike = str | gym.Env | Callable[[], gym.Env]


@dataclass(frozen=True)
class Task:
    """An environment that can be made any number of times, and its checked description."""

    make: Callable[[], gym.Env]
    env_id: str
    env_kwargs: dict[str, Any]
    spec: Spec
    observation_space: gym.spaces.Box
    action_space: gym.spaces.Box
    max_episode_steps: int | None

    @classmethod
    def create(cls, env: EnvLike, env_kwargs: dict[str, Any] | None = None) -> "Task":
        """Check an environment and describe it.

        Args:
            env: a Gymnasium id, an environment (its registered spec, or else copies of it, are used), or a callable
                that makes one. Episodes must end by themselves or through a time limit.
            env_kwargs: keyword arguments for an id.

        Raises:
            ConfigError: unknown id, wrong keyword arguments, or spaces other than flat boxes with finite action bounds.
        """
        kwargs = dict(env_kwargs or {})
        make, env_id = _maker(env, kwargs)
        probe = make()
        try:
            obs, act = probe.observation_space, probe.action_space
            if not isinstance(obs, gym.spaces.Box) or len(obs.shape) != 1:
                raise ConfigError(
                    f"{env_id}: observations must be a flat Box, got {obs}; wrap it in FlattenObservation"
                )
            if not isinstance(act, gym.spaces.Box) or len(act.shape) != 1:
                raise ConfigError(f"{env_id}: actions must be a flat Box (continuous control), got {act}")
            if not (np.isfinite(act.low).all() and np.isfinite(act.high).all() and (act.low < act.high).all()):
                raise ConfigError(
                    f"{env_id}: action bounds must be finite with low < high, got {act}; use RescaleAction"
                )
            limit = probe.spec.max_episode_steps if probe.spec is not None else None
            if probe.spec is not None and not isinstance(env, str):
                env_id, kwargs = probe.spec.id, dict(probe.spec.kwargs)
            elif probe.spec is not None and probe.spec.id in gym.registry:
                # Not by its id: a worker process may not have imported the package that registers it.
                make = partial(make_env, gym.registry[probe.spec.id], kwargs)
        finally:
            if not isinstance(env, gym.Env):
                probe.close()
        spec = Spec.flat(obs.shape[0], tuple(map(float, act.low)), tuple(map(float, act.high)))
        return cls(make, env_id, kwargs, spec, obs, act, limit)


def _maker(env: EnvLike, kwargs: dict[str, Any]) -> tuple[Callable[[], gym.Env], str]:
    if isinstance(env, str):
        return lambda: make_env(env, kwargs), env
    if kwargs:
        raise ConfigError("env_kwargs go with an environment id; an environment or a callable brings its own")
    if isinstance(env, gym.Env):
        spec = env.spec
        if spec is not None and spec.entry_point is not None:
            return lambda: gym.make(spec), spec.id
        return lambda: copy.deepcopy(env), type(env.unwrapped).__name__
    if callable(env):
        return env, getattr(env, "__name__", type(env).__name__)
    raise ConfigError(f"env must be an environment id, a Gymnasium environment or a callable, got {type(env).__name__}")


def make_env(env: str | EnvSpec, env_kwargs: dict[str, Any]) -> gym.Env:
    """`gym.make`, with errors that say what to do."""
    env_id = env if isinstance(env, str) else env.id
    try:
        return gym.make(env, **env_kwargs)
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound) as e:
        raise ConfigError(f"unknown environment {env_id!r}: {e}. Is the package that registers it imported?") from e
    except (gym.error.DependencyNotInstalled, ModuleNotFoundError) as e:
        raise ConfigError(f"{env_id} needs a package that is missing: {e}; try pip install 'imitax[mujoco]'") from e
    except TypeError as e:
        raise ConfigError(f"{env_id} does not take env_kwargs {json.dumps(env_kwargs, default=str)}: {e}") from e
    except gym.error.Error as e:
        raise ConfigError(f"{env_id}: {e}") from e
