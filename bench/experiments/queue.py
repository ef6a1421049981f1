"""A queue of training runs that can be interrupted and resumed, and shared by several processes.

One seed of every row runs before a second seed of any. Finished jobs are skipped; interrupted ones continue from their
checkpoint. A worker locks a file per job, so that another worker takes the next job. The training process inherits the
lock, which is held until both have ended.
"""

import argparse
import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imitax.errors import ConfigError, ImitaxError
from imitax.files import append_line, read_lines


@dataclass(frozen=True)
class Row:
    """One row of a table of results: a setting, with its seeds."""

    name: str
    """Prefix of its runs' folders."""
    args: tuple[str, ...]
    """Arguments of `imitax train`, without seeds, out and results; `{folder}` stands for the queue's folder, `{seed}`
    for the job's seed."""
    seeds: int = 1
    """Number of seeds: 0, 1, ..."""


def order(rows: Sequence[Row], seeds: Sequence[int] | None = None) -> list[tuple[Row, int]]:
    """The jobs in order: the first seed of every row, then the second seeds, and so on; only `seeds` if given."""
    numbers = range(max((row.seeds for row in rows), default=0))
    return [(row, n) for n in numbers if seeds is None or n in seeds for row in rows if n < row.seeds]


def folder_of(row: Row, seed: int, folder: Path) -> Path:
    """Folder of a job's run."""
    return folder / f"{row.name}-seed{seed}"


def unfinished(rows: Sequence[Row], folder: Path, seeds: Sequence[int] | None = None) -> list[tuple[Row, int]]:
    """Jobs without a finished run."""
    return [
        (row, seed) for row, seed in order(rows, seeds) if not (folder_of(row, seed, folder) / "summary.json").exists()
    ]


def arguments(args: Sequence[str], run: Path, seeds: Sequence[int], results: Path) -> list[str]:
    """Arguments of `imitax train` that start a run, or go on with it."""
    if (run / "config.json").exists():
        return ["--resume", str(run), "--trust-env"]  # also runs that an earlier version started
    return [*args, "--seeds", *map(str, seeds), "--out", str(run), "--results", str(results)]


def work(
    rows: Sequence[Row],
    folder: Path,
    results: Path,
    *,
    minutes: float | None = None,
    seeds: Sequence[int] | None = None,
) -> list[tuple[Row, int]]:
    """Run jobs until none is left or the time is up, and return the unfinished ones.

    Args:
        rows: rows of the table.
        folder: folder for the runs.
        results: file that finished runs append their lines to.
        minutes: start no job after this time; None runs all.
        seeds: run only these; None runs all.

    Raises ConfigError if a job fails; its output is in the terminal.
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
            own = [a.replace("{folder}", str(folder)).replace("{seed}", str(seed)) for a in row.args]
            args = arguments(own, run, [seed], results)
            print(f"{time.strftime('%H:%M:%S')} {run.name}", flush=True)
            command = [sys.executable, "-m", "imitax.cli", "train", *args, "--quiet"]
            if status(command, lock):
                raise ConfigError(f"{run.name} failed: imitax train {' '.join(args)}")
    return unfinished(rows, folder, seeds)


def status(command: Sequence[str], lock: int) -> int:
    """The exit status of a training that holds the lock; SIGTERM ends the training, which writes a checkpoint first."""
    before = signal.signal(signal.SIGTERM, lambda *_: training.terminate())
    try:
        with subprocess.Popen(command, pass_fds=(lock,)) as training:
            return training.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


def work_in_groups(groups: Sequence[Sequence[Row]], args: argparse.Namespace) -> list[tuple[Row, int]]:
    """Work on groups of rows, one group after another, and return the unfinished jobs of all.

    Args:
        groups: of the table's rows.
        args: of the command line that `options` describes: which rows and seeds, for how long, or only a list.

    Raises ConfigError if a job fails, or if there is no row with a name of `args.only`.
    """
    kept = {row.name for row in chosen([row for rows in groups for row in rows], args.only)}
    left, started = [], time.monotonic()
    for group in groups:
        rows = [row for row in group if row.name in kept]
        if rows and not args.list:
            spent = (time.monotonic() - started) / 60
            minutes = None if args.minutes is None else max(args.minutes - spent, 0)
            work(rows, args.folder, args.results, minutes=minutes, seeds=args.seeds)
        left += unfinished(rows, args.folder, args.seeds)
    return left


def measure_new(folders: Sequence[Path], results: Path, measure: Callable[[Path], Iterable[Mapping[str, Any]]]) -> None:
    """Append the lines that `measure` makes of each run that a result file has no lines of, by the folder's name."""
    done = {line["run"] for line in read_lines(results)} if results.exists() else set()
    for folder in folders:
        if folder.name not in done:
            for line in measure(folder):
                append_line(results, line)
            print(f"measured {folder}", flush=True)


def options(description: str | None, folder: str) -> argparse.ArgumentParser:
    """The command line that all queues share; `folder` is the default folder for the runs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(folder), help="folder for the runs")
    parser.add_argument("--results", type=Path, default=Path("bench/results/learning.jsonl"), help="file of results")
    parser.add_argument("--minutes", type=float, help="start no job after this many minutes")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="only these rows")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="only these seeds")
    parser.add_argument("--list", action="store_true", help="only list unfinished jobs")
    return parser


def chosen(rows: Sequence[Row], only: Sequence[str] | None) -> list[Row]:
    """The rows with these names, or all if None. Raises ConfigError if there is no row with a name."""
    names = [row.name for row in rows]
    if unknown := sorted(set(only or ()) - set(names)):
        raise ConfigError(f"no row is named {unknown[0]}; there are {', '.join(names)}")
    return [row for row in rows if only is None or row.name in only]


@contextmanager
def reported() -> Iterator[None]:
    """Exit with a message and status 2 if the block raises an imitax error."""
    try:
        yield
    except ImitaxError as error:
        print(f"imitax: {error}", file=sys.stderr)
        sys.exit(2)


def report_unfinished(jobs: Sequence[tuple[Row, int]]) -> None:
    """Print the jobs."""
    for row, seed in jobs:
        print(f"unfinished: {row.name} seed {seed}")


@contextmanager
def claimed(path: Path) -> Iterator[int | None]:
    """Lock a file for the block, and give its descriptor, or None if another process holds the lock.

    The lock belongs to the open file: it is released when the last process with the descriptor closes it or exits.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.fileno()
