"""LeRobot's folders (version 3, and 2 where it is alike): Parquet files under `data`, described by `meta/info.json`."""

import fnmatch
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets import arrow, cameras
from imitax.datasets.episode import Dataset, located
from imitax.datasets.faults import Mend
from imitax.datasets.limits import check_size, inside, json_object, short, text_file
from imitax.datasets.parquet import read_parquet
from imitax.datasets.roles import Columns, given
from imitax.datasets.tables import read_table
from imitax.errors import DataError

FILES = 10_000
"""Parquet files of one folder."""
TOTAL = 2**35
"""Bytes of all arrays together."""
INDEX = ("episode_index", "frame_index", "timestamp")


def load_lerobot(folder: Path | str, columns: Columns | None = None, mend: Mend | None = None) -> Dataset:
    """Read a LeRobot folder; neither torch nor `lerobot` is needed.

    Observations are the features `observation...` of numbers side by side, in the order of `meta/info.json`, or those
    that `columns={"observations": [...]}` names. Of cameras, whose frames are pictures or videos, only those that are
    named so are read: their pixels, from 0 to 255, stand row by row beside the other numbers. The attribute
    `observations_left_out` says which were not named; `frames` reads them as they are. `next.done` marks successes as
    well as ends and is not read, so every episode counts as truncated, and its last observation only says where the
    row before it led to.

    Raises DataError when `meta/info.json`, the Parquet files or the videos are missing or damaged, without pyarrow, and
    for videos without av.
    """
    folder = Path(folder)
    with located(f"{folder} (LeRobot)"):
        info, features = _described(folder)
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
        } | given(columns or {})
        if not roles["observations"]:
            raise DataError(
                f"its observations ({short(', '.join(seen)) or 'none'}) are no vectors; name the cameras whose pixels "
                'are to be read: columns={"observations": ["observation.images.top"]}'
            )
        wanted = [key for name in roles["observations"] for key in seen if key == name or fnmatch.fnmatch(key, name)]
        shown = [key for key in dict.fromkeys(wanted) if cameras.kind(features[key])]
        table = _table(folder, {*features, *INDEX}, pictures=shown)
        for key in shown:
            with located(short(key)):
                frames = cameras.read(folder, info, key, table)
                table[key] = frames.reshape(len(frames), -1)
        dataset = read_table(table, short(folder.name), roles, mend)
    about = {k: v for k, v in dataset.attributes.items() if k != "columns_left_out"}
    about |= {"fps": str(info.get("fps")), "robot_type": short(info.get("robot_type"))}
    if left := [key for key in seen if key not in wanted]:
        about["observations_left_out"] = ", ".join(map(short, left))
    return replace(dataset, attributes=about)


def frames(folder: Path | str, key: str) -> np.ndarray:
    """The frames of one camera of a LeRobot folder, uint8 [N, H, W, C], in the order of the Parquet files' rows.

    Raises DataError when there is no such camera, or as `load_lerobot` does.
    """
    folder = Path(folder)
    with located(f"{folder} (LeRobot)"):
        info, features = _described(folder)
        if not cameras.kind(features.get(key)):
            known = ", ".join(name for name, feature in features.items() if cameras.kind(feature))
            raise DataError(f"there is no camera {short(key)}; there is {short(known) or 'none'}")
        table = _table(folder, {key, *INDEX}, pictures=[key])
        with located(short(key)):
            return cameras.read(folder, info, key, table)


def _described(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """`meta/info.json`, and the features in it."""
    info = json_object(text_file(inside(folder, "meta/info.json")), "meta/info.json")
    features = info.get("features")
    if not isinstance(features, dict):
        raise DataError("meta/info.json has no features")
    return info, features


def _is_vector(feature: Any) -> bool:
    if not isinstance(feature, dict):
        return False
    kind, shape = str(feature.get("dtype")), feature.get("shape")
    return kind.startswith(("float", "int", "bool")) and isinstance(shape, list) and len(shape) == 1


def _table(folder: Path, wanted: set[str], pictures: list[str]) -> dict[str, np.ndarray]:
    """The columns of all files, one below the other; of pictures the bytes of their files."""
    paths = sorted(inside(folder, "data").glob("*/*.parquet"))
    if not paths:
        raise DataError("there are no Parquet files under data; fetch them (with Git LFS, if the folder is a clone)")
    if len(paths) > FILES:
        raise DataError(f"there are {len(paths)} Parquet files; at most {FILES} are read")
    parts: list[dict[str, np.ndarray]] = []
    for path in paths:
        relative = str(path.relative_to(folder))
        with located(relative):
            table = read_parquet(inside(folder, relative), wanted)
            cells = {key: cameras.cells(table.column(key)) for key in pictures if key in table.column_names}
            plain = table.drop_columns([n for n in table.column_names if not _is_plain(table, n)])
            parts.append(arrow.columns(plain) | cells)
            check_size(sum(a.nbytes for part in parts for a in part.values()), TOTAL, "the folder")
    names = [name for name in parts[0] if all(name in part for part in parts)]
    if differing := [n for n in names if len({part[n].shape[1:] for part in parts}) > 1]:
        raise DataError(f"{short(', '.join(differing))} differ in size between files")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _is_plain(table: Any, name: str) -> bool:
    return arrow.is_plain(arrow.pyarrow(), table.column(name).type)
