"""Demonstrations as the objects of other libraries, told by their fields: none of these libraries is imported.

Trajectories and transitions of `imitation`, replay buffers of Stable-Baselines3, episodes and datasets of Minari, data
frames, and anything else whose fields have the names that a dict would have.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from imitax.datasets.arrays import NAMES, episode
from imitax.datasets.environment import identity, wrappers
from imitax.datasets.episode import Dataset, Episode, located
from imitax.errors import DataError


def fields(source: Any) -> dict[str, Any]:
    """The known fields of an object; empty where it has none."""
    found = {}
    for names in NAMES.values():
        for name in names:
            value = getattr(source, name, None)
            if value is not None and not callable(value):
                found[name] = value
    for name in ("infos", "dones"):
        if (value := getattr(source, name, None)) is not None and not callable(value):
            found[name] = value
    return found if any(name in found for name in NAMES["observations"]) else {}


def frame(source: Any) -> dict[str, np.ndarray] | None:
    """The columns of a data frame (pandas, polars), or of a Hugging Face dataset; None for what is none."""
    names = getattr(source, "column_names", None)
    names = getattr(source, "columns", None) if names is None else names
    if names is None or isinstance(source, Mapping) or not hasattr(source, "__getitem__"):
        return None
    if len(set(map(str, names))) < len(list(names)):
        raise DataError("two columns of the data frame have one name")
    return {str(name): np.asarray(source[name]) for name in names}


def trajectory(source: Any) -> Episode:
    """One episode from an object, or a dict. Raises DataError when it has no observations."""
    named = dict(source) if isinstance(source, Mapping) else fields(source)
    if not named:
        raise DataError(
            f"expected an Episode or a dict of arrays, got {type(source).__name__}, which has no field observations or "
            "obs; make a dict of it: {'observations': ..., 'actions': ..., 'terminated': ...}"
        )
    infos = named.pop("infos", None)
    if "truncated" not in named and _time_limited(infos):
        end = next(name for name in NAMES["terminals"] if name in named)
        named |= {end: False, "truncated": True}
    return episode(named)


def replay_buffer(source: Any) -> dict[str, Any] | None:
    """Flat arrays of a replay buffer of Stable-Baselines3, environment after environment; None for what is none."""
    parts: list[Any] = [getattr(source, name, None) for name in ("pos", "full", "n_envs", "buffer_size")]
    if any(part is None for part in parts):
        return None
    position, full, envs, size = parts
    rows = np.r_[position:size, 0:position] if full else np.arange(position)
    if not len(rows):
        raise DataError("the replay buffer is empty")
    flat: dict[str, Any] = {}
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        if (array := getattr(source, name, None)) is not None:
            leaves = array if isinstance(array, Mapping) else {"": array}
            each = {k: np.concatenate([np.asarray(x)[rows, i] for i in range(envs)]) for k, x in leaves.items()}
            flat[name] = each if isinstance(array, Mapping) else each[""]
    if "dones" not in flat:
        raise DataError("a rollout buffer is none of episodes; pass a replay buffer, or arrays")
    dones, timeouts = flat.pop("dones").astype(bool), np.asarray(flat.get("timeouts", 0)).astype(bool)
    cut = np.arange(1, envs + 1) * len(rows) - 1  # what follows is another environment's
    flat["terminals"] = dones & ~timeouts
    flat["timeouts"] = (dones & timeouts) | (np.isin(np.arange(len(dones)), cut) & ~dones)
    return flat


def transitions(source: Any) -> dict[str, Any] | None:
    """Flat arrays of the transitions of `imitation`, whose `dones` are ends of the task; None for what is none."""
    named = fields(source)
    if "next_obs" not in named or "dones" not in named:
        return None
    named["terminals"] = named.pop("dones")
    named.pop("infos", None)
    return named


def minari_dataset(source: Any) -> Dataset | None:
    """A dataset object of Minari; None for what is none."""
    if not hasattr(source, "iterate_episodes") or not hasattr(source, "spec"):
        return None
    episodes = []
    for index, item in enumerate(source.iterate_episodes()):
        with located(f"episode {index}"):
            episodes.append(trajectory(item))
    env_id, env_kwargs = identity(source.spec.env_spec)
    through = wrappers(source.spec.env_spec)
    low, high = (getattr(source.spec.action_space, side, None) for side in ("low", "high"))
    low, high = (() if side is None else tuple(np.ravel(side).tolist()) for side in (low, high))
    bounded = bool(np.isfinite([*low, *high]).any())
    return Dataset(
        tuple(episodes),
        env_id=env_id,
        env_kwargs=env_kwargs,
        name=source.spec.dataset_id,
        action_low=low if bounded else None,
        action_high=high if bounded else None,
        attributes={"wrappers": through} if through else {},
    )


def _time_limited(infos: Any) -> bool:
    """Whether the last of an episode's infos says that a time limit cut it."""
    if not isinstance(infos, Iterable) or isinstance(infos, Mapping):
        return False
    last = list(infos)[-1:]
    return bool(last and isinstance(last[0], Mapping) and last[0].get("TimeLimit.truncated"))
