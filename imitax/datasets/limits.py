"""What a file may cost: sizes are compared with the file's own before anything is allocated, and text with a limit."""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imitax.errors import DataError, printable

FLOOR = 2**26
"""Bytes that any file may unpack to."""
RATIO = 20
"""How many times its own size a larger file may unpack to; floats compress to a half or a third."""
TEXT = 2**22
"""Bytes of a file or an attribute of JSON."""
DEPTH = 20
"""Levels of lists and objects in JSON."""
SHOWN = 200
"""Characters of a name from a file."""


def budget(path: Path) -> int:
    """Bytes that the content of a file may take in memory."""
    return max(FLOOR, RATIO * path.stat().st_size)


def check_size(claimed: int, allowed: int, what: str) -> None:
    """Refuse what claims more memory than its file can be believed to hold."""
    if claimed > allowed:
        raise DataError(
            f"{what} would take {_bytes(claimed)} in memory, far more than the file can hold ({_bytes(allowed)} at "
            "most); the file is damaged or made to exhaust memory. If it is yours, store it with less compression"
        )


def text_file(path: Path) -> str:
    """A small text file. Raises DataError when it is missing, larger than TEXT, or not UTF-8."""
    try:
        check_regular(path)
        if path.stat().st_size > TEXT:
            raise DataError(f"{path.name} has {_bytes(path.stat().st_size)}; at most {_bytes(TEXT)} are read")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not text") from error


def check_regular(path: Path) -> None:
    """Refuse what is there but is no file of bytes, such as a named pipe, which never ends."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path.name} is no regular file")


def check_name(path: Path) -> None:
    """Refuse what cannot be a path: a name that is too long, or one with a zero byte."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            raise DataError(f"{short(path)} is no path: {error.args[-1]}") from error


def json_object(text: str, what: str) -> dict[str, Any]:
    """The JSON object in a text from a file. Raises DataError when it is none, too long or too deep."""
    if len(text) > TEXT:
        raise DataError(f"{what} has {len(text)} characters; at most {TEXT} are read")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: brackets by the thousand
        value = None
    if not isinstance(value, dict):
        raise DataError(f"{what} must be a JSON object, got {short(repr(text))}")
    if depth(value) > DEPTH:
        raise DataError(f"{what} is nested deeper than {DEPTH} levels")
    return value


def depth(value: Any) -> int:
    """Levels of lists and objects, counted without recursion up to DEPTH + 1."""
    level, layer = 0, [value]
    while layer and level <= DEPTH:
        layer = [v for v in layer if isinstance(v, dict | list | tuple)]
        level += bool(layer)
        layer = [inner for v in layer for inner in (v.values() if isinstance(v, Mapping) else v)]
    return level


def short(text: object, limit: int = SHOWN) -> str:
    """Text from a file as it may be shown: printable, and cut at `limit` characters."""
    shown = printable(text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def inside(folder: Path, relative: str) -> Path:
    """A file of a folder that somebody sent. Raises DataError when a link or `..` leads out of the folder."""
    path = folder / relative
    check_name(path)
    if not os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep):
        raise DataError(f"{short(relative)} leads out of the folder; only what lies in it is read")
    return path


def _bytes(count: int) -> str:
    for unit, suffix in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:,.1f} {suffix}"
    return f"{count} bytes"
