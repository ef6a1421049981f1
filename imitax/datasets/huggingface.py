"""Folders that Hugging Face's `datasets` saves (`save_to_disk`), as `imitation` does; that library is not needed."""

from pathlib import Path

from imitax.datasets.arrow import pyarrow, read_arrow, readable
from imitax.datasets.episode import Dataset, located
from imitax.datasets.faults import Mend
from imitax.datasets.limits import check_size, inside, json_object, short, text_file
from imitax.datasets.parquet import from_arrow
from imitax.datasets.roles import Columns
from imitax.errors import DataError

STATE = "state.json"
"""What such a folder has, beside `dataset_info.json`."""
FILES = 10_000
"""Files of one folder."""
TOTAL = 2**35
"""Bytes of all tables together."""


def is_huggingface(folder: Path) -> bool:
    """Whether a folder is one, by the names in it."""
    return (folder / STATE).is_file() and (folder / "dataset_info.json").is_file()


def load_huggingface(folder: Path, columns: Columns | None = None, mend: Mend | None = None) -> Dataset:
    """Read such a folder: one row a step, or one row an episode.

    Raises DataError when it is damaged, when a file lies elsewhere, when rows were selected without being written
    anew (`flatten_indices`), or without pyarrow.
    """
    with located(f"{folder} (Hugging Face)"):
        state = json_object(text_file(inside(folder, STATE)), STATE)
        if state.get("_indices_data_files"):
            raise DataError("it holds a selection of rows; write it anew with flatten_indices().save_to_disk(...)")
        files = state.get("_data_files")
        named = [f.get("filename") for f in files if isinstance(f, dict)] if isinstance(files, list) else []
        names = [name for name in named if isinstance(name, str)]
        if not names or len(names) > FILES or len(names) != len(named):
            raise DataError(f"{STATE} names no files")
        tables = []
        for name in names:
            path = inside(folder, name)
            with located(short(name)):
                if not path.is_file():
                    raise DataError("there is no such file")
                tables.append(read_arrow(path))
            check_size(sum(table.nbytes for table in tables), TOTAL, "the folder")
        with readable("table"):
            table = pyarrow().concat_tables(tables)
        return from_arrow(table, short(folder.name), columns, mend)
