"""NumPy's `.npz`: named arrays in a zip file. Pickled objects are never read, because reading them runs code."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.arrays import split
from imitax.datasets.columns import as_table
from imitax.datasets.episode import Dataset, located
from imitax.datasets.faults import Mend
from imitax.datasets.limits import budget, check_size, short
from imitax.datasets.names import EPISODES, NAMES, OBSERVED
from imitax.datasets.roles import Columns
from imitax.datasets.tables import read_table
from imitax.errors import DataError

OBSERVATIONS = {name for key in OBSERVED for name in NAMES[key]}
FILES = 10_000
"""Entries of one file."""
PICKLE = (
    "a pickle (also .pkl, .pt, .joblib), which is not read because opening one runs the code that it holds; if you "
    "made it, load it yourself and pass its arrays, or save them with np.savez"
)


def load_npz(path: Path | str, columns: Columns | None = None, mend: Mend | None = None) -> Dataset:
    """Read named arrays as `split` takes them; other entries are ignored, and not unpacked.

    With `columns` all entries are read, as the columns of a table.

    The leaves of dicts and tuples of observations are entries such as `observations/pixels`.

    Entries named `indices` beside one observation more for each episode are `imitation`'s layout, and are read too.

    Raises DataError when the file is damaged, when an array is larger than the file can hold, or when it holds pickled
    objects.
    """
    path = Path(path)
    with located(f"{path} (npz)"):
        known = {name for names in NAMES.values() for name in names} | {*EPISODES, "env_id", "indices"}
        try:
            arrays: dict[str, Any] = read_npz(path, None if columns else known)
        except DataError:
            raise
        except Exception as error:  # zipfile and NumPy raise many kinds on damaged bytes
            raise DataError(f"the file is damaged: {error!r}") from error
        if columns:
            return read_table(as_table(arrays), path.stem, columns, mend)
        env_id = arrays.pop("env_id", None)
        named = env_id is not None and env_id.size == 1 and env_id.dtype.kind in "US"
        arrays = _of_imitation(arrays)
        return Dataset(split(arrays, mend), env_id=str(env_id) if named else None, name=path.stem)


def read_npz(path: Path, names: set[str] | None) -> dict[str, np.ndarray]:
    """The arrays of some names, and leaves of observations; all where `names` is None.

    Sizes are those of the headers, compared with the zip's and with the file's budget.
    """
    allowed = budget(path)
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > FILES:
            raise DataError(f"it has {len(entries)} entries; at most {FILES} are read")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            seen = name.partition("/")[0] in OBSERVATIONS if "/" in name else name in (names or ())
            if (seen or names is None) and name not in arrays:
                arrays[name] = _read(archive, entry, name, allowed)
                allowed -= arrays[name].nbytes
        if not arrays:
            held = ", ".join(e.filename for e in entries)
            if any(e.filename.endswith("/data.pkl") for e in entries):
                raise DataError(f"this is {PICKLE}")
            raise DataError(f"no observations among {short(held) or 'no entries'}")
    return arrays


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, allowed: int) -> np.ndarray:
    header = np.lib.format
    with archive.open(entry) as file:
        version = header.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{name} is in version {version} of NumPy's format, which is not read")
        read = header.read_array_header_1_0 if version == (1, 0) else header.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise DataError(
                f"{name} holds pickled objects, which are not read because they can run code; save plain arrays of "
                "numbers: np.savez(FILE, observations=..., actions=...)"
            )
        count = int(np.prod(shape, dtype=object)) if shape else 1
        size = count * dtype.itemsize
        check_size(size, allowed, name)
        if size > entry.file_size or min(shape, default=0) < 0:
            raise DataError(f"{name} claims {size} bytes, its entry has {entry.file_size}; the file is damaged")
        data = file.read(size)
    if len(data) != size:
        raise DataError(f"{name} is cut short: {len(data)} of {size} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _of_imitation(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`imitation`'s older files: T + 1 observations an episode, `indices` where episodes are cut, one flag each."""
    cuts = arrays.pop("indices", None)
    obs, acts, ends = (arrays.get(key) for key in ("obs", "acts", "terminal"))
    if cuts is None or obs is None or acts is None or ends is None or len(obs) != len(acts) + len(cuts) + 1:
        return arrays
    last = np.r_[cuts, len(acts)].astype(int) - 1
    if len(ends) != len(last) or not (np.diff(np.r_[-1, last]) > 0).all():
        raise DataError("indices do not cut the actions into as many episodes as there are flags")
    final = last + 1 + np.arange(len(last))
    terminals, timeouts = np.zeros(len(acts), bool), np.zeros(len(acts), bool)
    terminals[last], timeouts[last] = ends, ~ends.astype(bool)
    following = np.delete(obs, np.r_[0, final[:-1] + 1], axis=0)
    flat = {"observations": np.delete(obs, final, axis=0), "next_observations": following, "actions": acts}
    return flat | {"rewards": arrays.get("rews"), "terminals": terminals, "timeouts": timeouts}
