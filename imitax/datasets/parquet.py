"""Parquet and Arrow files: a table with one row a step, whose cells may be lists of numbers, or one row an episode."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from imitax.datasets import arrow
from imitax.datasets.episode import Dataset, located
from imitax.datasets.faults import Mend
from imitax.datasets.limits import budget, check_regular, check_size
from imitax.datasets.names import NAMES
from imitax.datasets.objects import trajectory
from imitax.datasets.roles import Columns
from imitax.datasets.tables import read_table


def load_parquet(path: Path | str, columns: Columns | None = None, mend: Mend | None = None) -> Dataset:
    """Read a Parquet file as `from_arrow` reads a table. Raises DataError without pyarrow, or for a damaged file."""
    path = Path(path)
    with located(f"{path} (Parquet)"):
        table = read_parquet(path)
        with arrow.readable("Parquet file"):
            schema = arrow.pyarrow("pyarrow.parquet").read_schema(path)
        return from_arrow(table, path.stem, columns, mend, schema)


def load_arrow(path: Path | str, columns: Columns | None = None, mend: Mend | None = None) -> Dataset:
    """Read an Arrow or Feather file as `from_arrow` reads a table."""
    path = Path(path)
    with located(f"{path} (Arrow)"):
        return from_arrow(arrow.read_arrow(path), path.stem, columns, mend)


def from_arrow(
    table: Any, name: str, columns: Columns | None = None, mend: Mend | None = None, schema: Any = None
) -> Dataset:
    """Episodes from a table of pyarrow: as `read_table`, or with one row an episode, as `imitation` writes them.

    `schema` has the columns that were not read too, where there are such. Raises DataError as `read_table` does.
    """
    arrow.check_names(table)
    found = {key: next((n for n in NAMES[key] if n in table.column_names), None) for key in NAMES}
    observations, actions = found["observations"], found["actions"]
    if columns or observations is None or not _are_episodes(table, observations, actions):
        read = arrow.columns(table)
        others = arrow.unread(table.schema if schema is None else schema)
        return read_table(read, name, columns, mend, {n: kind for n, kind in others.items() if n not in read})
    flags = {n: table.column(n).to_pylist() for n in (found["terminals"], found["timeouts"]) if n is not None}
    names = [n for n in (observations, actions, found["rewards"], found["next_observations"]) if n is not None]
    parts = {n: arrow.lists(table.column(n), n) for n in names}
    if "infos" in table.column_names and arrow.nesting(arrow.pyarrow(), table.column("infos").type) == 1:
        flags["infos"] = [row.values[-1:].to_pylist() for row in table.column("infos")]
    episodes = []
    for index in range(table.num_rows):
        with located(f"episode {index}"), arrow.readable("table"):
            fields = {n: next(rows) for n, rows in parts.items()} | {n: values[index] for n, values in flags.items()}
            episodes.append(trajectory({n: value for n, value in fields.items() if value is not None}))
    return Dataset(tuple(episodes), name=name)


def _are_episodes(table: Any, observations: str, actions: str | None) -> bool:
    """Whether the rows are episodes, by the nesting of their lists, and by the lengths in the first row."""
    column = table.column(observations)
    if arrow.nesting(arrow.pyarrow(), column.type) != 2 or not table.num_rows or column[0].values is None:
        return False
    if actions is None:
        return True
    first = table.column(actions)[0]
    steps = len(first.values) if arrow.nesting(arrow.pyarrow(), first.type) and first.values is not None else 0
    return steps > 0 and len(column[0].values) - steps in (0, 1)


def read_parquet(path: Path, wanted: Collection[str] | None = None) -> Any:
    """The table of pyarrow in a Parquet file: all its columns, or those that are `wanted`."""
    parquet = arrow.pyarrow("pyarrow.parquet")
    check_regular(path)
    with arrow.readable("Parquet file"), parquet.ParquetFile(path) as file:
        meta = file.metadata
        check_size(sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)), budget(path), "it")
        check_size(8 * meta.num_rows * meta.num_columns, 64 * budget(path), "its rows")
        names = [f.name for f in file.schema_arrow if (_read_unasked(f.type) if wanted is None else f.name in wanted)]
        check_size(8 * meta.num_rows * len(names), budget(path), "its rows")
        table = file.read(columns=names).select(names)
        check_size(table.nbytes, budget(path), "its values")
        table.validate(full=True)
        return arrow.decoded(table, budget(path))


def _read_unasked(kind: Any) -> bool:
    module = arrow.pyarrow()
    return arrow.is_plain(module, kind) or arrow.is_dictionary(module, kind) or module.types.is_struct(kind)
