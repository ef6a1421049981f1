"""LeRobot's folders (version 3, and 2 where it is alike): Parquet files under `data`, described by `meta/info.json`."""

from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.episode import Dataset, located
from imitax.datasets.limits import check_size, inside, json_object, short, text_file
from imitax.datasets.parquet import read_parquet
from imitax.datasets.tables import Columns, read_table
from imitax.errors import DataError

FILES = 10_000
"""Parquet files of one folder."""
TOTAL = 2**35
"""Bytes of all arrays together."""
INDEX = ("episode_index", "frame_index", "timestamp")


def load_lerobot(folder: Path | str, columns: Columns | None = None) -> Dataset:
    """Read the vectors of a LeRobot folder; neither torch nor `lerobot` is needed.

    Observations are the features `observation...` of numbers side by side, in the order of `meta/info.json`, or those
    that `columns={"observations": [...]}` names. Images and videos are left out, which the attribute
    `observations_left_out` says. `next.done` marks successes as well as ends and is not read, so every episode counts
    as truncated, and its last observation only says where the row before it led to.

    Raises DataError when `meta/info.json` or the Parquet files are missing or damaged, or without pyarrow.
    """
    folder = Path(folder)
    with located(f"{folder} (LeRobot)"):
        info = json_object(text_file(inside(folder, "meta/info.json")), "meta/info.json")
        features = info.get("features")
        if not isinstance(features, dict):
            raise DataError("meta/info.json has no features")
        seen = [key for key in features if key.startswith("observation")]
        roles: dict[str, Any] = {
            "observations": [key for key in seen if _is_vector(features[key])],
            "actions": ["action"] if "action" in features else [],
            "rewards": ["next.reward"] if "next.reward" in features else [],
            "episode": "episode_index",
            "time": "frame_index",
            "next_observations": None,
            "terminals": None,
            "timeouts": None,
        } | dict(columns or {})
        if not roles["observations"]:
            raise DataError(
                f"its observations ({short(', '.join(seen)) or 'none'}) are images or videos, which are not read; "
                "compute features of them and pass these as arrays"
            )
        wanted = {*features, *INDEX}
        table = _table(folder, wanted)
        dataset = read_table(table, short(folder.name), roles)
    left = [key for key in seen if key not in dataset.attributes.get("columns", "")]
    about = {k: v for k, v in dataset.attributes.items() if k != "columns_left_out"}
    about |= {"fps": str(info.get("fps")), "robot_type": short(info.get("robot_type"))}
    about |= {"observations_left_out": ", ".join(map(short, left))} if left else {}
    return Dataset(dataset.episodes, name=dataset.name, attributes=about)


def _is_vector(feature: Any) -> bool:
    if not isinstance(feature, dict):
        return False
    kind, shape = str(feature.get("dtype")), feature.get("shape")
    return kind.startswith(("float", "int", "bool")) and isinstance(shape, list) and len(shape) == 1


def _table(folder: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """The columns of all files, one below the other."""
    files = sorted(inside(folder, "data").glob("*/*.parquet"))
    if not files:
        raise DataError("there are no Parquet files under data; fetch them (with Git LFS, if the folder is a clone)")
    if len(files) > FILES:
        raise DataError(f"there are {len(files)} Parquet files; at most {FILES} are read")
    parts = []
    for file in files:
        with located(str(file.relative_to(folder))):
            parts.append(read_parquet(inside(folder, str(file.relative_to(folder))), wanted))
            check_size(sum(a.nbytes for part in parts for a in part.values()), TOTAL, "the folder")
    names = [name for name in parts[0] if all(name in part for part in parts)]
    if differing := [n for n in names if len({part[n].shape[1:] for part in parts}) > 1]:
        raise DataError(f"{short(', '.join(differing))} differ in size between files")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
