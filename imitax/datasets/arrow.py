"""Arrow's files and its columns, through pyarrow: what Parquet, Minari's storage and Hugging Face's folders share."""

import importlib
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.limits import budget, check_regular, check_size, short
from imitax.errors import DataError

DEPTH = 8
"""Levels of structures in a column."""
RECORD_BATCH = 3
"""Arrow's number for a message that holds rows."""


def pyarrow(name: str = "pyarrow") -> Any:
    """A module of pyarrow. Raises DataError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError("reading Parquet and Arrow needs pyarrow: pip install 'imitax[data]'") from error


def read_arrow(path: Path, wanted: Collection[str] | None = None) -> Any:
    """The table in an Arrow file or stream (also a Feather file): all its columns, or those that are `wanted`.

    Sizes are checked before anything is unpacked. Raises DataError without pyarrow, or for a damaged file.
    """
    ipc = pyarrow("pyarrow.ipc")
    check_regular(path)
    allowed = budget(path)
    with readable("Arrow file"), pyarrow().memory_map(str(path)) as file:
        file.seek(8 if file.read(6) == b"ARROW1" else 0)  # a file is a stream between two marks
        buffer = file.read_buffer()
        check_size(sum(map(_unpacked, _messages(ipc, buffer))), allowed, "it")
        schema = ipc.open_stream(buffer).schema
        included = [i for i, name in enumerate(schema.names) if wanted is None or name in wanted]
        reader = ipc.open_stream(buffer, options=ipc.IpcReadOptions(included_fields=included))
        batches, rows = [], 0
        for batch in reader:
            rows += batch.num_rows
            check_size(8 * rows * max(batch.num_columns, 1), allowed, "its rows")
            batch.validate(full=True)
            batches.append(batch)
        return pyarrow().Table.from_batches(batches, reader.schema)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what pyarrow raises on damaged bytes (errors of its own, OSError, and more) into a DataError."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"this is no readable {what}: {error}") from error


def columns(table: Any) -> dict[str, np.ndarray]:
    """The columns of numbers, text and times: [N], or [N, K] for lists of one length; `a.b` is the part b of a
    structure a.

    Columns of other types are left out (see `unread`). Raises DataError for lists that are empty or differ in length.
    """
    arrow = pyarrow()
    with readable("table"):
        table = _flat(table)
        check_names(table)
        kept = [field.name for field in table.schema if is_plain(arrow, field.type)]
        return {name: _column(arrow, table.column(name), name) for name in kept}


def unread(schema: Any) -> dict[str, str]:
    """The types of the columns that `columns` leaves out, by their names."""
    with readable("table"):
        return {
            field.name: short(field.type)
            for field in _flat(schema.empty_table()).schema
            if not is_plain(pyarrow(), field.type)
        }


def decoded(table: Any, allowed: int) -> Any:
    """The table with its dictionaries of numbers and text written out. Raises DataError where that takes too much."""
    arrow = pyarrow()
    for index, field in enumerate(table.schema):
        if not is_dictionary(arrow, field.type):
            continue
        column = table.column(index)
        check_size(table.nbytes + sum(map(_written_out, column.chunks)), allowed, "its values")
        table = table.set_column(index, field.name, column.cast(field.type.value_type))
    return table


def _written_out(chunk: Any) -> int:
    """Bytes of the values that a chunk of a dictionary stands for."""
    kind, compute = chunk.type.value_type, pyarrow("pyarrow.compute")
    types = pyarrow().types
    if types.is_string(kind) or types.is_large_string(kind):
        return compute.sum(compute.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0
    return len(chunk) * (kind.bit_width // 8 + 1)


def _flat(table: Any) -> Any:
    """The parts of structures as columns of their own."""
    for _ in range(DEPTH):
        table = table.flatten()
    return table


def check_names(table: Any) -> None:
    """Raise DataError where two columns have one name."""
    if repeated := sorted({name for name in table.column_names if table.column_names.count(name) > 1}):
        raise DataError(f"the columns {short(', '.join(repeated))} appear twice")


def is_plain(arrow: Any, kind: Any) -> bool:
    """Whether a type is numbers, truth values, text, dates or times, or lists of these."""
    while _is_list(arrow, kind):
        kind = kind.value_type
    types = arrow.types
    simple = (types.is_floating, types.is_integer, types.is_boolean, types.is_string, types.is_large_string)
    timed = (types.is_timestamp, types.is_date, types.is_time, types.is_duration)
    return any(test(kind) for test in (*simple, types.is_decimal, *timed))


def is_dictionary(arrow: Any, kind: Any) -> bool:
    """Whether a type is a dictionary of numbers, text and the like, and not of lists."""
    return arrow.types.is_dictionary(kind) and is_plain(arrow, kind.value_type) and not nesting(arrow, kind.value_type)


def matrix(array: Any, name: str) -> np.ndarray:
    """[N, K] from N lists, whose own lists may be nested, of one length. Raises DataError where lengths differ."""
    arrow, rows = pyarrow(), len(array)
    while _is_list(arrow, array.type):
        if array.null_count:
            raise DataError(f"{array.null_count} lists of {short(name)} are empty")
        if not arrow.types.is_fixed_size_list(array.type):
            lengths = pyarrow("pyarrow.compute").list_value_length(array).unique()
            if len(lengths) > 1:
                raise DataError(f"the lists of {short(name)} differ in length")
        array = array.flatten()
    values = _plain(array).to_numpy(zero_copy_only=False)
    return values.reshape(rows, len(values) // max(rows, 1))


def lists(column: Any, name: str) -> Iterator[np.ndarray]:
    """[T, K] or [T] for each row of a column of lists, whose lengths T may differ."""
    for row in column:
        if row.values is None:
            raise DataError(f"a list of {short(name)} is empty")
        values = row.values
        if _is_list(pyarrow(), values.type):
            yield matrix(values, name)
        else:
            yield _plain(values).to_numpy(zero_copy_only=False)


def nesting(arrow: Any, kind: Any) -> int:
    """How many lists a type has in each other."""
    return 1 + nesting(arrow, kind.value_type) if _is_list(arrow, kind) else 0


def _is_list(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _column(arrow: Any, column: Any, name: str) -> np.ndarray:
    return matrix(column.combine_chunks(), name) if _is_list(arrow, column.type) else _plain(column).to_numpy()


def _plain(array: Any) -> Any:
    """Decimals as float64, times of day as durations; other types as they are."""
    arrow, kind = pyarrow(), array.type
    if arrow.types.is_decimal(kind):
        return array.cast(arrow.float64())
    if arrow.types.is_time(kind):
        whole = array.cast(arrow.int32()) if arrow.types.is_time32(kind) else array
        return whole.cast(arrow.int64()).cast(arrow.duration(kind.unit))
    return array


def _messages(ipc: Any, buffer: Any) -> Iterator[Any]:
    reader = ipc.MessageReader.open_stream(buffer)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _unpacked(message: Any) -> int:
    """Bytes that a message takes when unpacked: where it is compressed, each of its buffers says it in its first eight.

    Raises DataError for dictionaries, of which a few bytes can stand for many rows.
    """
    if message.type == "schema":
        return 0
    data, body = memoryview(message.metadata), message.body
    root = _at(data, "<I", 0)
    if data[_slot(data, root, 1)] != RECORD_BATCH:
        raise DataError(f"it holds a {short(message.type)}, which is not read: write the columns as plain values")
    batch = _slot(data, root, 2)
    batch += _at(data, "<I", batch)
    if not _slot(data, batch, 3):
        return body.size
    start = _slot(data, batch, 2)
    start += _at(data, "<I", start)
    total = 0
    for index in range(_at(data, "<I", start)):
        offset, length = struct.unpack_from("<qq", data, start + 4 + 16 * index)
        if length:
            total += max(_at(memoryview(body), "<q", offset), length)  # -1: this one is not compressed
    return total


def _at(data: memoryview, kind: str, offset: int) -> int:
    return struct.unpack_from(kind, data, offset)[0]


def _slot(data: memoryview, table: int, index: int) -> int:
    """Where a field of a FlatBuffers table lies; 0 where it is left out."""
    fields = table - _at(data, "<i", table)
    if 4 + 2 * index >= _at(data, "<H", fields):
        return 0
    offset = _at(data, "<H", fields + 4 + 2 * index)
    return table + offset if offset else 0
