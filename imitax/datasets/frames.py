"""Camera frames: PNG and JPEG pictures in a table's cells, and MP4 videos, as arrays of bytes [N, H, W, C].

Sizes are those that the dataset states for its feature: they are compared with the picture's own before it is decoded.
"""

import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.limits import check_regular, check_size, short
from imitax.errors import DataError

TOTAL = 2**30
"""Bytes of all frames of one camera."""
FRAME = 2**26
"""Bytes of one frame."""
CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")
"""Codecs of videos that are decoded."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's name for pictures with so many channels."""


def size_of(shape: Any) -> tuple[int, int, int]:
    """Height, width and channels from a feature's shape, in which the channels come first or last."""
    whole = isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)
    if not whole or not {shape[0], shape[2]} & set(MODES):
        raise DataError(f"frames have a shape of height, width and 1 or 3 channels, got {short(shape)}")
    height, width, channels = shape if shape[2] in MODES else (*shape[1:], shape[0])
    return height, width, channels


def empty(count: int, size: tuple[int, int, int]) -> np.ndarray:
    """Room for frames. Raises DataError when they would take too much."""
    one = size[0] * size[1] * size[2]
    check_size(one, FRAME, "a frame")
    if count * one > TOTAL:
        raise DataError(
            f"{count} frames of {' x '.join(map(str, size))} take {count * one / 2**30:.1f} GiB, and {TOTAL / 2**30:g} "
            "are read; write smaller frames or fewer of them, or compute features of them and pass these as arrays"
        )
    return np.empty((count, *size), np.uint8)


def pictures(cells: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """Decode pictures [N, H, W, C]. Raises DataError for one that is damaged or of another size."""
    image = importlib.import_module("PIL.Image")
    frames = empty(len(cells), size)
    for row, cell in enumerate(cells):
        if cell is None:
            raise DataError(f"row {row} holds no picture: it lies in a file of its own, which is not read")
        try:
            with image.open(io.BytesIO(cell), formats=("PNG", "JPEG")) as picture:
                if (picture.height, picture.width) != size[:2]:
                    raise DataError(
                        f"row {row} holds a picture of {picture.height} x {picture.width}, its feature says "
                        f"{size[0]} x {size[1]}"
                    )
                frames[row] = np.asarray(picture.convert(MODES[size[2]])).reshape(size)
        except DataError:
            raise
        except Exception as error:  # Pillow raises anything from OSError to SyntaxError on damaged bytes
            raise DataError(f"row {row} holds no PNG or JPEG picture that can be read: {error}") from error
    return frames


def film(path: Path, times: np.ndarray, fps: float, frames: np.ndarray) -> None:
    """Decode the frames of an MP4 video that are shown at some times.

    Args:
        path: of the video.
        times: seconds from its beginning, increasing.
        fps: frames a second; a frame serves for half of its duration on both sides.
        frames: [len(times), H, W, C], which is filled.

    Raises DataError without av, for a damaged video, and when a frame is missing or of another size.
    """
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        raise DataError("reading videos needs av: pip install 'imitax[video]'") from error
    check_regular(path)
    if not path.is_file():
        raise DataError("there is no such video; fetch it (with Git LFS, if the folder is a clone)")
    try:
        # the format is named because others (playlists) would open files and addresses that they list
        with av.open(str(path), format="mp4", options={"enable_drefs": "0", "use_absolute_path": "0"}) as video:
            done = _fill(video, times, fps, frames)
    except DataError:
        raise
    except Exception as error:  # av raises errors of its own, and those of Python
        raise DataError(f"this is no readable video: {error}") from error
    if done < len(times):
        raise DataError(f"the video has no frame at {times[done]:.3f} s; it is cut short, or its times are wrong")


def _fill(video: Any, times: np.ndarray, fps: float, frames: np.ndarray) -> int:
    """How many times were found."""
    if not video.streams.video:
        raise DataError("there is no video in it")
    stream = video.streams.video[0]
    codec = stream.codec_context
    if (name := codec.codec.canonical_name) not in CODECS:
        raise DataError(f"its codec is {short(name)}; {', '.join(CODECS)} are decoded")
    height, width, channels = frames.shape[1:]
    done = 0
    for frame in video.decode(stream):
        if (frame.height, frame.width) != (height, width):
            raise DataError(f"its frames are {frame.height} x {frame.width}, the feature says {height} x {width}")
        if frame.time is None:
            raise DataError("its frames have no times")
        if done < len(times) and times[done] < frame.time - 0.5 / fps:
            break
        pixels = None
        while done < len(times) and times[done] <= frame.time + 0.5 / fps:
            if pixels is None:
                pixels = frame.to_ndarray(format={1: "gray", 3: "rgb24"}[channels]).reshape(frames.shape[1:])
            frames[done] = pixels
            done += 1
        if done == len(times):
            break
    return done
