"""HDF5's text of varying length, which lies in global heaps, and how the library comes to harm in it.

It walks a heap from object to object by their sizes, and does not come to an end where a damaged size leads back to
where it stands. And it takes memory for the length that a text claims, up to 4 GiB, before it looks for the text.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

from imitax.errors import DataError

MARK, VERSION = b"GCOL", 1
HEADER = struct.Struct("<4sB3xQ")
"""Mark, version, and the bytes of the whole heap; then come its objects."""
OBJECT = struct.Struct("<HH4xQ")
"""Index, count of references, and the bytes of an object; those follow, and fill the last 8 bytes that they begin."""

ROOM = 2**30
"""Bytes of data by which the process may grow while a text is read. Other threads work on meanwhile and take some."""
PAGES = Path("/proc/self/statm")
"""Where Linux says how many pages a process has, of each kind."""
DATA = 5
"""Which of these numbers counts data: pages that can be written and are not shared. Threads reserve more than they use,
which counts as addresses, not as data."""


@contextmanager
def little_memory() -> Iterator[None]:
    """Let the process take at most ROOM of data meanwhile, where the system can; the rest of it is not touched.

    More is refused to the HDF5 library, which then raises an OSError or MemoryError.
    """
    if resource is None or not PAGES.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = int(PAGES.read_text().split()[DATA]) * resource.getpagesize() + ROOM
    if soft != resource.RLIM_INFINITY:
        most = min(most, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def check_heaps(path: Path) -> None:
    """Raise DataError for a heap in the file whose objects do not lie one after the other in it."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(MARK)
        while start >= 0:
            if start + HEADER.size <= len(data):
                _, version, size = HEADER.unpack_from(data, start)
                # what is no heap, or leads beyond the file, the library itself refuses
                if version == VERSION and size <= len(data) - start:
                    _check_objects(data, start + HEADER.size, start + size)
            start = data.find(MARK, start + 1)


def _check_objects(data: mmap.mmap, start: int, end: int) -> None:
    while start + OBJECT.size <= end:
        index, _, size = OBJECT.unpack_from(data, start)
        taken = size if index == 0 else OBJECT.size + -(-size // 8) * 8  # what is free counts its own header
        if not OBJECT.size <= taken <= end - start:
            raise DataError("the dataset is damaged: its text lies outside of where it is stored")
        start += taken
