"""Parquet files, through pyarrow: a table with one row a step, whose cells may be lists of numbers."""

import importlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.episode import Dataset, located
from imitax.datasets.faults import Mend
from imitax.datasets.limits import budget, check_size
from imitax.datasets.tables import Columns, read_table
from imitax.errors import DataError


def load_parquet(path: Path | str, columns: Columns | None = None, mend: Mend | None = None) -> Dataset:
    """Read a Parquet file as `read_table` reads a table. Raises DataError without pyarrow, or for a damaged file."""
    path = Path(path)
    with located(f"{path} (Parquet)"):
        return read_table(read_parquet(path), path.stem, columns, mend)


def read_parquet(path: Path, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Columns of a Parquet file, all of numbers and text or those that are `wanted`."""
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError("reading Parquet needs pyarrow: pip install 'imitax[data]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            meta = file.metadata
            check_size(sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)), budget(path), "it")
            check_size(8 * meta.num_rows * meta.num_columns, 64 * budget(path), "its rows")
            schema = file.schema_arrow
            names = [f.name for f in schema if _readable(arrow, f.type) and (wanted is None or f.name in wanted)]
            check_size(8 * meta.num_rows * len(names), budget(path), "its rows")
            table = file.read(columns=names)
            check_size(table.nbytes, budget(path), "its values")
            return {name: _column(arrow, table.column(name)) for name in names}
    except DataError:
        raise
    except Exception as error:  # pyarrow raises its own errors, OSError, and more on damaged bytes
        raise DataError(f"this is no readable Parquet file: {error}") from error


def _readable(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _readable(arrow, kind.value_type)
    simple = (types.is_floating, types.is_integer, types.is_boolean, types.is_string, types.is_large_string)
    return any(test(kind) for test in simple)


def _column(arrow: Any, column: Any) -> np.ndarray:
    """[N], or [N, K] for lists of one length."""
    types, kind, rows = arrow.types, column.type, len(column)
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return column.to_numpy()
    if column.null_count:
        raise DataError(f"{column.null_count} rows of a column of lists are empty")
    values = column.combine_chunks()
    flat = values.flatten()
    while types.is_list(flat.type) or types.is_fixed_size_list(flat.type):
        flat = flat.flatten()
    lengths = {len(flat) // max(rows, 1)}
    if not types.is_fixed_size_list(kind):
        lengths = set(arrow.compute.list_value_length(values).unique().to_pylist())
    if len(lengths) != 1 or len(flat) % max(rows, 1):
        raise DataError("the lists of a column differ in length")
    return flat.to_numpy(zero_copy_only=False).reshape(rows, -1)
