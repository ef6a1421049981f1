"""Figures of several panels: training metrics, comparisons of evaluations, and the fit of a dynamics model."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from imitax.errors import DataError
from imitax.figures.curves import caption, counted, draw_seeds, seed_curves
from imitax.figures.style import COLOURS, GREY, SMALL, Records, format_steps, log_axis, no_zoom, save
from imitax.figures.words import panels, within, words

EVALUATED = re.compile("(train|validation)_(error|action_error_mode|log_likelihood)")
"""Measures of evaluations that are shown beside the metrics of training."""
HEADS = ("kind", "step", "seed", "wall_s")
MOST = 16
"""Panels of a figure of training metrics."""


def training_figure(run_metrics: Records, path: Path | str, *, title: str = "", x_label: str = "steps") -> Figure:
    """Draw the metrics of a `metrics.jsonl` to `path` as small multiples, and return the figure.

    What tells most comes first: discriminator accuracy and saturation, entropy, temperature, errors on demonstrations
    (of the evaluations), Q, rewards; then losses and all others, at most sixteen panels. Metrics that belong together
    share one. A metric with one value all along is named below instead. Thin lines are single seeds, thick ones their
    mean. Raises DataError if there is no training metric.
    """
    lines = [record for record in run_metrics if record.get("kind", "train") in ("train", "eval")]
    names, constant = training_metrics(lines)
    if not any(record.get("kind", "train") == "train" for record in lines) or not (names or constant):
        raise DataError("there is no training metric to draw")
    shown = panels(names)
    if len(shown) > MOST:
        last = list(shown)[-1]  # gradient norms, if there are any
        kept = [*list(shown)[: MOST - 1], last]
        shown = {key: shown[key] for key in kept}
    with matplotlib.rc_context(SMALL):
        rows = max(-(-len(shown) // 4), 1)
        columns = max(-(-len(shown) // rows), 1)
        figure = Figure(figsize=(max(3.1 * columns, 5), 2.3 * rows + 0.9), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
        grid = list(figure.subplots(rows, columns, squeeze=False, sharex=True).flat)
        for index, (axes, (head, members)) in enumerate(zip(grid, shown.items(), strict=False)):
            _draw_panel(axes, lines, head, members)
            axes.tick_params(labelbottom=index + columns >= len(shown))
        for axes in grid[len(shown) :]:
            axes.remove()
        figure.supxlabel(_below(lines, constant, x_label), fontsize=9, color=GREY)
        save(figure, path)
    return figure


def training_metrics(lines: Records) -> tuple[list[str], dict[str, float]]:
    """Metrics that can be drawn, and those that have one value at all steps of all seeds, with it."""
    found: dict[str, set[float | None]] = {}
    for record in lines:
        evaluation = record.get("kind", "train") == "eval"
        for name, value in record.items():
            wanted = name not in HEADS and (EVALUATED.fullmatch(name) is not None or not evaluation)
            if wanted and (value is None or isinstance(value, (int, float))):
                found.setdefault(name, set()).add(value)
    several = len({record["step"] for record in lines}) > 1
    constant = {n: float(v) for n, (v, *more) in found.items() if several and not more and v is not None}
    return [name for name in found if name not in constant], constant


def _draw_panel(axes: Axes, lines: Records, title: str, members: Sequence[str]) -> None:
    colours = COLOURS * len(members)
    for name, colour in zip(members, colours, strict=False):
        _draw_metric(axes, lines, name, colour, within(name, title) if len(members) > 1 else None)
    axes.set_xlim(left=0)
    format_steps(axes, 4)
    axes.set_title(title)
    norms = all("grad" in name for name in members)
    spread = _spread([float(y) for line in axes.lines for y in np.asarray(line.get_ydata(), np.float64)])
    if norms or spread > 300:
        log_axis(axes)
    elif any("log_likelihood" in name for name in members):
        _symmetric(axes)
    else:
        no_zoom(axes)
    if len(members) > 1:
        axes.legend(fontsize=7, labelspacing=0.2, handlelength=1.2)


def _spread(values: Sequence[float]) -> float:
    """The largest value as a multiple of the smallest; 1 if one is not positive."""
    finite = [value for value in values if np.isfinite(value)]
    return max(finite) / min(finite) if finite and min(finite) > 0 else 1.0


def _below(lines: Records, constant: Mapping[str, float], x_label: str) -> str:
    """What is not in the panels: unit of the steps, number of seeds, and metrics that never change."""
    seeds = len({record["seed"] for record in lines})
    text = f"{x_label}; " + ("one seed" if seeds == 1 else f"thin: {seeds} seeds, thick: their mean")
    if constant:
        text += "\nconstant: " + ", ".join(f"{words(name).name} {value:.4g}" for name, value in constant.items())
    return textwrap.fill(text, 150, replace_whitespace=False)


def compare(
    curves: Mapping[str, Records], measures: Sequence[str], path: Path | str, *, title: str = "", x_label: str = "steps"
) -> Figure:
    """Draw several measures of evaluations to `path`, one panel per measure and one colour per label.

    Lines are IQMs over seeds, with a 95 % band from three seeds on; single seeds are drawn up to three labels. Records
    without a measure leave a gap in its panel. Returns the figure. Raises DataError if no record has one of them.
    """
    if not any(measure in record for records in curves.values() for record in records for measure in measures):
        raise DataError(f"there is no evaluation with {', '.join(measures)} to draw")
    with matplotlib.rc_context(SMALL):
        figure = Figure(figsize=(3.6 * len(measures), 3.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
        panels = figure.subplots(1, len(measures), squeeze=False, sharex=True)[0]
        for axes, measure in zip(panels, measures, strict=True):
            for index, (label, records) in enumerate(curves.items()):
                seeds = seed_curves(records, measure)
                if seeds:
                    draw_seeds(axes, label, seeds, index, thin=len(curves) <= 3)
            axes.set_xlim(left=0)
            format_steps(axes, 4)
            axes.set_title(str(words(measure)))
            axes.set_xlabel(x_label)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            if "log_likelihood" in measure:
                _symmetric(axes)
        pairs = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
        handles = {label: handle for handle, label in pairs}
        drawn = next(m for m in measures if any(seed_curves(records, m) for records in curves.values()))
        counts = {label: len(seed_curves(records, drawn)) for label, records in curves.items()}
        equal = len(set(counts.values())) == 1
        told = [label if equal else f"{label} ({counted(counts[label])})" for label in handles]
        figure.legend(handles.values(), told, loc="outside lower center", ncols=min(len(curves), 4))
        figure.text(0.995, 0.995, caption(curves, drawn), ha="right", va="top", fontsize=8, color=GREY)
        save(figure, path)
    return figure


def _symmetric(axes: Axes) -> None:
    """A scale for what is unbounded below, as a log-likelihood where a policy is certain of a wrong action."""
    low, high = axes.dataLim.intervaly
    if np.isfinite([low, high]).all() and max(abs(low), abs(high)) > 100:
        axes.set_yscale("symlog", linthresh=20)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def dynamics_figure(report: Mapping[str, Any], path: Path | str) -> Figure:
    """Draw the quality of a fitted dynamics ensemble to `path`, and return the figure.

    `report` is the content of a run's `dynamics.json`: the held-out error of each member after each epoch, the coverage
    of central intervals, and the error of rollouts by length.
    """
    with matplotlib.rc_context(SMALL):
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        fit, calibration, rollouts = figure.subplots(1, 3)
        for member, errors in enumerate(np.transpose(report["errors"])):
            elite = member in report["elites"]
            fit.plot(range(1, len(errors) + 1), errors, color=COLOURS[0] if elite else "#BBBBBB", linewidth=1.2)
        fit.set(title="held-out error, elites in blue", xlabel="epochs", ylabel="squared error / variance")
        log_axis(fit)
        levels, shares = zip(*((float(k), v) for k, v in report["coverage"].items()), strict=True)
        calibration.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        calibration.plot(levels, shares, color=COLOURS[0], marker="o", markersize=3.5)
        calibration.set(title="coverage of central intervals", xlabel="probability", ylabel="share of outputs inside")
        steps = range(1, len(report["rollout_errors"]) + 1)
        rollouts.plot(steps, report["rollout_errors"], color=COLOURS[0])
        rollouts.set(
            title="error along recorded actions", xlabel="steps imagined", ylabel="RMS, standard deviations of the data"
        )
        rollouts.set_ylim(bottom=0)
        save(figure, path)
    return figure


def _draw_metric(axes: Axes, lines: Records, name: str, colour: str, label: str | None) -> None:
    """Draw one metric: thin lines for seeds, a thick one for their mean, labelled `label` or `name`; nulls are gaps."""
    values: dict[int, dict[int, float]] = {}  # by step and seed
    for record in lines:
        if name in record:
            values.setdefault(record["step"], {})[record["seed"]] = np.nan if record[name] is None else record[name]
    steps = sorted(values)
    seeds = sorted({seed for by_seed in values.values() for seed in by_seed})
    table = np.array([[values[step].get(seed, np.nan) for seed in seeds] for step in steps])  # [T S]
    dot: dict[str, Any] = {"marker": "o", "clip_on": False} if len(steps) == 1 else {}
    if len(seeds) > 1:
        axes.plot(steps, table, color=colour, linewidth=0.6, alpha=0.4)
    axes.plot(steps, table.mean(1), color=colour, linewidth=1.3, label=label or name, **dot)
