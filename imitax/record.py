"""Metrics of a run: one JSON line each, and if asked for TensorBoard, Weights & Biases and a live terminal.

The loop calls a `Recorder` between chunks, with metrics that are already on the host.
"""

import importlib
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from imitax.errors import ConfigError
from imitax.files import append_line, line, plain, read_lines, write_atomic
from imitax.statistics import interval, iqm

SinkName = Literal["tensorboard", "wandb"]


class Recorder:
    """Writes what a run reports. A context manager: leaving it closes the terminal display and the sinks.

    `run_dir` gets `metrics.jsonl`, or one `seed-N/metrics.jsonl` for each of several `seeds`, with the lines
    `{"kind": "train", "step", "seed", "wall_s", ...metrics}` and `{"kind": "eval", ..., ...record}`; `wall_s` is in
    seconds, and values that are not finite are written as null. `total_steps` counts in `unit` (environment steps
    online, updates offline). `resumed_at` is the step of the checkpoint that the run continues from, None for a new
    run: what an interrupted run recorded after it is dropped, so that no step is recorded twice.

    A terminal shows a progress bar; any other output gets one line for each evaluation; `quiet` prints nothing.
    Raises ConfigError when a sink's package is missing.
    """

    def __init__(
        self,
        run_dir: Path | str,
        sinks: Sequence[SinkName],
        seeds: Sequence[int],
        total_steps: int,
        quiet: bool,
        title: str,
        config: Mapping[str, Any],
        *,
        resumed_at: int | None = None,
        unit: str = "steps",
        console: Console | None = None,
    ):
        self.seeds, self.total_steps, self.title, self.unit = list(seeds), total_steps, title, unit
        self.folders = {seed: seed_folder(run_dir, seeds, seed) for seed in seeds}
        self.sinks: list[Sink] = [
            TensorBoard(self.folders, resumed_at) if sink == "tensorboard" else WandB(run_dir, seeds, title, config)
            for sink in sinks
        ]
        if resumed_at is not None:
            for folder in self.folders.values():
                truncate_metrics(folder / "metrics.jsonl", resumed_at)
        self.start_step = resumed_at or 0
        self.start_time = time.monotonic()
        self.scores: dict[int, Mapping[str, Any]] = {}  # of the evaluation under way, by seed
        self.console = Console(quiet=True) if quiet else console or Console()
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
            TextColumn("[cyan]{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("[dim]left"),
            TimeRemainingColumn(),
            TextColumn("[green]{task.fields[score]}"),
            console=self.console,
            speed_estimate_period=120,
            refresh_per_second=2,
            disable=quiet or not self.console.is_terminal,
        )
        self.task = self.progress.add_task(
            escape(title), total=total_steps, completed=self.start_step, unit=unit, rate="", score=""
        )
        self.progress.start()

    def training(self, step: int, metrics: Mapping[str, Any], wall_s: float) -> None:
        """Records the metrics of a chunk that ended at `step`.

        Each metric is an array [S], one value a seed in the order of `seeds`, or one scalar for all of them. Raises
        ValueError for an array of another length.
        """
        by_seed = {name: np.broadcast_to(np.asarray(value), len(self.seeds)) for name, value in metrics.items()}
        for index, seed in enumerate(self.seeds):
            self._write("train", step, seed, wall_s, {name: values[index] for name, values in by_seed.items()})
        self.progress.update(self.task, completed=step, rate=self._rate(step))

    def evaluation(self, step: int, seed: int, record: Mapping[str, Any], wall_s: float) -> None:
        """Records one seed's evaluation at `step`.

        `record` holds `return_mean` and whatever else is known: `returns` and `lengths` by episode,
        `expert_fraction`, `d4rl`. The terminal shows the mean over seeds once all seeds have reported.
        """
        self._write("eval", step, seed, wall_s, record)
        self.scores[seed] = record
        if len(self.scores) < len(self.seeds):
            return
        score = self._score()
        self.scores = {}
        self.progress.update(self.task, completed=step, score=score)
        if not self.console.is_terminal:
            elapsed = time.monotonic() - self.start_time
            left = elapsed / max(step - self.start_step, 1) * max(self.total_steps - step, 0)
            timing = f"{self._rate(step)}  elapsed {_clock(elapsed)}  left {_clock(left)}"
            self.message(f"{self.title}  {step:,}/{self.total_steps:,} {self.unit}  {score}  {timing}")

    def message(self, text: str) -> None:
        """Prints one line, above the progress bar if there is one."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Ends the terminal display and flushes the sinks; closing again does nothing."""
        self.progress.stop()
        while self.sinks:
            self.sinks.pop().close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, kind: str, step: int, seed: int, wall_s: float, values: Mapping[str, Any]) -> None:
        values = plain(values)
        head = {"kind": kind, "step": step, "seed": seed, "wall_s": round(wall_s, 3)}
        append_line(
            self.folders[seed] / "metrics.jsonl", {**head, **values, **head}
        )  # a metric never replaces the head
        scalars = {f"{kind}/{name}": float(value) for name, value in values.items() if isinstance(value, (int, float))}
        for sink in self.sinks:
            sink.write(step, seed, scalars)

    def _rate(self, step: int) -> str:
        elapsed = time.monotonic() - self.start_time
        return f"{(step - self.start_step) / max(elapsed, 1e-9):,.0f} {self.unit}/s"

    def _score(self) -> str:
        """`return 3,391 (98 % of the demonstrations)`, the means over seeds."""
        records = self.scores.values()
        mean = float(np.mean(np.asarray([record["return_mean"] for record in records], np.float64)))
        fractions = [record["expert_fraction"] for record in records if record.get("expert_fraction") is not None]
        known = len(fractions) == len(records)
        return f"return {_number(mean)}" + (
            f" ({100 * np.mean(fractions):.0f} % of the demonstrations)" if known else ""
        )


