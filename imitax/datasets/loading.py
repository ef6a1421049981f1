"""`load`: one door for every source of demonstrations."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imitax.catalogue import BUNDLED, bundled
from imitax.datasets import arrays
from imitax.datasets.d4rl import load_d4rl
from imitax.datasets.episode import Dataset, Episode, located
from imitax.datasets.minari_io import load_minari
from imitax.errors import DataError

Source = Dataset | str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any]


def list_bundled() -> list[str]:
    """Names of the datasets that come with imitax, such as "imitax/hopper-expert"."""
    return bundled(BUNDLED)


def load(source: Source, *, env_kwargs: Mapping[str, Any] | None = None) -> Dataset:
    """Load demonstrations.

    Args:
        source: one of
            - a `Dataset`, which is returned as it is;
            - the name of a bundled dataset, "hopper-expert" or "imitax/hopper-expert" (see `list_bundled`);
            - a path to an HDF5 file in D4RL's layout, or to the folder of a Minari dataset;
            - the id of a Minari dataset in the local store, such as "mujoco/hopper/expert-v0";
            - a dict of flat arrays, one row for each transition (see `arrays.split`);
            - a list of episodes: `Episode` objects or dicts of arrays (see `arrays.episode`).
        env_kwargs: replaces the environment kwargs that the source names, if any.

    Raises DataError, which says what is wrong and what to do, when the source cannot be found or read.
    """
    dataset = _load(source)
    return dataset if env_kwargs is None else replace(dataset, env_kwargs=dict(env_kwargs))


def _load(source: Source) -> Dataset:
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Mapping):
        with located("arrays"):
            return Dataset(arrays.split(source), name="arrays")
    if isinstance(source, (str, os.PathLike)):
        return _load_named(source)
    episodes = []
    for index, item in enumerate(source):
        with located(f"episode {index}"):
            if not isinstance(item, (Episode, Mapping)):
                raise DataError(f"expected an Episode or a dict of arrays, got {type(item).__name__}")
            episodes.append(item if isinstance(item, Episode) else arrays.episode(item))
    return Dataset(tuple(episodes), name="episodes")


def _load_named(source: str | os.PathLike[str]) -> Dataset:
    name = f"imitax/{str(source).removeprefix('imitax/')}"
    if isinstance(source, str) and name in list_bundled():
        return replace(load_d4rl(BUNDLED / f"{name.removeprefix('imitax/')}.hdf5"), name=name)
    path = Path(source)
    if path.is_file() or path.suffix in (".hdf5", ".h5"):
        return load_d4rl(path)
    minari_id = isinstance(source, str) and re.fullmatch(r"[-\w/]+-v\d+", source) and not path.is_absolute()
    if path.is_dir() or minari_id:
        return load_minari(path if path.is_dir() else str(source))
    raise DataError(
        f"{source}: this is neither a file or folder, nor a Minari id (namespace/name-v0), nor a bundled dataset "
        f"({', '.join(list_bundled()) or 'none installed'})"
    )
