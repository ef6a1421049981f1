"""Figures of several panels: training metrics, comparisons of evaluations, and the fit of a dynamics model."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from imitax.errors import DataError
from imitax.figures.style import COLOURS, GREY, SMALL, Records, format_steps, save

PANELS = ("loss", "imitation|objective", "penalty", r"\bq|value", "reward", "entropy|log_?p", "temperature|alpha", "")
"""Order of the panels of `training_figure`: patterns of metric names; the last one matches all other metrics."""


def training_figure(run_metrics: Records, path: Path | str, *, title: str = "", x_label: str = "steps") -> Figure:
    """Draw the training metrics of a `metrics.jsonl` to `path` as small multiples, and return the figure.

    Lines of kind "eval" are skipped. There are at most eight panels: losses first, then penalties, Q, reward, entropy,
    temperature and other metrics. Gradient norms share one panel with a log scale. Thin lines are single seeds, thick
    ones their mean. Raises DataError if there is no training metric.
    """
    lines = [record for record in run_metrics if record.get("kind", "train") == "train"]
    panels, norms = _training_panels(lines)
    if not panels:
        raise DataError("there is no training metric to draw")
    with matplotlib.rc_context(SMALL):
        rows = -(-len(panels) // 4)
        columns = -(-len(panels) // rows)
        figure = Figure(figsize=(max(3.1 * columns, 5), 2.3 * rows + 0.5), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True).flat
        for index, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            for name, colour in zip(panel, COLOURS * len(panel), strict=False):
                _draw_metric(axes, lines, name, colour)
            format_steps(axes, 4)
            axes.tick_params(labelbottom=index + columns >= len(panels))
            axes.set_title(panel[0] if panel is not norms else "gradient norms" if len(norms) > 1 else norms[0])
            if panel is norms:
                axes.set_yscale("log")
                if len(norms) > 1:
                    axes.legend(fontsize=8)
        for axes in list(figure.axes)[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel(x_label, fontsize=10)
        save(figure, path)
    return figure


def _training_panels(lines: Records) -> tuple[list[list[str]], list[str]]:
    """The metric names of each panel, and the gradient norms, which if there are any are the last panel."""
    heads = ("kind", "step", "seed", "wall_s")
    names = list(dict.fromkeys(name for record in lines for name in record if name not in heads))
    norms = [name for name in names if "grad" in name and "penalty" not in name]
    rank = {name: next(i for i, pattern in enumerate(PANELS) if re.search(pattern, name)) for name in names}
    panels = [[name] for name in sorted(set(names) - set(norms), key=lambda name: (rank[name], names.index(name)))]
    return ([*panels[:7], norms] if norms else panels[:8]), norms


def compare(
    curves: Mapping[str, Records], measures: Sequence[str], path: Path | str, *, title: str = "", x_label: str = "steps"
) -> Figure:
    """Draw several measures of evaluations to `path`, one panel per measure and one colour per label.

    Thin lines are single seeds, thick ones their mean. Records without a measure leave a gap in its panel. Returns the
    figure. Raises DataError if no record has any of the measures.
    """
    if not any(measure in record for records in curves.values() for record in records for measure in measures):
        raise DataError(f"there is no evaluation with {', '.join(measures)} to draw")
    with matplotlib.rc_context(SMALL):
        figure = Figure(figsize=(3.6 * len(measures), 3.4), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
        panels = figure.subplots(1, len(measures), squeeze=False)[0]
        for axes, measure in zip(panels, measures, strict=True):
            for (label, records), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
                _draw_metric(axes, records, measure, colour, label)
            format_steps(axes, 4)
            axes.set_title(measure.replace("_", " "))
            axes.set_xlabel(x_label)
            if "log_likelihood" in measure:  # unbounded below where a policy is certain of a wrong action
                axes.set_yscale("symlog", linthresh=20)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(curves), 4))
        save(figure, path)
    return figure


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
        fit.set_yscale("log")
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


def _draw_metric(axes: Axes, lines: Records, name: str, colour: str, label: str | None = None) -> None:
    """Draw one metric: thin lines for seeds, a thick one for their mean, labelled `label` or `name`; nulls are gaps."""
    values: dict[int, dict[int, float]] = {}  # by step and seed
    for record in lines:
        if name in record:
            values.setdefault(record["step"], {})[record["seed"]] = np.nan if record[name] is None else record[name]
    if not values:
        return
    steps = sorted(values)
    seeds = sorted({seed for by_seed in values.values() for seed in by_seed})
    table = np.array([[values[step].get(seed, np.nan) for seed in seeds] for step in steps])  # [T S]
    marker = "o" if len(steps) == 1 else None
    if len(seeds) > 1:
        axes.plot(steps, table, color=colour, linewidth=0.6, alpha=0.4)
    axes.plot(steps, table.mean(1), color=colour, linewidth=1.3, marker=marker, label=label or name)
