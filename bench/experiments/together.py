"""Rows of the table on a GPU: all seeds of a row as one run, the rows side by side.

    python -m bench.experiments.together --groups 2 --seeds 0 1 2 --minutes 9

Every row is a process of its own, and the card is shared between them. At the end of the time the trainings that still
run are told to stop: they write a checkpoint, and the same command goes on with them. A row's model of the dynamics is
fitted anew for each seed, where the queue of `table.py` loads the one that another row has fitted to the same data.

Finished runs append their lines to FOLDER/rows/ROW.jsonl.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.experiments import queue
from bench.experiments.queue import Row, chosen, reported
from bench.experiments.table import groups
from imitax.files import read_lines
from imitax.processes import cores

SHARED_CARD = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
TO_STOP = 20
"""Seconds that a training has for its checkpoint."""


def arguments(row: Row, seeds: list[int], folder: Path) -> list[str]:
    """Arguments of `imitax train` for a row's run, which fits its model itself."""
    own = list(row.args)
    if "--model-from" in own:
        at = own.index("--model-from")
        del own[at : at + 2]
    return queue.arguments(own, folder / row.name, seeds, folder / "rows" / f"{row.name}.jsonl")


def start(row: Row, seeds: list[int], folder: Path) -> subprocess.Popen[bytes]:
    """One row's training; what it prints goes to a file beside the run."""
    command = [sys.executable, "-m", "imitax.cli", "train", *arguments(row, seeds, folder), "--quiet"]
    with (folder / f"{row.name}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=SHARED_CARD | os.environ)


def work(rows: list[Row], seeds: list[int], folder: Path, minutes: float, at_once: int) -> None:
    """Train until all rows are finished or the time is up."""
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    waiting = [row for row in rows if not (folder / row.name / "summary.json").exists()]
    running: dict[str, subprocess.Popen[bytes]] = {}
    end = time.monotonic() + 60 * minutes - TO_STOP
    while (waiting or running) and time.monotonic() < end:
        while waiting and len(running) < at_once:
            row = waiting.pop(0)
            running[row.name] = start(row, seeds, folder)
        for name in [name for name, process in running.items() if process.poll() is not None]:
            print(f"{name}: exit {running.pop(name).returncode}, {end - time.monotonic():.0f} s left", flush=True)
        time.sleep(0.5)
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    late = time.monotonic() + TO_STOP
    for process in running.values():
        try:
            process.wait(max(late - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()


def report(rows: list[Row], folder: Path) -> None:
    """The last evaluation of every row, as shares of the demonstrations' return where there are any."""
    for row in rows:
        lasts = []
        for path in sorted((folder / row.name).rglob("metrics.jsonl")):
            for line in [x for x in read_lines(path) if x["kind"] == "eval"][-1:]:
                share = line.get("expert_fraction")
                lasts.append((line["step"], line["return_mean"] if share is None else share))
        done = "done" if (folder / row.name / "summary.json").exists() else "unfinished"
        print(f"{row.name:28} {done:10} " + "  ".join(f"{step}: {score:.2f}" for step, score in lasts))


def main() -> None:
    """Train, and print where every row is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/together"), help="folder for the runs")
    parser.add_argument("--groups", type=int, nargs="+", default=[2, 3], metavar="GROUP", help="of the table")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="only these rows, in this order")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything")
    parser.add_argument("--at-once", type=int, default=cores(), help="most rows at one time")
    args = parser.parse_args()
    with reported():
        every = [row for n in args.groups for row in groups()[n]]
        rows = chosen(every, args.only)
    if args.only:
        rows.sort(key=lambda row: args.only.index(row.name))
    work(rows, args.seeds, args.folder, args.minutes, args.at_once)
    report(rows, args.folder)


if __name__ == "__main__":
    main()
