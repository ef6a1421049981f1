"""`load`: one door for every source of demonstrations."""

import io
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imitax.catalogue import BUNDLED, bundled
from imitax.datasets import arrays, objects
from imitax.datasets.columns import as_table, refuse
from imitax.datasets.d4rl import load_d4rl
from imitax.datasets.episode import Dataset, Episode, located
from imitax.datasets.faults import Mend, mended, registered_limit
from imitax.datasets.flags import numbers
from imitax.datasets.formats import load_file, load_folder
from imitax.datasets.joining import joined_datasets
from imitax.datasets.limits import check_name
from imitax.datasets.minari_io import load_minari
from imitax.datasets.roles import Columns
from imitax.datasets.tables import read_table
from imitax.errors import DataError, DataWarning

SUFFIXES = (".hdf5", ".h5", ".npz", ".csv", ".tsv", ".parquet", ".arrow", ".feather")
"""Endings of what is a file, whether it is there or not."""

Source = Any
"""Whatever `load` takes."""
Bound = float | int | Sequence[float] | np.ndarray
"""Limit of actions: one for all dimensions, or one for each."""


def list_bundled() -> list[str]:
    """Names of the datasets that come with imitax, such as "imitax/hopper-expert"."""
    return bundled(BUNDLED)


def load(
    source: Source,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
    repair: bool = False,
    action_low: Bound | None = None,
    action_high: Bound | None = None,
) -> Dataset:  # over 50 lines and 6 parameters for its docstring, and as users call it
    """Load demonstrations.

    Args:
        source: one of
            - a `Dataset`, which is returned as it is;
            - the name of a bundled dataset, "hopper-expert" or "imitax/hopper-expert" (see `list_bundled`);
            - a path to a file: HDF5 in the layout of D4RL or robomimic, `.npz`, CSV, Parquet or Arrow;
            - a path to a folder: of Minari, LeRobot or Hugging Face's `datasets`; `~` and $VARIABLES are expanded;
            - the id of a Minari dataset in the local store, such as "mujoco/hopper/expert-v0";
            - a dict of flat arrays, one row for each transition (see `arrays.split`);
            - a data frame, one row for each step (see `tables.read_table`);
            - a list of files, names, datasets or data frames of one task, whose episodes are joined;
            - a list of episodes: `Episode` objects, dicts of arrays (see `arrays.episode`), or objects whose fields
              have the same names, such as the trajectories of `imitation`; or one such object;
            - a dataset object of Minari, transitions of `imitation`, or a replay buffer of Stable-Baselines3.
        env_kwargs: replaces the environment kwargs that the source names, if any.
        columns: of tables, which column is what (see `tables.read_table`); a dict and an `.npz` of flat arrays are
            tables then. Of files with several observations, which of them to join:
            `columns={"observations": ["eef_pos", "gripper"]}`. Of other sources they are refused.
        repair: mend what recorders are known to get wrong (see `faults.mended`); the attribute `repaired` and a warning
            say what was done.
        action_low: lower bound of the actions, one for all or one a dimension, where the source has none or wrong ones.
        action_high: upper bound likewise.

    Raises DataError, which says what is wrong and what to do, when the source cannot be found or read, or when its
    transitions are wrong. A DataWarning tells what looks wrong, but need not be.
    """
    mend = Mend(wanted=repair)
    dataset = _load(source, columns, mend)
    if not isinstance(source, Dataset) or repair:
        with located(dataset.name):
            episodes = mended(dataset.episodes, mend, registered_limit(dataset.env_id))
        dataset = dataset if episodes is dataset.episodes else replace(dataset, episodes=episodes)
    if mend.said:
        warnings.warn(DataWarning(f"{dataset.name}: " + "; ".join(mend.said)), stacklevel=2)
        dataset = replace(dataset, attributes=dataset.attributes | {"repaired": "; ".join(mend.said)})
    changes: dict[str, Any] = {} if env_kwargs is None else {"env_kwargs": dict(env_kwargs)}
    for name, bound in (("action_low", action_low), ("action_high", action_high)):
        if bound is not None:
            changes[name] = _bounds(bound, dataset, name)
    return replace(dataset, **changes) if changes else dataset


