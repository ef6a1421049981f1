"""LeRobot's cameras: which frame of which picture or video belongs to which row."""

from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.arrow import columns, readable
from imitax.datasets.episode import located
from imitax.datasets.frames import empty, film, pictures, size_of
from imitax.datasets.limits import inside, short
from imitax.datasets.parquet import read_parquet
from imitax.errors import DataError

FILES = 10_000
"""Files that say where episodes are in videos."""
WHERE = ("chunk_index", "file_index", "from_timestamp")


def kind(feature: Any) -> str:
    """What a feature's frames are: "image", "video", or nothing where it is no camera."""
    dtype = feature.get("dtype") if isinstance(feature, dict) else None
    return dtype if dtype in ("image", "video") else ""


def cells(column: Any) -> np.ndarray:
    """The files of pictures in a column of structures `bytes` and `path`: [N] of bytes, or None."""
    found = np.empty(len(column), object)
    with readable("column of pictures"):
        chunks = [chunk.field("bytes") for chunk in column.chunks]
        found[:] = [value for chunk in chunks for value in chunk.to_pylist()]
    if any(value is not None and not isinstance(value, bytes) for value in found):
        raise DataError("its pictures are no bytes")
    return found


def read(folder: Path, info: dict[str, Any], key: str, table: dict[str, np.ndarray]) -> np.ndarray:
    """The frames [N, H, W, C] of a camera, one for each row of the table.

    Args:
        folder: of the dataset.
        info: what `meta/info.json` says.
        key: the camera's feature.
        table: `episode_index` and `frame_index`, and pictures where the camera has them.
    """
    feature = info["features"][key]
    size = size_of(feature.get("shape"))
    if kind(feature) == "image":
        if key not in table:
            raise DataError("it has no column in the Parquet files")
        return pictures(table[key], size)
    about = feature.get("info") or feature.get("video_info") or {}
    if isinstance(about, dict) and (about.get("video.is_depth_map") or about.get("is_depth_map")):
        raise DataError("it is a depth map, whose units are not read")
    fps = info.get("fps")
    if not isinstance(fps, int | float) or not 0 < fps < 1e6:
        raise DataError(f"meta/info.json has no frames a second, fps: {short(fps)}")
    if missing := [name for name in ("episode_index", "frame_index") if name not in table]:
        raise DataError(f"the Parquet files have no column {missing[0]}")
    episodes, steps = (table[name].ravel() for name in ("episode_index", "frame_index"))
    if episodes.dtype.kind not in "iu" or steps.dtype.kind not in "iu":
        raise DataError("episode_index and frame_index are no whole numbers, or have gaps")
    names, starts = _places(folder, info, key, episodes)
    frames, times = empty(len(episodes), size), starts + steps / fps
    for name in dict.fromkeys(names):
        rows = np.flatnonzero(np.asarray(names) == name)
        rows = rows[np.argsort(times[rows], kind="stable")]
        part = np.empty((len(rows), *size), np.uint8)
        with located(name):
            film(inside(folder, name), times[rows], float(fps), part)
        frames[rows] = part
    return frames


def _places(folder: Path, info: dict[str, Any], key: str, episodes: np.ndarray) -> tuple[list[str], np.ndarray]:
    """For each row, the video that shows its episode, and the second in it at which the episode begins."""
    paths = sorted(inside(folder, "meta").glob("episodes/*/*.parquet"))
    if not paths:  # version 2: a video for each episode
        size = info.get("chunks_size", 1000)
        if not isinstance(size, int) or size < 1:
            raise DataError("meta/info.json has no size of chunks, chunks_size")
        numbers = {int(e): f"videos/chunk-{int(e) // size:03d}/{key}/episode_{int(e):06d}.mp4" for e in set(episodes)}
        return [numbers[int(e)] for e in episodes], np.zeros(len(episodes))
    if len(paths) > FILES:
        raise DataError(f"there are {len(paths)} files under meta/episodes; at most {FILES} are read")
    where = {f"videos/{key}/{name}" for name in WHERE}
    found: dict[int, tuple[str, float]] = {}
    for path in paths:
        relative = str(path.relative_to(folder))
        with located(relative):
            part = columns(read_parquet(inside(folder, relative), {"episode_index", *where}))
            if missing := sorted({"episode_index", *where} - set(part)):
                raise DataError(f"there is no column {short(missing[0])}")
            numbers = [part[f"videos/{key}/{name}"].ravel().astype(float) for name in WHERE]
            with readable("list of episodes"):
                for episode, chunk, file, start in zip(part["episode_index"].ravel(), *numbers, strict=True):
                    name = f"videos/{key}/chunk-{int(chunk):03d}/file-{int(file):03d}.mp4"
                    found[int(episode)] = (name, float(start))
    if unknown := sorted({int(e) for e in episodes} - set(found)):
        raise DataError(f"meta/episodes does not say where episode {unknown[0]} is in the videos")
    return [found[int(e)][0] for e in episodes], np.array([found[int(e)][1] for e in episodes])
