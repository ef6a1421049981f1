"""Minari's Arrow and Parquet storage: a folder for each episode, whose rows are its T + 1 observations.

Actions, rewards and flags have T + 1 rows too; the last one fills the column and says nothing.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from imitax.datasets.arrays import episode
from imitax.datasets.arrow import columns, pyarrow, read_arrow, readable
from imitax.datasets.columns import observed
from imitax.datasets.episode import Episode, located
from imitax.datasets.limits import inside, short
from imitax.datasets.parquet import read_parquet
from imitax.datasets.tables import joined
from imitax.errors import DataError

READERS = {"arrow": read_arrow, "parquet": read_parquet}
"""What reads a file, by Minari's name for the storage, which is the file's ending too."""
STEPS = ("actions", "rewards", "terminations", "truncations")
FILES = 1_000
"""Files of one episode."""


def read_episodes(data: Path, metadata: dict[str, Any], keys: list[str]) -> tuple[Episode, ...]:
    """The episodes of a folder `data`, in the order of their numbers; of dicts of observations those of `keys`.

    Raises DataError when the folder is damaged or leads elsewhere, or without pyarrow.
    """
    kind = str(metadata["data_format"])
    named = [path.name for path in data.iterdir() if re.fullmatch(r"\d{1,18}", path.name)]
    total = metadata.get("total_episodes", len(named))
    if total != len(named) or not named:
        raise DataError(f"it holds {len(named)} episodes, its metadata say {short(total)}")
    return tuple(_episode(data, name, kind, keys) for name in sorted(named, key=int))


def _episode(data: Path, name: str, kind: str, keys: list[str]) -> Episode:
    with located(f"episode {name}"):
        folder = inside(data, name)
        files = sorted(p.name for p in folder.glob(f"*.{kind}")) if folder.is_dir() else []
        if not files or len(files) > FILES:
            raise DataError(f"there are {len(files)} files *.{kind} in its folder, instead of one or a few")
        numbers = sorted(files, key=lambda file: (len(file), file))  # part-10 comes after part-9
        paths = [inside(data, f"{name}/{file}") for file in numbers]
        with readable("table"):
            table = pyarrow().concat_tables([READERS[kind](path, {"observations", *STEPS}) for path in paths])
        found = columns(table)
        if keys:
            start = "observations."
            parts = {key.removeprefix(start): values for key, values in found.items() if key.startswith(start)}
            found["observations"] = joined(parts, observed(list(parts), keys))
        if unread := [key for key in STEPS if key in table.column_names and key not in found]:
            kinds = [str(table.schema.field(key).type) for key in unread]
            raise DataError(f"the type of {', '.join(unread)} is not read: {short(', '.join(kinds))}")
        if "observations" not in found:
            raise DataError(f"there are no observations of numbers among {short(', '.join(found)) or 'no columns'}")
        fields: dict[str, np.ndarray] = {key: found[key][:-1] for key in STEPS if key in found}
        return episode({"observations": found["observations"]} | fields)
