"""What a training run shows while it runs: a progress bar in a terminal, one line per evaluation anywhere else."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from imitax.record.scores import format_error, format_return

WIDE = 120
"""Columns from which the progress bar shows everything; below, it leaves out what can be worked out."""

SILENCE = 60.0
"""Seconds without a line after which an output that is no terminal gets one between evaluations."""


def _columns(wide: bool) -> list[ProgressColumn]:
    """Of the progress bar; those for narrow terminals take at most 80 characters with titles of up to 25."""
    done = TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}")
    left: list[ProgressColumn] = [TextColumn("[dim]left"), TimeRemainingColumn()]
    score = TextColumn("[green]{task.fields[score]}")
    if wide:
        rate = TextColumn("[cyan]{task.fields[rate]}")
        title = TextColumn("[bold]{task.description}")
        return [title, BarColumn(bar_width=24), done, rate, TimeElapsedColumn(), *left, score]
    short = Column(max_width=18, no_wrap=True, overflow="ellipsis")
    percent = TextColumn("{task.percentage:>3.0f} %")
    return [TextColumn("[bold]{task.description}", table_column=short), BarColumn(bar_width=10), percent, *left, score]


class Display:
    """The progress of a run that goes from step `start` to step `total`, both counted in `unit`.

    A terminal shows a progress bar; any other output gets one line per evaluation; a quiet console prints nothing.
    """

    def __init__(self, title: str, start: int, total: int, unit: str, console: Console):
        self.title, self.start, self.total, self.unit, self.console = title, start, total, unit, console
        self.start_time = self.last_line = time.monotonic()
        self.wide = console.width >= WIDE
        self.progress = Progress(
            *_columns(self.wide),
            console=console,
            speed_estimate_period=120,
            refresh_per_second=2,
            disable=console.quiet or not console.is_terminal,
        )
        self.task = self.progress.add_task(escape(title), total=total, completed=start, unit=unit, rate="", score="")
        self.progress.start()

    def advance(self, step: int) -> None:
        """Show that training has reached `step`."""
        self.progress.update(self.task, completed=step, rate=self._rate(step))
        if not self.console.is_terminal and time.monotonic() - self.last_line > SILENCE:
            self._line(step)

    def score(self, step: int, records: Sequence[Mapping[str, Any]]) -> None:
        """Show the mean score of the evaluations at `step`, one record per seed."""
        score = _score(records)
        shown = score if self.wide else score.partition(" of the")[0] + ")" * ("(" in score)
        self.progress.update(self.task, completed=step, score=shown)
        if not self.console.is_terminal:
            self._line(step, f"{score}  ")

    def _line(self, step: int, score: str = "") -> None:
        elapsed = time.monotonic() - self.start_time
        left = elapsed / max(step - self.start, 1) * max(self.total - step, 0)
        timing = f"{self._rate(step)}  elapsed {_clock(elapsed)}  left {_clock(left)}"
        self.message(f"{self.title}  {step:,}/{self.total:,} {self.unit}  {score}{timing}")
        self.last_line = time.monotonic()

    def message(self, text: str) -> None:
        """Print one line, above the progress bar if there is one."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the progress bar."""
        self.progress.stop()

    def _rate(self, step: int) -> str:
        elapsed = time.monotonic() - self.start_time
        return f"{(step - self.start) / max(elapsed, 1e-9):,.0f} {self.unit}/s"


def _score(records: Sequence[Mapping[str, Any]]) -> str:
    """`return 3,391 (98 % of the demonstrations)`, the means over seeds; without returns, the errors."""
    for prefix, what in (("validation_", "held-out"), ("train_", "training")):
        if all(f"{prefix}error" in record for record in records):
            return _error(records, prefix, what)
    mean = float(np.mean(np.asarray([record["return_mean"] for record in records], np.float64)))
    fractions = [record["expert_fraction"] for record in records if record.get("expert_fraction") is not None]
    known = len(fractions) == len(records)
    return f"return {format_return(mean)}" + (
        f" ({100 * np.mean(fractions):.0f} % of the demonstrations)" if known else ""
    )


def _error(records: Sequence[Mapping[str, Any]], prefix: str, what: str) -> str:
    """`held-out error 3.2 % of the action range, log-likelihood 4.1`, the means over seeds."""
    error, likelihood = (
        float(np.mean([record[prefix + name] for record in records])) for name in ("error", "log_likelihood")
    )
    whole = records[0].get("error_of", "the action range")
    return f"{what} error {format_error(error)} of {whole}, log-likelihood {likelihood:.3g}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
