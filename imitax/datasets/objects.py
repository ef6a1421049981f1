"""Demonstrations as the objects of other libraries, told by their fields: none of these libraries is imported.

Trajectories and transitions of `imitation`, replay buffers of Stable-Baselines3, episodes and datasets of Minari, data
frames, and anything else whose fields have the names that a dict would have.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import gymnasium as gym
import numpy as np

from imitax.datasets.arrays import episode
from imitax.datasets.environment import bounds, identity, wrappers
from imitax.datasets.episode import Dataset, Episode, located
from imitax.datasets.limits import json_object
from imitax.datasets.names import EPISODES, NAMES
from imitax.errors import DataError

ROUNDING = 1e-4
"""How far beyond [-1, 1] a scaled action may lie."""


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
    names = _columns(source)
    if names is None:
        return None
    if len(set(map(str, names))) < len(names):
        raise DataError("two columns of the data frame have one name")
    return {str(name): np.asarray(source[name]) for name in names}


def is_frame(source: Any) -> bool:
    """Whether it is a data frame with one row a step."""
    return _columns(source) is not None and episode_rows(source) is None


def episode_rows(source: Any) -> list[dict[str, Any]] | None:
    """The rows of a data frame with one row an episode, as `imitation` makes them; None for any other source.

    They are told by observations [T, O] in a cell, with as many actions or one less, and no column of episodes.
    """
    names = _columns(source) or []
    observations, actions = (next((n for n in NAMES[key] if n in names), None) for key in ("observations", "actions"))
    if observations is None or set(EPISODES) & set(names):
        return None
    first: Any = next(iter(source[observations]), None)
    if not _is_list(first) or not _is_list(next(iter(first), None)):
        return None
    if actions is not None:
        taken: Any = next(iter(source[actions]), None)
        if not _is_list(taken) or len(first) - len(taken) not in (0, 1):
            return None
    kept = [name for name in names if name in {n for group in NAMES.values() for n in group} | {"infos"}]
    return [
        dict(zip(kept, map(_stacked, cells), strict=True)) for cells in zip(*(source[n] for n in kept), strict=True)
    ]


def _columns(source: Any) -> list[Any] | None:
    names = getattr(source, "column_names", None)
    names = getattr(source, "columns", None) if names is None else names
    if names is None or isinstance(source, Mapping) or not hasattr(source, "__getitem__"):
        return None
    return list(names)


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple | np.ndarray) or (hasattr(cell, "tolist") and getattr(cell, "ndim", 0) > 0)


def _stacked(cell: Any) -> Any:
    """A cell of rows as one array: from arrays of arrays, as pandas reads them out of Parquet."""
    nested = isinstance(cell, np.ndarray) and cell.dtype.kind == "O" and len(cell) and _is_list(cell[0])
    return np.stack([np.asarray(row) for row in cell]) if nested and len({len(row) for row in cell}) == 1 else cell


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


def replay_buffer(source: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """A replay or rollout buffer of Stable-Baselines3; None for what is none.

    Returns:
        Flat arrays, environment after environment, with the actions that the environments got; and fields of the
        dataset: the bounds of the actions, and an attribute where they were stored otherwise.
    """
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
    replayed, space = "dones" in flat, getattr(source, "action_space", None)
    about = _act_in(space, flat, replayed) if isinstance(space, gym.Space) and "actions" in flat else {}
    if not replayed:
        return _rollouts(source, flat, rows), about
    dones, timeouts = flat.pop("dones").astype(bool), np.asarray(flat.get("timeouts", 0)).astype(bool)
    cut = np.arange(1, envs + 1) * len(rows) - 1  # what follows is another environment's
    flat["terminals"] = dones & ~timeouts
    flat["timeouts"] = (dones & timeouts) | (np.isin(np.arange(len(dones)), cut) & ~dones)
    return flat, about


def _act_in(space: gym.Space, flat: dict[str, Any], replayed: bool) -> dict[str, Any]:
    """Bring the actions of a buffer into the environment's units; returns fields of the dataset.

    In a Box, what is replayed is stored scaled to [-1, 1], and what is rolled out before it is clipped. Actions beyond
    [-1, 1] were put into a replay buffer by somebody else, as they are.
    """
    low, high = bounds(space)
    actions = np.asarray(flat["actions"])
    if low is None or high is None:
        whole = actions.dtype.kind == "f" and (actions == np.floor(actions)).all()
        flat["actions"] = actions.astype(np.int64) if whole else actions
        return {}
    least, most = np.array(low), np.array(high)
    about: dict[str, Any] = {"action_low": low, "action_high": high}
    if not replayed:
        flat["actions"] = np.clip(actions, least, most)
        count = int((flat["actions"] != actions).any(-1).sum())
        return about | ({"attributes": {"actions_clipped": f"{count} rows, as the algorithm did"}} if count else {})
    own = (np.abs(actions) > 1 + ROUNDING).any() or not np.isfinite([least, most]).all()
    if own or ((least == -1) & (most == 1)).all():
        return about
    flat["actions"] = least + (most - least) * (actions.astype(np.float64) + 1) / 2
    return about | {"attributes": {"actions_rescaled": "from [-1, 1], as replay buffers store them, to the bounds"}}


def _rollouts(source: Any, flat: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """Episodes of a rollout buffer, which knows where they start, and not why they end: all count as truncated."""
    starts = getattr(source, "episode_starts", None)
    if starts is None or getattr(source, "generator_ready", False):
        raise DataError("the rollout buffer has been cut into batches; pass it before get() is called, or pass arrays")
    begins = np.asarray(starts)[rows].astype(bool)
    begins[0] = True
    return flat | {"episode": np.cumsum(begins.T.ravel())}


def transitions(source: Any) -> dict[str, Any] | None:
    """Flat arrays of the transitions of `imitation`; None for what is none.

    Its `dones` are ends of the task, unless the info of the row says that a time limit cut the episode.
    """
    named = fields(source)
    if "next_obs" not in named or "dones" not in named:
        return None
    dones, infos = np.asarray(named.pop("dones")), named.pop("infos", None)
    cut = np.zeros(dones.shape, bool)
    if dones.dtype.kind == "b" and infos is not None and len(infos) == len(dones):
        cut = dones & np.array([_time_limited([info]) for info in infos], bool)
    return named | {"terminals": dones ^ cut if cut.any() else dones} | ({"timeouts": cut} if cut.any() else {})


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
    """Whether the last of an episode's infos, or its JSON, says that a time limit cut it."""
    if not isinstance(infos, Sequence | np.ndarray) or isinstance(infos, str) or not len(infos):
        return False
    last = infos[-1]
    if isinstance(last, str) and "TimeLimit.truncated" in last:
        with suppress(DataError):
            last = json_object(last, "the last of infos")
    return isinstance(last, Mapping) and last.get("TimeLimit.truncated") in (True, 1)
