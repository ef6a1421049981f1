"""`imitax plot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from imitax.cli.compare import labelled
from imitax.cli.parsing import parse
from imitax.errors import ConfigError

if TYPE_CHECKING:
    from imitax.comparison import Entry

KINDS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Plot:
    """Draw learning curves of runs, or with --metrics and --training what they recorded in training.

    Runs may still be training.
    """

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Folders of runs. Runs with equal settings are seeds of one line; LABEL=RUN puts a run under a label."""
    out: Path = Path("plot.png")
    """Where to: a PNG, SVG or PDF."""
    metrics: tuple[str, ...] = ()
    """Draw these metrics, a panel each, such as entropy q validation_error."""
    training: bool = False
    """Draw all training metrics of one run."""
    title: str = ""
    """Of the figure; by default the task."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Plot = parse(Plot, args, "imitax plot")
    if order.out.suffix.lower() not in KINDS:
        raise ConfigError(f"--out ends in {', '.join(KINDS)}, got {str(order.out)!r}")
    from imitax.comparison import gather

    entries = gather(labelled(order.runs))  # pyright: ignore[reportArgumentType]
    if order.training and (len(entries) > 1 or order.metrics):
        raise ConfigError("--training draws one run: give one, without --metrics")
    _draw(order, entries)
    print(f"figure: {order.out}")
    return 0


def _draw(order: Plot, entries: list[Entry]) -> None:
    from imitax import figures

    first, records = entries[0], {}
    for entry in entries:
        records.setdefault(entry.label, []).extend(entry.lines)
    units = {entry.unit for entry in entries}
    tasks = list(dict.fromkeys(entry.task for entry in entries))
    title, x_label = order.title or ", ".join(tasks), units.pop() if len(units) == 1 else "steps"
    if order.training:
        title = order.title or f"{first.label} on {first.task}"
        figures.training_figure(first.lines, order.out, title=title, x_label=x_label)
        return
    if order.metrics:
        known = sorted({name for lines in records.values() for line in lines for name in line})
        missing = [name for name in order.metrics if name not in known]
        if missing:
            raise ConfigError(f"no run has recorded {', '.join(missing)}; there are {', '.join(known)}")
        figures.compare(records, order.metrics, order.out, title=title, x_label=x_label)
        return
    measures = {entry.measure for entry in entries}
    if len(tasks) > 1 or len(measures) > 1:
        raise ConfigError(f"a plot shows one task, these are runs of {', '.join(tasks)}: draw them one by one")
    if not first.has_env:
        figures.error_curve(records, measures.pop(), order.out, title=title, y_label="error, share")
        return
    returns = {entry.run.config.get("expert_return") for entry in entries}
    expert = returns.pop() if len(returns) == 1 else None
    figures.learning_curve(records, order.out, expert_return=expert, title=title, x_label=x_label)
