"""What a file or folder is, told by its content, and which reader takes it."""

from pathlib import Path

import h5py

from imitax.datasets.columns import refuse
from imitax.datasets.csv_io import load_csv
from imitax.datasets.d4rl import read_d4rl
from imitax.datasets.episode import Dataset, located
from imitax.datasets.faults import Mend
from imitax.datasets.hdf5 import opened
from imitax.datasets.huggingface import is_huggingface, load_huggingface
from imitax.datasets.lerobot import load_lerobot
from imitax.datasets.limits import short
from imitax.datasets.minari_io import load_minari
from imitax.datasets.npz import PICKLE, load_npz
from imitax.datasets.parquet import load_arrow, load_parquet
from imitax.datasets.robomimic import is_robomimic, load_robomimic
from imitax.datasets.roles import Columns
from imitax.errors import DataError

HDF5 = b"\x89HDF\r\n\x1a\n"
HDF5_ENDINGS = (".hdf5", ".h5", ".hdf")
TABLES = (".csv", ".tsv", ".txt")
BINARY = (".npz", ".npy", ".parquet", ".arrow", ".feather", ".json", ".pkl", ".pt", ".zarr", ".mat")
"""Endings of files that are no tables of text, whatever they hold."""
UNREAD = {
    b"\x93NUMPY": "a single array in NumPy's format; put all arrays into one file: np.savez(FILE, observations=...)",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"\xfd7zXZ": "compressed with xz; unpack it first",
    b"BZh": "compressed with bzip2; unpack it first",
    b"version https://git-lfs": "a pointer of Git LFS, not the data themselves; fetch them with git lfs pull",
    b"<": "a web page or XML; the download has failed, or it is not a dataset",
    b"MATLAB": "a MATLAB file; save its arrays with np.savez after scipy.io.loadmat",
    b"{": "JSON; make arrays of it, and pass a dict or a list of episodes",
    b"[": "JSON; make arrays of it, and pass a dict or a list of episodes",
    b"#ROSBAG": "a ROS bag; extract its topics into arrays or CSV",
}
"""Beginnings of files that are not read, and what to do with them."""
READ = "HDF5 (D4RL, robomimic), npz, CSV, Parquet, Arrow, and folders of Minari, LeRobot and Hugging Face's datasets"


def load_file(path: Path, columns: Columns | None, mend: Mend) -> Dataset:
    """Read a file with the reader of its format. Raises DataError, with what the file is, when there is none."""
    with located(str(path)):
        if not path.is_file():
            raise DataError("there is no such file")
        start = _start(path)
    if path.suffix.lower() in HDF5_ENDINGS or start.startswith(HDF5):
        return _load_hdf5(path, columns, mend, start)
    if start.startswith(b"PK\x03\x04"):
        return load_npz(path, columns, mend)
    if start.startswith(b"PAR1"):
        return load_parquet(path, columns, mend)
    if start.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return load_arrow(path, columns, mend)
    if (said := _unread(start)) and (not start or path.suffix.lower() not in TABLES):
        raise DataError(f"{path}: this is {said}")
    if path.suffix.lower() in BINARY or b"\0" in start:
        raise DataError(f"{path}: this is none of the formats that are read, or it is cut short: {READ}")
    return load_csv(path, columns, mend)


def load_folder(path: Path, columns: Columns | None, mend: Mend | None = None) -> Dataset:
    """Read a folder. Raises DataError when it is none of Minari, LeRobot or Hugging Face's datasets."""
    if (path / "meta" / "info.json").is_file():
        return load_lerobot(path, columns, mend)
    if (path / "metadata.json").is_file() or (path / "data" / "metadata.json").is_file():
        return load_minari(path, columns)
    if is_huggingface(path):
        return load_huggingface(path, columns, mend)
    if (path / "dataset_dict.json").is_file():
        parts = sorted(part.parent.name for part in path.glob("*/state.json"))
        raise DataError(f"{path}: this folder holds several datasets: name one of {', '.join(map(short, parts[:9]))}")
    files = sorted(
        p.name
        for p in path.iterdir()
        if p.suffix.lower() in (*HDF5_ENDINGS, *TABLES, ".npz", ".parquet", ".arrow", ".feather")
    )
    shown = f"{', '.join(files[:5])}{', ...' if len(files) > 5 else ''}"
    several = ", or several: imitax.load([FILE, FILE])" if len(files) > 1 else ""
    inside = f"; it holds {shown}: name one of them{several}" if files else ""
    kind = "; it looks like Zarr, whose arrays can be passed as a dict" if (path / ".zgroup").exists() else inside
    raise DataError(
        f"{path}: this folder is not a Minari dataset: it has no metadata.json; nor one of LeRobot: it has no "
        f"meta/info.json{kind}"
    )


def _load_hdf5(path: Path, columns: Columns | None, mend: Mend, start: bytes) -> Dataset:
    with located(str(path)):
        if not h5py.is_hdf5(path):
            said = _unread(start)
            raise DataError(f"this is not an HDF5 file, or it is cut short{f'; it looks like {said}' if said else ''}")
        with opened(path) as file:
            members = file.members(file.root)
            if "episode_0" not in members and not ("data" in members and is_robomimic(file)):
                refuse(columns, "an HDF5 file whose arrays have D4RL's names")
                return read_d4rl(file, path.stem, mend)
        if "episode_0" in members and not (path.parent / "metadata.json").is_file():
            raise DataError(
                "this is the data file of a Minari dataset (it has groups episode_0, ...) without its metadata.json: "
                "pass the dataset's folder, with both"
            )
    return load_minari(path.parent, columns) if "episode_0" in members else load_robomimic(path, columns)


def _start(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(512)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}") from error


def _unread(start: bytes) -> str:
    """What a beginning says, for files that are not read; empty for others."""
    if not start:
        return "an empty file"
    if start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5":
        return PICKLE
    return next((said for magic, said in UNREAD.items() if start.lstrip().startswith(magic)), "")