def _bounds(bound: Bound, dataset: Dataset, name: str) -> tuple[float, ...]:
    vector = numbers(bound, name).ravel()
    size = dataset.action_dim or len(vector)
    if len(vector) not in (1, size):
        raise DataError(f"{name} has {len(vector)} numbers, the actions {size} dimensions")
    return tuple(np.broadcast_to(vector, (size,)).astype(float).tolist())


def _load(source: Source, columns: Columns | None, mend: Mend) -> Dataset:
    if isinstance(source, str | os.PathLike):
        return _load_named(source, columns, mend)
    if isinstance(source, list | tuple) and source and all(map(_is_dataset, source)):
        return joined_datasets([_load(item, columns, mend) for item in source])
    if not columns and (rows := objects.episode_rows(source)) is not None:
        return _episodes(rows)
    if (table := objects.frame(source)) is not None:
        with located("table"):
            return read_table(table, "table", columns, mend)
    if columns and isinstance(source, Mapping):
        with located("arrays"):
            return read_table(as_table(source), "arrays", columns, mend)
    refuse(columns, "a dataset" if isinstance(source, Dataset) else "a list of episodes, or an object of them")
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Mapping):
        if source and all(isinstance(value, Mapping) for value in source.values()):
            return _episodes(source.values())
        with located("arrays"):
            return Dataset(arrays.split(source, mend), name="arrays")
    if (dataset := objects.minari_dataset(source)) is not None:
        return dataset
    name = type(source).__name__
    with located(name):
        if (buffer := objects.replay_buffer(source)) is not None:
            flat, about = buffer
            return Dataset(arrays.split(flat, mend), name=name, **about)
        if (found := objects.transitions(source)) is not None:
            return Dataset(arrays.split(found, mend), name=name)
    if isinstance(source, io.IOBase):
        raise DataError("an open file: give its path")
    if isinstance(source, Episode) or objects.fields(source):
        return _episodes([source])
    if not isinstance(source, Iterable):
        raise DataError(f"demonstrations are a file, a name, arrays or episodes, got {type(source).__name__}")
    return _episodes(source)


def _is_dataset(item: Any) -> bool:
    """Whether an item of a list is a dataset of its own, and no episode."""
    return isinstance(item, str | os.PathLike | Dataset) or objects.is_frame(item)


def _episodes(items: Iterable[Any]) -> Dataset:
    episodes = []
    for index, item in enumerate(items):
        with located(f"episode {index}"):
            episodes.append(item if isinstance(item, Episode) else objects.trajectory(item))
    return Dataset(tuple(episodes), name="episodes")


def named(source: str | os.PathLike[str]) -> str:
    """Whether a source is a name and no path: "bundled", or "minari" for an id, even of a set that is not there."""
    if not isinstance(source, str):
        return ""
    if f"imitax/{source.removeprefix('imitax/')}" in list_bundled():
        return "bundled"
    path = expanded(source)
    is_path = path.exists() or path.is_absolute() or path.suffix.lower() in SUFFIXES
    return "minari" if not is_path and re.fullmatch(r"[-\w/]+-v\d+", source) else ""


def expanded(source: str | os.PathLike[str]) -> Path:
    """A path with the home directory and environment variables in it."""
    return Path(os.path.expandvars(os.path.expanduser(source)))


def _load_named(source: str | os.PathLike[str], columns: Columns | None, mend: Mend) -> Dataset:
    if re.match(r"\w+://", str(source)):
        raise DataError(f"{source}: nothing is downloaded here: download it, and give the path of the file or folder")
    check_name(expanded(source))
    kind, path = named(source), expanded(source)
    if kind == "bundled":
        refuse(columns, "a bundled dataset")
        name = str(source).removeprefix("imitax/")
        return replace(load_d4rl(BUNDLED / f"{name}.hdf5"), name=f"imitax/{name}")
    if kind == "minari":
        return load_minari(str(source), columns)
    if path.is_dir():
        return load_folder(path, columns, mend)
    if path.is_file() or path.suffix.lower() in SUFFIXES:
        return load_file(path, columns, mend)
    if unset := re.search(r"\$\{?(\w+)", str(path)):
        raise DataError(f"{source}: the environment variable {unset[1]} is not set")
    raise DataError(
        f"{source}: this is neither a file or folder, nor a Minari id (namespace/name-v0), nor a bundled dataset "
        f"({', '.join(list_bundled()) or 'none installed'})"
    )
