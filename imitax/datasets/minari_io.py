"""Minari datasets: read from and written to the local store (`MINARI_DATASETS_PATH`); nothing is downloaded.

Reading does not go through Minari, which makes the environment of a set that names no spaces, and so imports what the
set says.
"""

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec, WrapperSpec

from imitax.catalogue import minari_path
from imitax.datasets import minari_arrow
from imitax.datasets.arrays import episode
from imitax.datasets.columns import observed, patterns
from imitax.datasets.environment import identity, no_box, specification, wrappers
from imitax.datasets.episode import Dataset, Episode, located
from imitax.datasets.hdf5 import Hdf5, opened
from imitax.datasets.limits import inside, json_object, short, text_file
from imitax.datasets.minari_spaces import check_observations, recorded_action_space, unbounded_space
from imitax.datasets.roles import Columns
from imitax.datasets.tables import joined
from imitax.errors import DataError
from imitax.observations import images
from imitax.statistics import REFERENCE_NAMES

STRUCTURE = {
    *("dataset_id", "minari_version", "data_format", "jpeg_encoding", "dataset_size", "total_episodes", "total_steps"),
    *("observation_space", "action_space", "env_spec", "eval_env_spec"),
}
"""Metadata that Minari keeps for itself; the rest is provenance and becomes `attributes`."""
FIELDS = ("observations", "actions", "rewards", "terminations", "truncations")


def load_minari(source: Path | str, columns: Columns | None = None) -> Dataset:
    """Read a Minari dataset from a folder (Path), or from the local store by its id (str).

    Observations are boxes, classes, and dicts and tuples of these; actions a Box or a finite set. Numbers become
    float32, images stay bytes. The environment's id and kwargs come from the dataset's env spec, the action bounds from
    its action space. Of a dict of observations, `columns={"observations": [...]}` joins those that it names into one
    vector. The attribute `wrappers` says through which wrappers
    the set was recorded.

    Raises DataError when the dataset is not there, cannot be read, has other spaces, or has a flag before the end
    of an episode.
    """
    folder = source if isinstance(source, Path) else minari_path(source)
    data = folder / "data" if (folder / "data").is_dir() else folder
    with located(str(source)):
        if not (data / "metadata.json").is_file():
            if isinstance(source, Path):
                raise DataError("this folder is not a Minari dataset: it has no metadata.json")
            raise DataError(f"this Minari dataset is not in the local store; fetch it with: minari download {source}")
        with located("Minari cannot read this dataset"):
            metadata = json_object(text_file(inside(data, "metadata.json")), "metadata.json")
            keys = patterns(columns or {})
            if not keys and check_observations(metadata):
                _bounds(metadata, "observation")
            low, high = _bounds(metadata, "action")  # empty of a finite set
            spec = _env_spec(metadata.get("env_spec"))
        bounded = bool(np.isfinite([low, high]).any())
        env_id, env_kwargs = identity(spec)
        about = {k: _described(v) for k, v in metadata.items() if k not in STRUCTURE}
        through = wrappers(spec)
        return Dataset(
            episodes=_episodes(data, metadata, keys),
            env_id=env_id,
            env_kwargs=env_kwargs,
            name=short(metadata.get("dataset_id", folder.name)),
            action_low=tuple(low.tolist()) if bounded else None,
            action_high=tuple(high.tolist()) if bounded else None,
            attributes=about | ({"wrappers": through} if through else {}),
        )


def _described(value: Any) -> str:
    return ", ".join(sorted(map(str, value))) if isinstance(value, list) else str(value)