def seed_folder(run_dir: Path | str, seeds: Sequence[int], seed: int) -> Path:
    """Where a seed's files are: `run_dir` when it is the only seed, else `run_dir/seed-N`."""
    return Path(run_dir) if len(seeds) == 1 else Path(run_dir) / f"seed-{seed}"


def truncate_metrics(path: Path | str, last_step: int) -> None:
    """Drops the lines after `last_step`, and a torn last line, in one atomic rewrite; no file is no work.

    Raises CheckpointError when the file is damaged elsewhere.
    """
    if Path(path).exists():
        write_atomic(path, b"".join(line(record) for record in read_lines(path) if record["step"] <= last_step))


class Sink(Protocol):
    """Where numbers go beside the run folder."""

    def write(self, step: int, seed: int, scalars: Mapping[str, float]) -> None:
        """Takes one seed's named numbers at a step."""
        ...

    def close(self) -> None:
        """Flushes."""
        ...


class TensorBoard:
    """Event files in a `tensorboard` folder for each seed, so that seeds show as runs to compare.

    `resumed_at` hides the events that an interrupted run wrote after that step.
    """

    def __init__(self, folders: Mapping[int, Path], resumed_at: int | None):
        writer = _import("tensorboardX", "tensorboard").SummaryWriter
        purge = None if resumed_at is None else resumed_at + 1
        suffix = f".{time.time_ns()}"  # a run resumed within a second would overwrite the interrupted one's file
        self.writers = {
            seed: writer(str(folder / "tensorboard"), purge_step=purge, filename_suffix=suffix)
            for seed, folder in folders.items()
        }

    def write(self, step: int, seed: int, scalars: Mapping[str, float]) -> None:
        """Adds the numbers as scalars."""
        for name, value in scalars.items():
            self.writers[seed].add_scalar(name, value, step)

    def close(self) -> None:
        """Flushes and closes the event files."""
        for writer in self.writers.values():
            writer.close()


class WandB:
    """One Weights & Biases run, in the project of WANDB_PROJECT or `imitax`; several seeds are prefixes `seed-N/`.

    The run's id is kept in `run_dir/wandb-id.txt`, so that a resumed run continues it. Steps are logged as the metric
    `step`, not as W&B's own counter, which refuses to go back to a checkpoint.
    """

    def __init__(self, run_dir: Path | str, seeds: Sequence[int], title: str, config: Mapping[str, Any]):
        wandb = _import("wandb", "wandb")
        id_file = Path(run_dir) / "wandb-id.txt"
        if not id_file.exists():
            write_atomic(id_file, secrets.token_hex(4).encode())
        self.several = len(seeds) > 1
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "imitax"),
            id=id_file.read_text().strip(),
            resume="allow",
            name=title,
            config=plain(config),
            dir=str(run_dir),
        )
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    def write(self, step: int, seed: int, scalars: Mapping[str, float]) -> None:
        """Logs the numbers with their step."""
        prefix = f"seed-{seed}/" if self.several else ""
        self.run.log({"step": step} | {prefix + name: value for name, value in scalars.items()})

    def close(self) -> None:
        """Finishes the run's upload."""
        self.run.finish()


def score_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """A table of evaluation scores, one row a seed, and the IQM over several seeds with its 95 % interval.

    Each row holds `seed`, `returns`, `lengths` and, where known, `expert_fraction` and `d4rl`; rows with a `label`
    ("last", "best") are grouped by it. ± is the standard deviation over a seed's episodes, the brackets the bootstrap
    interval across seeds, which takes three seeds or more.
    """
    labels = list(dict.fromkeys(row.get("label") for row in rows))
    table = Table(title=title or None, title_justify="left", title_style="bold")
    if labels != [None]:
        table.add_column("policy")
    table.add_column("seed", justify="right")
    for column in ("return ± sd", "length", "of demonstrations", "D4RL"):
        table.add_column(column, justify="right")

    for label in labels:
        group = [row for row in rows if row.get("label") == label]
        first = [] if labels == [None] else [label or ""]
        for row in group:
            returns = np.asarray(row["returns"], np.float64)
            spread = f" ± {_number(returns.std(ddof=1))}" if len(returns) > 1 else ""
            table.add_row(
                *first,
                str(row["seed"]),
                _number(returns.mean()) + spread,
                f"{np.mean(row['lengths']):,.0f}",
                _cell([row.get("expert_fraction")], "{:.1%}".format),
                _cell([row.get("d4rl")], "{:.1f}".format),
            )
        if len(group) == 1:
            continue
        table.add_section()
        table.add_row(
            *first,
            "IQM",
            _cell([float(np.mean(row["returns"])) for row in group], _number),
            "",
            _cell([row.get("expert_fraction") for row in group], "{:.1%}".format),
            _cell([row.get("d4rl") for row in group], "{:.1f}".format),
            style="bold",
            end_section=True,
        )
    return table


def _cell(values: Sequence[float | None], form: Callable[[float], str]) -> str:
    """The IQM of the values, with its interval when there is one; a dash when a value is unknown."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "-"
    low, high = interval(known)
    return form(iqm(known)) + ("" if np.isnan(low) else f" [{form(low)}, {form(high)}]")


def _number(value: float) -> str:
    """A return, with decimals only where they count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _import(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"recording to {extra} needs a package: pip install 'imitax[{extra}]'") from error
