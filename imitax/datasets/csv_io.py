"""CSV files, read in pieces: a header, then one row a step; numbers, and text where flags or episodes are named."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.episode import Dataset, located
from imitax.datasets.faults import Mend
from imitax.datasets.limits import short
from imitax.datasets.roles import Columns
from imitax.datasets.tables import read_table
from imitax.errors import DataError

LINE = 2**20
"""Characters of one line."""
WIDTH = 10_000
"""Columns."""
PIECE = 10_000
"""Rows that are converted together."""
GAPS = {"", "na", "n/a", "nan", "null", "none"}
"""Words for a missing number."""
TRUTH = {"true": True, "false": False}
WHOLE = re.compile(r"[ \t]*[+-]?[0-9]{1,18}[ \t]*")
"""An integer, which a column of choices holds."""


def load_csv(path: Path | str, columns: Columns | None = None, mend: Mend | None = None) -> Dataset:
    """Read a CSV file with a header; commas, semicolons, tabs or bars (|) separate the columns.

    Columns are assigned as in `read_table`. With semicolons, numbers may have decimal commas.

    Raises DataError when there is no header, when rows differ in length, or as `read_table` does.
    """
    path = Path(path)
    with located(f"{path} (CSV)"):
        return read_table(read_csv(path), path.stem, columns, mend)


def read_csv(path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file: int64 where all are whole numbers, float64 where all are numbers, bool, else text."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = _lines(file)
            first = next(lines, "")
            mark = max(",;\t|", key=first.count)
            header = [name.strip() for name in next(csv.reader([first], delimiter=mark), [])]
            _check_header(header)
            pieces = list(_pieces(csv.reader(lines, delimiter=mark), header, decimal_comma=mark == ";"))
    except UnicodeDecodeError as error:
        raise DataError("this is not a text file in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"this is not a CSV file: {error}") from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}") from error
    if not pieces:
        raise DataError("there are no rows below the header")
    return {name: _column([piece[i] for piece in pieces]) for i, name in enumerate(header)}


def _lines(file: Any) -> Iterator[str]:
    while line := file.readline(LINE):
        if len(line) == LINE:
            raise DataError(f"a line is longer than {LINE} characters; this is not a CSV file")
        yield line


def _check_header(header: list[str]) -> None:
    if not any(header):
        raise DataError("the file is empty: it has no header")
    if len(header) > WIDTH:
        raise DataError(f"it has {len(header)} columns; at most {WIDTH} are read")
    if all(_number(name) is not None for name in header):
        raise DataError(
            "the first line of this CSV file holds numbers, so its columns have no names; put a header above it, such "
            "as episode,obs_0,obs_1,action_0"
        )
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"the columns {short(', '.join(repeated))} appear twice")


def _pieces(rows: Any, header: list[str], decimal_comma: bool) -> Iterator[list[np.ndarray]]:
    piece: list[list[str]] = []
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"line {number} has {len(row)} values, the header {len(header)}")
        piece.append(row)
        if len(piece) == PIECE:
            yield [_values(column, decimal_comma) for column in zip(*piece, strict=True)]
            piece = []
    if piece:
        yield [_values(column, decimal_comma) for column in zip(*piece, strict=True)]


def _values(column: tuple[str, ...], decimal_comma: bool) -> np.ndarray:
    """Numbers, or text if one of them is none."""
    if decimal_comma:
        column = tuple(value.replace(",", ".") for value in column)
    if all(WHOLE.fullmatch(value) for value in column):
        return np.array([int(value) for value in column], np.int64)
    if all(value.strip().lower() in TRUTH for value in column):
        return np.array([TRUTH[value.strip().lower()] for value in column])
    try:
        return np.array(column, np.float64)
    except ValueError:
        numbers = [_number(value) for value in column]
        return np.array(column, object) if None in numbers else np.array(numbers, np.float64)


def _number(text: str) -> float | None:
    try:
        return float("nan") if text.strip().lower() in GAPS else float(text)
    except ValueError:
        return None


def _column(pieces: list[np.ndarray]) -> np.ndarray:
    kinds = {p.dtype.kind for p in pieces}
    return np.concatenate(pieces if kinds <= {"i", "f"} or kinds == {"b"} else [p.astype(object) for p in pieces])
