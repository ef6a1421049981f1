"""Minari datasets: read from and written to the local store (`MINARI_DATASETS_PATH`); nothing is downloaded."""

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import gymnasium as gym
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_dataset import parse_dataset_id
from minari.dataset.minari_storage import MinariStorage
from minari.namespace import create_namespace, list_local_namespaces
from minari.storage.datasets_root_dir import get_dataset_path

from imitax.datasets.arrays import episode
from imitax.datasets.environment import box, identity, specification
from imitax.datasets.episode import Dataset, located
from imitax.errors import DataError
from imitax.statistics import REFERENCE_NAMES

STRUCTURE = {
    *("dataset_id", "minari_version", "data_format", "jpeg_encoding", "dataset_size", "total_episodes", "total_steps"),
    *("observation_space", "action_space", "env_spec", "eval_env_spec"),
}
"""Metadata that Minari keeps for itself; the rest is provenance and becomes `attributes`."""


def load_minari(source: Path | str) -> Dataset:  # over 50 lines for its docstring
    """Read a Minari dataset from a folder (Path), or from the local store by its id (str).

    Observation and action spaces must be one-dimensional Boxes; numbers become float32. The environment's id and
    kwargs come from the dataset's env spec, the action bounds from its action space.

    Raises DataError when the dataset is not there, cannot be read, has other spaces, or has a flag before the end
    of an episode.
    """
    folder = source if isinstance(source, Path) else get_dataset_path(source)
    data = folder / "data" if (folder / "data").is_dir() else folder
    with located(str(source)):
        if not (data / "metadata.json").is_file():
            if isinstance(source, Path):
                raise DataError("this folder is not a Minari dataset: it has no metadata.json")
            raise DataError(f"this Minari dataset is not in the local store; fetch it with: minari download {source}")
        try:
            stored = minari.MinariDataset(data)
            metadata = stored.storage.metadata
        except Exception as error:  # Minari raises anything from AssertionError to errors of the environment's package
            raise DataError(f"Minari cannot read this dataset: {error!r}") from error
        box(stored.observation_space, "observation")
        action_space = box(stored.action_space, "action")
        try:
            recorded = list(stored.iterate_episodes())
        except Exception as error:
            raise DataError(f"the dataset is damaged: {error!r}") from error
        episodes = []
        for index, item in enumerate(recorded):
            with located(f"episode {index}"):
                episodes.append(
                    episode(
                        {
                            "observations": item.observations,
                            "actions": item.actions,
                            "rewards": item.rewards,
                            "terminations": item.terminations,
                            "truncations": item.truncations,
                        }
                    )
                )
        env_id, env_kwargs = identity(stored.env_spec)
        low, high = action_space.low, action_space.high
        bounded = bool(np.isfinite([low, high]).any())
        return Dataset(
            episodes=tuple(episodes),
            env_id=env_id,
            env_kwargs=env_kwargs,
            name=metadata["dataset_id"],
            action_low=tuple(low.tolist()) if bounded else None,
            action_high=tuple(high.tolist()) if bounded else None,
            attributes={
                key: ", ".join(sorted(map(str, value))) if isinstance(value, (set, list)) else str(value)
                for key, value in metadata.items()
                if key not in STRUCTURE
            },
        )


def save_minari(dataset: Dataset, dataset_id: str) -> Path:
    """Write a dataset to the local Minari store; returns its folder. Whole or not at all.

    `attributes` become Minari metadata, so `author`, `author_email`, `algorithm_name`, `code_permalink` and
    `description` are what Minari shows under these names.

    Args:
        dataset: what to write; it must have actions and rewards, which Minari requires.
        dataset_id: `name-vN` or `namespace/name-vN`.

    Raises DataError when the id is malformed or taken, or when actions or rewards are missing.
    """
    try:
        namespace = parse_dataset_id(dataset_id)[0]
    except (ValueError, TypeError) as error:  # TypeError: no version
        raise DataError(f"{dataset_id!r} is not a Minari id: it must look like namespace/name-v0") from error
    if dataset.action_dim is None or not dataset.has_rewards:
        raise DataError("Minari requires actions and rewards; write a dataset without them with save_d4rl")
    folder = get_dataset_path(dataset_id)
    if folder.exists():
        raise DataError(f"the Minari dataset {dataset_id} exists already; choose another version, or delete it first")
    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)
    unbounded = (np.inf,) * dataset.action_dim
    low = np.array(dataset.action_low or np.negative(unbounded), np.float32)
    high = np.array(dataset.action_high or unbounded, np.float32)
    metadata: dict[str, Any] = {key: value for key, value in dataset.attributes.items() if key not in STRUCTURE}
    metadata |= {key: float(metadata[key]) for key in REFERENCE_NAMES if key in metadata}  # Minari computes with them
    authors = {key: {metadata[key]} for key in ("author", "author_email") if key in metadata}
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        # not create_dataset_from_buffers: it builds the environment, which need not be installed here
        storage = MinariStorage.new(
            temporary / "data",
            observation_space=gym.spaces.Box(-np.inf, np.inf, (dataset.obs_dim,), np.float32),
            action_space=gym.spaces.Box(low, high, dtype=np.float32),
            env_spec=None if dataset.env_id is None else specification(dataset.env_id, dataset.env_kwargs),
        )
        storage.update_metadata({**metadata, **authors, "dataset_id": dataset_id, "minari_version": minari.__version__})
        storage.update_episodes(map(_buffer, dataset.episodes))
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary)
        raise
    return folder


def _buffer(episode) -> EpisodeBuffer:
    at_end = np.arange(len(episode)) == len(episode) - 1
    return EpisodeBuffer(
        observations=list(episode.observations),
        actions=list(episode.actions),
        rewards=list(episode.rewards),
        terminations=list(at_end & episode.terminated),
        truncations=list(at_end & episode.truncated),
    )