def _bounds(metadata: dict[str, Any], what: str) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of observations that are a vector, or of a box of actions; empty for a finite set."""
    key = f"{what}_space"
    if not isinstance(metadata.get(key), str):
        raise DataError(f"its metadata have no {key}")
    space = json_object(metadata[key], key)
    kind, shape = space.get("type"), space.get("shape")
    if what == "action" and kind in ("Discrete", "MultiDiscrete", "MultiBinary"):
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    if kind != "Box" or not isinstance(shape, list) or (len(shape) != 1 and what == "observation"):
        parts = space.get("subspaces")
        inner = f" of {', '.join(map(short, parts))}" if isinstance(parts, dict) else f" {shape or ''}".rstrip()
        raise no_box(f"{short(kind)}{inner}", what)
    try:
        low, high = (np.asarray(space[side], np.float32) for side in ("low", "high"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{key} has no bounds") from error
    if low.shape != tuple(shape) or high.shape != tuple(shape):
        raise DataError(f"{key} has {low.size} and {high.size} bounds for {shape} dimensions")
    return low.ravel(), high.ravel()


def _env_spec(text: Any) -> EnvSpec | None:
    """The environment that the set names; nothing is imported."""
    if text is None:
        return None
    said = json_object(str(text), "env_spec")
    limit, kwargs, added = (
        said.get("max_episode_steps"),
        said.get("kwargs") or {},
        said.get("additional_wrappers") or [],
    )
    if not isinstance(kwargs, dict) or not isinstance(added, list) or not isinstance(limit, int | None):
        raise DataError("env_spec has no plain kwargs, wrappers or time limit")
    if not isinstance(said.get("id"), str):
        raise DataError("env_spec names no environment")
    through = tuple(
        WrapperSpec(short(w.get("name")), "", w["kwargs"] if isinstance(w.get("kwargs"), dict) else None)
        for w in added
        if isinstance(w, dict)
    )
    try:
        return EnvSpec(said["id"], kwargs=kwargs, max_episode_steps=limit, additional_wrappers=through)
    except gym.error.Error as error:
        raise DataError(f"env_spec names no environment: {error}") from error


def _episodes(data: Path, metadata: dict[str, Any], keys: list[str]) -> tuple[Episode, ...]:
    storage = str(metadata.get("data_format", "hdf5"))
    if storage in minari_arrow.READERS:
        return minari_arrow.read_episodes(data, metadata, keys)
    if storage != "hdf5":
        raise DataError(f"it is stored as {short(storage)}; Minari's storages hdf5, arrow and parquet are read")
    path = inside(data, "main_data.hdf5")
    if not path.is_file():
        raise DataError("the dataset is damaged: there is no main_data.hdf5")
    with opened(path) as file:
        named = [m for m in file.members(file.root) if re.fullmatch(r"episode_\d+", m)]
        found = sorted(named, key=lambda name: int(name.removeprefix("episode_")[:18]))
        total = metadata.get("total_episodes", len(found))
        if total != len(found) or not found:
            raise DataError(f"it holds {len(found)} episodes, its metadata say {short(total)}")
        return tuple(_episode(file, name, keys) for name in found)


def _episode(file: Hdf5, name: str, keys: list[str]) -> Episode:
    with located(name.replace("_", " ")):
        group = file.group(file.root, name)
        if group is None:
            raise DataError("it is no group")
        observations = file.group(group, "observations")
        found: dict[str, Any] = file.arrays(group, FIELDS)
        if keys and observations is not None:
            names = observed(file.members(observations), keys)
            found["observations"] = joined(file.arrays(observations, names), names)
        elif observations is not None:
            found["observations"] = file.observations(group, "observations")
        return episode(found)


def new_minari(dataset_id: str) -> tuple[str | None, Path]:
    """Namespace and folder of a dataset that is to be written. Raises DataError when the id is malformed or taken."""
    from minari.dataset.minari_dataset import parse_dataset_id  # here, because it takes a second
    from minari.storage.datasets_root_dir import get_dataset_path

    try:
        namespace = parse_dataset_id(dataset_id)[0]
    except (ValueError, TypeError) as error:  # TypeError: no version
        raise DataError(f"{dataset_id!r} is not a Minari id: it must look like namespace/name-v0") from error
    folder = get_dataset_path(dataset_id)
    if folder.exists():
        raise DataError(f"the Minari dataset {dataset_id} exists already; choose another version, or delete it first")
    return namespace, folder


def save_minari(dataset: Dataset, dataset_id: str) -> Path:
    """Write a dataset to the local Minari store; returns its folder. Whole or not at all.

    `attributes` become Minari metadata, so `author`, `author_email`, `algorithm_name`, `code_permalink` and
    `description` are what Minari shows under these names.

    Args:
        dataset: what to write; it must have actions and rewards, which Minari requires.
        dataset_id: `name-vN` or `namespace/name-vN`.

    Raises DataError when the id is malformed or taken, or when actions or rewards are missing.
    """
    import minari  # here, because it takes a second
    from minari.dataset.minari_storage import MinariStorage
    from minari.namespace import create_namespace, list_local_namespaces

    namespace, folder = new_minari(dataset_id)
    if dataset.action_dim is None or not dataset.has_rewards:
        raise DataError("Minari requires actions and rewards; write a dataset without them with save_d4rl")
    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)
    metadata: dict[str, Any] = {key: value for key, value in dataset.attributes.items() if key not in STRUCTURE}
    metadata |= {key: float(metadata[key]) for key in REFERENCE_NAMES if key in metadata}  # Minari computes with them
    authors = {key: {metadata[key]} for key in ("author", "author_email") if key in metadata}
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        # not create_dataset_from_buffers: it builds the environment, which need not be installed here
        storage = MinariStorage.new(
            temporary / "data",
            observation_space=unbounded_space(dataset.episodes[0].observations),
            action_space=recorded_action_space(dataset),
            env_spec=None if dataset.env_id is None else specification(dataset.env_id, dataset.env_kwargs),
            **_lossless(dataset),
        )
        storage.update_metadata({**metadata, **authors, "dataset_id": dataset_id, "minari_version": minari.__version__})
        storage.update_episodes(map(_buffer, dataset.episodes))
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary)
        raise
    return folder


def _lossless(dataset: Dataset) -> dict[str, Any]:
    """Minari compresses images with losses unless told otherwise; older versions do not, and know no such option."""
    return {"jpeg_encoding": False} if images(dataset.episodes[0].observations) else {}


def _buffer(episode: Episode) -> Any:
    from minari.data_collector import EpisodeBuffer

    at_end, actions = np.arange(len(episode)) == len(episode) - 1, np.asarray(episode.actions)
    seen = episode.observations
    return EpisodeBuffer(
        observations=list(seen) if isinstance(seen, np.ndarray) else seen,
        actions=list(actions[:, 0] if actions.dtype.kind == "i" and actions.shape[1] == 1 else actions),
        rewards=list(np.asarray(episode.rewards)),
        terminations=list(at_end & episode.terminated),
        truncations=list(at_end & episode.truncated),
    )
