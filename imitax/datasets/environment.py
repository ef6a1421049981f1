"""How a dataset names the Gymnasium environment it comes from, and which spaces it can hold."""

import copy
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from imitax.datasets.episode import kwargs_json
from imitax.datasets.limits import depth, short
from imitax.envs.actions import FINITE, action_space
from imitax.errors import ConfigError, DataError
from imitax.spaces import FiniteActions

PLAIN_DEPTH = 4
"""Levels of lists and objects in keyword arguments from a file."""
PLAIN_TEXT = 1000
"""Characters of all keyword arguments from a file, as JSON."""
PATH = re.compile(r"[/\\~$]|\.\w+$|://")
"""Text that may name a file or an address."""
RESERVED = {"render_mode", "additional_wrappers", "vectorization_mode", "vector_kwargs", "wrappers", "entry_point"}
"""What `gymnasium.make` takes for itself."""


def from_file(env_id: str, env_kwargs: Mapping[str, Any], where: str, more: str = "") -> tuple[str, dict[str, Any]]:
    """The environment that a file names, if it may: what others made must not choose what code is run.

    The id must be registered already, so nothing is imported. Keyword arguments must be numbers, truth values, short
    text, or lists and objects of these; text that may be a path or an address, and what `gymnasium.make` takes for
    itself, need the user's word.

    Args:
        env_id: from the file; of `module:Name-v0`, the name counts if it is registered.
        env_kwargs: from the file.
        where: names the file in messages.
        more: another way to allow it, for messages.

    Raises ConfigError, which says what to pass, when the file may not choose this.
    """
    name, module = bare(env_id), env_id.rpartition(":")[0]
    if name not in gym.registry:
        does = f"; to make it would import the module {short(repr(module))}, which may do anything" if module else ""
        raise ConfigError(
            f"{where} names the environment {short(env_id)}, which is not registered here{does}. Nothing is imported "
            f"because a file says so: if you trust it, import its package first, or pass --env {short(env_id)} "
            f"(env=...){more}"
        )
    try:
        text = kwargs_json(env_kwargs)
        plain = json.loads(text)
    except (DataError, ValueError) as error:
        raise ConfigError(
            f"{where} passes {short(', '.join(env_kwargs))} to {name}, which are no plain values"
        ) from error
    if len(text) > PLAIN_TEXT or depth(dict(env_kwargs)) > PLAIN_DEPTH:
        raise ConfigError(f"{where} has long or deep env_kwargs ({short(text)}); pass --env-kwargs yourself")
    if doubtful := sorted(_doubtful(plain)):
        raise ConfigError(
            f"{where} passes {short(', '.join(doubtful))} to {name}, which may name a file or other code; if you "
            f"trust it, pass it yourself: --env-kwargs '{short(text, PLAIN_TEXT)}', or an environment made with "
            f"it{more}"
        )
    return name, dict(env_kwargs)


def bare(env_id: str | None) -> str:
    """An environment's id without the module that registers it."""
    return (env_id or "").rpartition(":")[2]


def _doubtful(kwargs: Mapping[str, Any]) -> set[str]:
    """Keyword arguments that need the user's word, at any depth."""
    found = set()
    for key, value in kwargs.items():
        layer = [value]
        while layer:
            item = layer.pop()
            if isinstance(item, Mapping):
                found |= {key} if _doubtful(item) else set()
            elif isinstance(item, list):
                layer.extend(item)
            elif isinstance(item, str) and (PATH.search(item) or _exists(item)):
                found.add(f"{key}={item!r}")
        if key in RESERVED or key.endswith(("_file", "_path", "_dir", "_url")):
            found.add(key)
    return found


def _exists(text: str) -> bool:
    """Whether a text is the name of a file that is here."""
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def identity(spec: EnvSpec | None) -> tuple[str | None, dict[str, Any]]:
    """Environment id and the kwargs with which `gymnasium.make` builds the same task.

    Left out are how it is rendered and what the id's registration says anyway, so that one task has one name.
    A time limit other than the registered one appears as `max_episode_steps`. Without a spec: None and no kwargs.
    """
    if spec is None:
        return None, {}
    registered = gym.registry.get(spec.id)
    kwargs = {key: value for key, value in spec.kwargs.items() if key != "render_mode"}
    if registered is not None:
        kwargs = {key: value for key, value in kwargs.items() if registered.kwargs.get(key, ...) != value}
        if spec.max_episode_steps != registered.max_episode_steps:
            kwargs["max_episode_steps"] = -1 if spec.max_episode_steps is None else spec.max_episode_steps
    return spec.id, json.loads(kwargs_json(kwargs))


def specification(env_id: str, env_kwargs: Mapping[str, Any]) -> EnvSpec:
    """The inverse of `identity`; works for environments that are not installed too."""
    spec = copy.deepcopy(gym.registry.get(env_id) or EnvSpec(env_id))
    if callable(spec.entry_point):
        spec.entry_point = None  # a class cannot be written to a file; the id still finds it
    kwargs = json.loads(kwargs_json(env_kwargs))
    spec.max_episode_steps = kwargs.pop("max_episode_steps", spec.max_episode_steps)
    spec.kwargs = spec.kwargs | kwargs
    return spec


def wrappers(spec: EnvSpec | None) -> str:
    """The wrappers that an environment was recorded through, from the outermost inwards; empty without any.

    Those that Gymnasium and Minari put around every environment are left out.
    """
    if spec is None:
        return ""
    usual = ("TimeLimit", "OrderEnforcing", "PassiveEnvChecker", "DataCollector")
    added = [w for w in reversed(spec.additional_wrappers) if w.name not in usual]
    return ", ".join(f"{w.name}({', '.join(f'{k}={v!r}' for k, v in (w.kwargs or {}).items())})" for w in added)


def box(space: gym.Space) -> gym.spaces.Box:
    """The space of actions, if it is a box. Raises DataError, with what to do about it, when it is not."""
    if isinstance(space, gym.spaces.Box):
        return space
    raise no_box(str(space), "action")


def finite(space: gym.Space) -> FiniteActions | None:
    """The finite set of actions that a space is, None of others."""
    if not isinstance(space, FINITE):
        return None
    found = action_space(space, "the environment")
    assert isinstance(found, FiniteActions)
    return found


def bounds(space: gym.Space) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Lower and upper bound of actions, None of a finite set. Raises DataError where imitax has no such actions."""
    if finite(space) is not None:
        return None, None
    limits = box(space)
    return tuple(limits.low.ravel().tolist()), tuple(limits.high.ravel().tolist())


def columns(space: gym.Space) -> int:
    """Numbers in a row of recorded actions. Raises DataError where imitax has no such actions."""
    found = finite(space)
    return math.prod(box(space).shape) if found is None else found.columns


def no_box(space: str, what: str) -> DataError:
    """The error of a space that is no vector of numbers."""
    if what == "action":
        return DataError(
            f"the action space is {space}; imitax learns actions in a Box, Discrete, MultiDiscrete and MultiBinary"
        )
    return DataError(f"the {what} space is {space}, not a one-dimensional Box")
