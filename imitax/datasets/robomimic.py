"""robomimic's HDF5 layout: a group for each demonstration, `data/demo_0`, with observations by name."""

import re
from pathlib import Path

import h5py
import numpy as np

from imitax.datasets.arrays import episode
from imitax.datasets.columns import observed, patterns
from imitax.datasets.episode import Dataset, Episode, located
from imitax.datasets.hdf5 import Hdf5, opened, text
from imitax.datasets.limits import depth, json_object, short
from imitax.datasets.roles import Columns
from imitax.datasets.tables import joined
from imitax.errors import DataError

NUMBERED = re.compile(r"\D*(\d{1,18})")
"""How demonstrations are named: demo_0."""


def load_robomimic(path: Path | str, columns: Columns | None = None) -> Dataset:
    """Read robomimic's layout: `data/NAME_0/{obs,next_obs,actions,rewards}`.

    Observations are the vectors of `obs` side by side, in the order of their names, or those that
    `columns={"observations": [...]}` names, or patterns match, in that order; images are left out, which the attribute
    `observations_left_out` says. `dones` mark successes as well as ends and are not read: every demonstration counts as
    truncated. Without `next_obs`, the last observation only says where the row before it led to. Actions are in the
    recording controller's units, usually [-1, 1].

    Raises DataError when the file cannot be read, when there are no demonstrations, or no vectors among observations.
    """
    path = Path(path)
    with located(f"{path} (robomimic)"), opened(path) as file:
        data = file.group(file.root, "data")
        assert data is not None  # the layout was recognised by it
        named = [(int(m[1]), name) for name in file.members(data) if (m := NUMBERED.fullmatch(name))]
        if not named:
            raise DataError("the group data holds no demonstrations, such as demo_0")
        names = [name for _, name in sorted(named)]
        keys, left = _keys(file, data, names[0], columns or {})
        about = {"observations": ", ".join(keys)} | ({"observations_left_out": ", ".join(left)} if left else {})
        if (env := file.attributes(data).get("env_args")) is not None:
            args = json_object(text(env), "the attribute env_args")
            about["robomimic_env"] = short(args.get("env_name")) if depth(args) else ""
        episodes = tuple(_episode(file, data, name, keys) for name in names)
    return Dataset(episodes, name=path.stem, attributes=about)


def is_robomimic(file: Hdf5) -> bool:
    """Whether a file has the layout, by its names."""
    data = file.group(file.root, "data") if "data" in file.members(file.root) else None
    return data is not None and any(NUMBERED.fullmatch(name) for name in file.members(data))


def _keys(file: Hdf5, data: h5py.Group, name: str, columns: Columns) -> tuple[list[str], list[str]]:
    """Observations that are read, and those that are left out."""
    demo = file.group(data, name)
    observations = None if demo is None else file.group(demo, "obs")
    if observations is None:
        raise DataError(f"{name} has no group obs")
    members = file.members(observations)
    items = {key: file.item(observations, key) for key in members}
    vectors = sorted(k for k, item in items.items() if isinstance(item, h5py.Dataset) and item.ndim in (1, 2))
    keys = observed(members, patterns(columns)) if columns else vectors
    if not keys:
        raise DataError(f"{name} has no vectors among its observations ({short(', '.join(members)) or 'none'})")
    return keys, [key for key in members if key not in keys]


def _episode(file: Hdf5, data: h5py.Group, name: str, keys: list[str]) -> Episode:
    with located(name):
        demo = file.group(data, name)
        if demo is None:
            raise DataError("it is no group")
        found: dict[str, np.ndarray] = file.arrays(demo, ("actions", "rewards"))
        for group_name, field in (("obs", "observations"), ("next_obs", "next_observations")):
            if (group := file.group(demo, group_name)) is not None:
                found[field] = joined(file.arrays(group, keys), keys)
        return episode(found | {"terminals": np.zeros(1, bool)})
