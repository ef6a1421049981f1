"""Files that are whole or absent, and that say so when they are damaged.

A killed process leaves the old file or the new one, never half of one; the only exception is the last line of a
JSON-lines file, which `read_lines` forgives.
"""

import dataclasses
import hashlib
import json
import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from imitax.errors import CheckpointError, ConfigError

DIGEST = "imitax.digest"  # safetensors has no checksum of its own, so a flipped bit would go unnoticed without this one


def write_atomic(path: Path | str, data: bytes) -> None:
    """Writes `data` to `path` so that a crash at any moment leaves the old file or the new one.

    Missing folders are made. Raises OSError, and leaves `path` as it was, when writing fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)  # the new name itself reaches the disk only with its folder
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def fixed(path: os.PathLike[str] | str) -> Path:
    """A path that stays where it is when an environment or a callback changes the working directory.

    Raises:
        ConfigError: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"a folder is a path, got {path!r}")
    return Path(os.path.abspath(Path(path).expanduser()))


def from_here(path: Path) -> str:
    """A path as seen from the working directory, if it lies there."""
    full, here = path.resolve(), Path.cwd().resolve()
    return str(full.relative_to(here) if full.is_relative_to(here) else path)


def plain(obj: Any, *, exact: bool = False) -> Any:
    """`obj` in the types that JSON knows, in its own order.

    Dataclasses become dicts, tuples and arrays lists, paths strings. JSON has neither NaN nor infinity: every number
    that is not finite becomes None, or where it is to be read again (`exact`) `{"float": "inf"}`, for `restored`.
    What JSON cannot hold is left as it is, for `json` to complain about.
    """
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return {field.name: plain(getattr(obj, field.name), exact=exact) for field in dataclasses.fields(obj)}
    if isinstance(obj, Mapping):
        return {str(key): plain(value, exact=exact) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [plain(value, exact=exact) for value in obj]
    if isinstance(obj, Path):
        return str(obj)
    if (tolist := getattr(obj, "tolist", None)) is not None:  # arrays and scalars of NumPy and of JAX
        return plain(tolist(), exact=exact)
    if isinstance(obj, float) and not math.isfinite(obj):
        return {"float": str(obj)} if exact else None
    return obj


def restored(obj: dict[str, Any]) -> Any:
    """The number that `plain(..., exact=True)` has written as this dict, or the dict: a hook of `json.loads`."""
    return float(obj["float"]) if obj.keys() == {"float"} and obj["float"] in ("inf", "-inf", "nan") else obj


def write_json(path: Path | str, obj: Any, *, exact: bool = False) -> None:
    """Writes `plain(obj, exact=exact)` to `path` atomically, indented by 2, in the order of its keys.

    Raises TypeError for what JSON cannot hold.
    """
    write_atomic(path, json_bytes(obj, exact=exact))


def json_bytes(obj: Any, *, exact: bool = False) -> bytes:
    """What `write_json` writes."""
    return (json.dumps(plain(obj, exact=exact), indent=2, allow_nan=False) + "\n").encode()


def read_json(path: Path | str) -> Any:
    """What `write_json` wrote to `path`. Raises CheckpointError when the file is missing or damaged."""
    data = _read(path)
    try:
        return json.loads(data, object_hook=restored)
    except (ValueError, RecursionError) as error:  # not JSON, not even text, or nested without end
        raise CheckpointError(f"{path} is damaged: {error}") from error


def append_line(path: Path | str, obj: Any) -> None:
    """Appends `plain(obj)` as one line of JSON, in one write, so that processes may share the file.

    A torn last line, left by a killed process, is closed first: it stays visible to `read_lines` as damage.
    Raises OSError when the line could not be written whole.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        data = (b"\n" if torn else b"") + line(obj)
        if (written := os.write(file, data)) != len(data):
            raise OSError(f"wrote {written} of {len(data)} bytes to {path}: is the disk full?")
    finally:
        os.close(file)


def line(obj: Any) -> bytes:
    """`plain(obj)` as one line of JSON with its newline. Raises TypeError for what JSON cannot hold."""
    return (json.dumps(plain(obj), allow_nan=False) + "\n").encode()


def read_lines(path: Path | str) -> list[dict[str, Any]]:
    """The records of a JSON-lines file; a torn last line is left out.

    Raises CheckpointError when the file is missing or any line but the last is not a JSON object.
    """
    lines = _read(path).split(b"\n")
    last = max((number for number, text in enumerate(lines) if text.strip()), default=-1)
    records = []
    for number, text in enumerate(lines[: last + 1]):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            if number == last:
                break
            raise CheckpointError(f"{path} is damaged: line {number + 1} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise CheckpointError(f"{path} is damaged: line {number + 1} is not a JSON object")
        records.append(record)
    return records


def save_arrays(path: Path | str, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> str:
    """Writes named arrays of any shape, and text beside them, to a safetensors file, atomically.

    Returns the SHA-256 of the file in hex. Equal input gives equal bytes. Raises SafetensorError for arrays that the
    format cannot hold (text, objects).
    """
    arrays = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    metadata = dict(metadata or {})
    data = save(arrays, metadata | {DIGEST: _digest(arrays, metadata)})
    header, start = _header(data)  # safetensors writes the metadata in random order
    text = json.dumps(header | {"__metadata__": dict(sorted(header["__metadata__"].items()))}, separators=(",", ":"))
    text += " " * (-len(text) % 8)  # the format aligns its arrays to 8 bytes
    data = len(text).to_bytes(8, "little") + text.encode() + data[start:]
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest()


def load_arrays(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata that `save_arrays` wrote to `path`, bit for bit.

    Raises CheckpointError when the file is missing, is cut short, has any other content than was written, or was
    not written by `save_arrays`.
    """
    data = _read(path)
    try:
        arrays = load(data)
        metadata = _header(data)[0].get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if metadata.pop(DIGEST, None) != _digest(arrays, metadata):
        raise CheckpointError(f"{path} is damaged, or was not written by imitax: its content does not match its digest")
    return arrays, metadata


def sha256(path: Path | str) -> str:
    """SHA-256 of the file in hex. Raises CheckpointError when it is missing."""
    return hashlib.sha256(_read(path)).hexdigest()


def _read(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"{path} is a folder, not a file") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file and the byte at which its arrays start."""
    start = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:start]), start


def _digest(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """SHA-256 in hex of names, types, shapes, bits and metadata, whatever their order in the file."""
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        digest.update(json.dumps([name, native.dtype.name, native.shape]).encode())
        digest.update(native.tobytes())
    return digest.hexdigest()
