"""D4RL's file layout: flat arrays in HDF5, one row for each transition."""

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from imitax.datasets.arrays import split
from imitax.datasets.episode import Dataset, kwargs_json, located
from imitax.datasets.faults import Mend
from imitax.datasets.hdf5 import Hdf5, opened, text
from imitax.datasets.limits import json_object, short
from imitax.datasets.names import NAMES, OBSERVED
from imitax.errors import DataError
from imitax.files import write_atomic
from imitax.observations import named, rows

FILLED = (*NAMES["terminals"], *NAMES["timeouts"], *NAMES["rewards"])
"""Arrays that may consist of their fill value: all flags False, all rewards 0."""


def load_d4rl(path: Path | str, mend: Mend | None = None) -> Dataset:
    """Read an HDF5 file in D4RL's layout, as `split` describes it; other groups (D4RL's infos) are ignored.

    Groups of observations, such as `observations/pixels`, are read as dicts, or as tuples where they are named like
    Minari's (`_index_0`).

    The root attributes `env_id`, `env_kwargs` (JSON), `action_low` and `action_high` fill the dataset's fields,
    `hash` is compared with what was read, and all others become `attributes`.

    Raises DataError when the file is missing, locked, not HDF5, damaged, compressed with a filter that is not
    installed, larger than it can be, refers to other files, or does not hold the layout.
    """
    path = Path(path)
    with located(str(path)):
        if not path.is_file():
            raise DataError("there is no such file")
        with opened(path) as file:
            return read_d4rl(file, path.stem, mend)


def read_d4rl(file: Hdf5, name: str, mend: Mend | None = None) -> Dataset:
    """What `load_d4rl` reads, from an open file."""
    known = {key for keys in NAMES.values() for key in keys}
    members = file.members(file.root)
    attributes = file.attributes(file.root)
    arrays: dict[str, Any] = file.arrays(file.root, [key for key in members if key in known], unwritten=FILLED)
    for group in (key for field in OBSERVED for key in NAMES[field] if key in members and key not in arrays):
        arrays[group] = file.observations(file.root, group)
    stored_hash = attributes.pop("hash", None)
    env_id = attributes.pop("env_id", None)
    if not any(name in arrays for name in NAMES["observations"]):
        raise DataError(f"no observations among {short(', '.join(members)) or 'no fields at all'}")
    dataset = Dataset(
        episodes=split(arrays, mend),
        env_id=None if env_id is None else text(env_id),
        env_kwargs=json_object(text(attributes.pop("env_kwargs", "{}")), "the attribute env_kwargs"),
        name=name,
        action_low=_bound(attributes.pop("action_low", None)),
        action_high=_bound(attributes.pop("action_high", None)),
        attributes={text(key): text(value) for key, value in attributes.items()},
    )
    if stored_hash is not None and text(stored_hash) != dataset.hash():
        raise DataError(
            "the file is damaged: its content does not match its stored hash; fetch or write it again (if it was "
            "edited on purpose, delete the attribute 'hash')"
        )
    return dataset


def save_d4rl(dataset: Dataset, path: Path | str, *, compact: bool = False) -> None:
    """Write a dataset to an HDF5 file in D4RL's layout: float32, gzip, whole or not at all.

    Args:
        dataset: what to write.
        path: the file; missing folders are made, an existing file is replaced.
        compact: store the next observation only where an episode ends (`final_observations` [E, O]) instead of in
            every row; half the size, but other libraries will not read it. Observations that are no vector are stored
            so in any case, each leaf by its name (`observations/pixels`).

    Raises OSError, and leaves `path` as it was, when writing fails.
    """
    flat = dataset.transitions()
    ends = np.cumsum(dataset.lengths) - 1
    timeouts = np.zeros(len(flat.terminated), bool)
    timeouts[ends] = [episode.truncated for episode in dataset.episodes]
    arrays = {"observations": flat.obs, "terminals": flat.terminated, "timeouts": timeouts}
    if dataset.has_actions:
        arrays["actions"] = dataset.actions
    if dataset.has_rewards:
        arrays["rewards"] = flat.reward
    if compact or not isinstance(flat.obs, np.ndarray) or flat.obs.ndim != 2:
        arrays["final_observations"] = rows(flat.next_obs, ends)
    else:
        arrays["next_observations"] = flat.next_obs
    attributes: dict[str, Any] = {
        **dataset.attributes,
        "env_kwargs": kwargs_json(dataset.env_kwargs),
        "hash": dataset.hash(),
        "env_id": dataset.env_id,
        "action_low": dataset.action_low,
        "action_high": dataset.action_high,
    }
    buffer = io.BytesIO()  # compressed in memory, so that the one atomic writer puts it on the disk
    with h5py.File(buffer, "w") as file:
        for key, tree in arrays.items():
            for name, array in named(tree, key, "/"):
                file.create_dataset(name, data=array, compression="gzip", shuffle=True)
        file.attrs.update({key: value for key, value in attributes.items() if value is not None})
    write_atomic(path, buffer.getvalue())


def _bound(value: Any) -> tuple[float, ...] | None:
    try:
        return None if value is None else tuple(map(float, np.asarray(value)))
    except (TypeError, ValueError) as error:
        raise DataError(f"the attributes action_low and action_high must be vectors, got {value!r}") from error
