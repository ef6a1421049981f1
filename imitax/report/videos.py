"""A run's video as a data URI."""

import base64
from pathlib import Path
from typing import NamedTuple

LIMIT = 12_000_000
"""Bytes up to which a video is put into the page."""


class Video(NamedTuple):
    """A video, or why it is not shown."""

    uri: str
    kind: str
    """Its media type."""
    note: str


def find(folder: Path) -> Video | None:
    """`video.mp4` or `video.gif` of a run's folder; None where there is none.

    What a file is, is read from its first bytes; anything else is not embedded.
    """
    for name in ("video.mp4", "video.gif"):
        path = folder / name
        if not path.is_file():
            continue
        size = path.stat().st_size
        if size > LIMIT:
            return Video(
                "", "", f"{name} has {size / 1e6:.0f} MB and is not shown here; the limit is {LIMIT / 1e6:.0f}."
            )
        data = path.read_bytes()
        kind = "video/mp4" if data[4:8] == b"ftyp" else "image/gif" if data[:4] == b"GIF8" else ""
        if not kind:
            return Video("", "", f"{name} is neither an MP4 nor a GIF, and is not shown.")
        return Video(f"data:{kind};base64,{base64.b64encode(data).decode()}", kind, "")
    return None
