"""HDF5 files that others wrote: only plain arrays that lie in the file itself are read, with their size checked first.

HDF5 can refer to other files (external links, external storage, virtual datasets), to itself in circles (soft links,
hard links), and can claim arrays of any size in a few bytes. None of these is followed or allocated.
"""

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5z  # pyright: ignore[reportAttributeAccessIssue]  an extension module

from imitax.datasets.heaps import check_heaps, little_memory
from imitax.datasets.limits import budget, check_size, short
from imitax.errors import DataError
from imitax.observations import Misfit, as_tuple

FILTERS = {
    4: "SZIP",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "Bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32026: "Blosc2",
}
"""Registered compression filters by their number."""
MEMBERS = 100_000
"""Names in one group."""
DEPTH = 8
"""Groups in each other that hold observations."""
LEAVES = 1000
"""Names in a group of observations."""
ATTRIBUTE = 2**20
"""Bytes of one attribute."""


@dataclass
class Hdf5:
    """An open file, and how many bytes may still be read from it."""

    root: h5py.File
    allowed: int
    path: Path
    has_whole_heaps: bool = False
    """Whether the heaps of text have been checked."""

    def members(self, group: h5py.Group) -> list[str]:
        """Names in a group."""
        if len(group) > MEMBERS:
            raise DataError(f"{short(group.name)} holds {len(group)} entries; at most {MEMBERS} are read")
        return [name for name in group if isinstance(name, str)]  # bytes are damaged names

    def item(self, group: h5py.Group, name: str) -> Any:
        """What a group holds under a name without slashes: a group or a dataset; None where there is nothing."""
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a soft link"
            raise DataError(
                f"{short(name)} is {kind}; only what lies in the file itself is read: store the array there"
            )
        return group[name]

    def group(self, group: h5py.Group, name: str) -> h5py.Group | None:
        """The group of a name, if it is one."""
        item = self.item(group, name)
        return item if isinstance(item, h5py.Group) else None

    def array(self, group: h5py.Group, name: str, written: bool = True) -> np.ndarray | None:
        """The array of a name; None where there is none.

        Args:
            group: where it is.
            name: without slashes.
            written: refuse an array that was never written; else its fill value is read.
        """
        item = self.item(group, name)
        if not isinstance(item, h5py.Dataset):
            return None
        _check_kind(item, name)
        size = int(np.prod(item.shape, dtype=object)) * item.dtype.itemsize
        check_size(size, self.allowed, short(name))
        if item.chunks is not None:
            check_size(int(np.prod(item.chunks, dtype=object)) * item.dtype.itemsize, self.allowed, f"{name}'s chunk")
        _check_filters(item, name)
        if written and (missing := _unwritten(item)):
            raise DataError(f"{missing} of {name} was never written; the recording was cut short, so write it again")
        self.allowed -= size
        return item[()]

    def arrays(self, group: h5py.Group, names: Iterable[str], unwritten: Iterable[str] = ()) -> dict[str, np.ndarray]:
        """The arrays that a group has among some names; those of `unwritten` may be their fill value."""
        found = {name: self.array(group, name, written=name not in unwritten) for name in names}
        return {name: array for name, array in found.items() if array is not None}

    def observations(self, group: h5py.Group, name: str, depth: int = 0) -> Any:
        """An array, or the pytree of arrays that a group holds: dicts by name, tuples as Minari names them.

        Raises:
            DataError: groups lie in each other too deeply, or hold something else.
        """
        inner = self.group(group, name)
        if inner is None:
            return self.array(group, name)
        members = self.members(inner)
        if depth >= DEPTH or len(members) > LEAVES:
            raise DataError(
                f"{short(name)} has {len(members)} entries, {depth} groups deep; at most {LEAVES} in {DEPTH} are read"
            )
        if not members:
            raise DataError(f"no observations: the group {short(name)} is empty")
        found = {key: self.observations(inner, key, depth + 1) for key in members}
        try:
            return as_tuple({key: x for key, x in found.items() if x is not None}, name)
        except Misfit as error:
            raise DataError(str(error)) from error

    def attributes(self, item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
        """Attributes, without those that are empty, references or lists of text."""
        found = {}
        if len(item.attrs) > MEMBERS:
            raise DataError(f"there are {len(item.attrs)} attributes; at most {MEMBERS} are read")
        for name in item.attrs:
            attribute = item.attrs.get_id(name)
            if attribute.get_storage_size() > ATTRIBUTE:
                raise DataError(f"the attribute {short(name)} has {attribute.get_storage_size()} bytes")
            text = h5py.check_string_dtype(attribute.dtype)
            plain = attribute.dtype.kind in "biufS" or (text is not None and attribute.shape in ((), (1,)))
            if plain and attribute.shape is not None:
                found[str(name)] = item.attrs[name] if text is None else self._text(item, name)
        return found

    def _text(self, item: h5py.Group | h5py.Dataset, name: str) -> Any:
        if not self.has_whole_heaps:
            if self.root.id.get_create_plist().get_sizes() != (8, 8):
                raise DataError("its addresses or lengths have not 64 bits, so its text is not read")
            check_heaps(self.path)
            self.has_whole_heaps = True
        with little_memory():
            return item.attrs[name]


@contextmanager
def opened(path: Path) -> Iterator[Hdf5]:
    """An HDF5 file, for reading. Raises DataError when it is locked, damaged, or cannot be opened."""
    _register_filters()
    try:
        with h5py.File(path, "r") as file:
            yield Hdf5(file, budget(path), path)
    except DataError:
        raise
    except Exception as error:  # on damaged bytes HDF5 raises anything from OSError to UnicodeDecodeError
        raise DataError(_explained(error)) from error


@cache
def _register_filters() -> None:
    """The compression filters of hdf5plugin, where it is installed: its import registers them."""
    with suppress(ImportError):
        importlib.import_module("hdf5plugin")


def text(value: Any) -> str:
    """An attribute as text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _explained(error: Exception) -> str:
    said = str(error).lower()
    if isinstance(error, BlockingIOError) or "unable to lock" in said or "already open for" in said:
        return (
            "the file is locked: another program has it open for writing. Close it there, or, if no program has, "
            "set the environment variable HDF5_USE_FILE_LOCKING=FALSE"
        )
    if isinstance(error, PermissionError):
        return "there is no permission to read the file"
    if "filter" in said and ("not available" in said or "not registered" in said or "plugin" in said):
        return f"the file is compressed with a filter that is not installed: pip install hdf5plugin ({error})"
    return f"the dataset is damaged: {error}"


def _check_kind(item: h5py.Dataset, name: str) -> None:
    if item.is_virtual or item.external:
        raise DataError(f"{name} lies in other files (a virtual dataset or external storage); copy it into this one")
    if item.shape is None:
        raise DataError(f"{name} is empty")
    if item.dtype.kind not in "biufS":
        said = "references to other objects" if h5py.check_ref_dtype(item.dtype) else f"of type {short(item.dtype)}"
        if h5py.check_string_dtype(item.dtype) or h5py.check_vlen_dtype(item.dtype):
            said = "text or lists of varying length"
        raise DataError(f"{name} are {said}, not numbers; store an array of numbers")


def _check_filters(item: h5py.Dataset, name: str) -> None:
    layout = item.id.get_create_plist()
    for index in range(layout.get_nfilters()):
        code = layout.get_filter(index)[0]
        if not h5z.filter_avail(code):
            known = FILTERS.get(code, "unknown to imitax")
            raise DataError(
                f"{name} is compressed with filter {code} ({known}), which this installation of HDF5 has no plug-in "
                "for; the file is whole. Install it with: pip install hdf5plugin"
            )


def _unwritten(item: h5py.Dataset) -> str:
    """Which part of a dataset has no storage; empty when it has all."""
    if item.size == 0:
        return ""
    if item.chunks is None:
        return "" if item.id.get_storage_size() else "the whole"
    wanted = int(np.prod([-(-n // c) for n, c in zip(item.shape, item.chunks, strict=True)], dtype=object))
    there = item.id.get_num_chunks()
    return "" if there >= wanted else f"{wanted - there} of {wanted} chunks"
