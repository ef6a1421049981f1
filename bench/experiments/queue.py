"""A queue of trainings that can be interrupted, resumed, and worked off by several processes at once.

One seed of every row runs before a second seed of any. A job whose run is finished is passed over; one that was
interrupted continues from its checkpoint. A worker locks a job's file, so that a second worker, on another core, takes
the next one. The training inherits the lock: a job stays taken while either of them lives.
"""

import argparse
import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imitax.errors import ConfigError, ImitaxError


@dataclass(frozen=True)
class Row:
    """One setting of a table of results."""

    name: str
    """Names the folder of its runs."""
    args: tuple[str, ...]
    """Of `imitax train`, without seeds, out and results; `{folder}` stands for the queue's folder, `{seed}` for the
    job's seed."""
    seeds: int = 1
    """Seeds 0, 1, ... of the row."""


def order(rows: Sequence[Row], seeds: Sequence[int] | None = None) -> list[tuple[Row, int]]:
    """Jobs: the first seed of every row in their order, then the second seeds, and so on; of `seeds` alone if given."""
    numbers = range(max((row.seeds for row in rows), default=0))
    return [(row, n) for n in numbers if seeds is None or n in seeds for row in rows if n < row.seeds]


def folder_of(row: Row, seed: int, folder: Path) -> Path:
    """Where a job's run is."""
    return folder / f"{row.name}-seed{seed}"


def unfinished(rows: Sequence[Row], folder: Path, seeds: Sequence[int] | None = None) -> list[tuple[Row, int]]:
    """Jobs that have no finished run yet."""
    return [
        (row, seed) for row, seed in order(rows, seeds) if not (folder_of(row, seed, folder) / "summary.json").exists()
    ]


def work(
    rows: Sequence[Row],
    folder: Path,
    results: Path,
    *,
    minutes: float | None = None,
    seeds: Sequence[int] | None = None,
) -> list[tuple[Row, int]]:
    """Run jobs until none is left to take, or no job may start any more; returns what is unfinished.

    Args:
        rows: of the table.
        folder: of the runs.
        results: file that finished runs append their lines to.
        minutes: time after which no further job starts; None runs all.
        seeds: run these alone; None runs all.

    Raises ConfigError when a job fails; its output stays in the terminal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for row, seed in order(rows, seeds):
        if minutes is not None and time.monotonic() - started > 60 * minutes:
            break
        run = folder_of(row, seed, folder)
        with claimed(folder / f"{run.name}.lock") as lock:
            if lock is None or (run / "summary.json").exists():
                continue
            if (run / "config.json").exists():
                args = ["--resume", str(run)]
            else:
                args = [a.replace("{folder}", str(folder)).replace("{seed}", str(seed)) for a in row.args]
                args += ["--seeds", str(seed), "--out", str(run), "--results", str(results)]
            print(f"{time.strftime('%H:%M:%S')} {run.name}", flush=True)
            command = [sys.executable, "-m", "imitax.cli", "train", *args, "--quiet"]
            if subprocess.run(command, pass_fds=(lock,)).returncode:
                raise ConfigError(f"{run.name} failed: imitax train {' '.join(args)}")
    return unfinished(rows, folder, seeds)


def options(description: str | None, folder: str) -> argparse.ArgumentParser:
    """The command line that every table's queue has; `folder` is its runs' default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(folder), help="of the runs")
    parser.add_argument("--results", type=Path, default=Path("bench/results/learning.jsonl"), help="file of results")
    parser.add_argument("--minutes", type=float, help="start no job after so many minutes")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows alone")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="these seeds alone")
    parser.add_argument("--list", action="store_true", help="only say what is unfinished")
    return parser


def chosen(rows: Sequence[Row], only: Sequence[str] | None) -> list[Row]:
    """The rows of these names, all if none are given. Raises ConfigError where a name is no row's."""
    names = [row.name for row in rows]
    if unknown := sorted(set(only or ()) - set(names)):
        raise ConfigError(f"no row is named {unknown[0]}; there are {', '.join(names)}")
    return [row for row in rows if only is None or row.name in only]


@contextmanager
def reported() -> Iterator[None]:
    """Ends the program with a message and status 2 where the block raises an error of imitax."""
    try:
        yield
    except ImitaxError as error:
        print(f"imitax: {error}", file=sys.stderr)
        sys.exit(2)


def report_unfinished(jobs: Sequence[tuple[Row, int]]) -> None:
    """Print what is left."""
    for row, seed in jobs:
        print(f"unfinished: {row.name} seed {seed}")


@contextmanager
def claimed(path: Path) -> Iterator[int | None]:
    """The descriptor of a locked file, for the block; None if another process holds the lock.

    The lock belongs to the open file: it ends when the last process that has the descriptor closes it or dies.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.fileno()
