"""Figures of runs: learning curves across seeds, and what a training run measured on the way.

Plain Matplotlib figures without pyplot's global state; colours are those of Okabe and Ito (2008), which colour-blind
readers tell apart.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.optimize import isotonic_regression

from imitax.errors import DataError
from imitax.files import write_atomic
from imitax.statistics import interval, iqm

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#666666"
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "svg.hashsalt": "imitax",  # equal figures give equal files
}
SMALL: dict[Any, Any] = STYLE | {"font.size": 9, "axes.titlesize": 10, "axes.titleweight": "normal"}
PANELS = ("loss", "imitation|objective", "penalty", r"\bq|value", "reward", "entropy|log_?p", "temperature|alpha", "")
"""What `training_figure` shows first: patterns of metric names, the empty one for all others."""

Curve = tuple[Float[np.ndarray, "_T"], Float[np.ndarray, "_T"]]  # steps and mean returns; seeds differ in length
Records = Sequence[Mapping[str, Any]]


def learning_curve(
    curves: Mapping[str, Records],
    path: Path | str,
    *,
    expert_return: float | None = None,
    expert_label: str = "demonstrations",
    random_return: float | None = None,
    title: str = "",
    x_label: str = "environment steps",
) -> Figure:
    """Draws returns against steps to `path`, a PNG or an SVG by its ending, and returns the figure.

    `curves` maps a label to records with `seed`, `step` (or `steps`) and the episodes' `returns`; records without
    `returns` are skipped, so that the lines of a `metrics.jsonl` can be passed as they are. Raises DataError when no
    record is left.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4.5), layout="constrained")
        axes = figure.subplots()
        draw_learning_curve(axes, curves, expert_return, expert_label, random_return)
        axes.set(xlabel=x_label, ylabel="return")
        axes.set_title(title, pad=26)
        axes.text(0, 1.03, _caption(curves), transform=axes.transAxes, color=GREY, fontsize=10)
        _save(figure, path)
    return figure


def dynamics_figure(report: Mapping[str, Any], path: Path | str) -> Figure:
    """Draws how well a dynamics ensemble was fitted to `path`, and returns the figure.

    `report` is what a run's `dynamics.json` holds: held-out error of each member after each epoch, coverage of
    central intervals, and the error of rollouts against their length.
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
        _save(figure, path)
    return figure


def draw_learning_curve(
    axes: Axes,
    curves: Mapping[str, Records],
    expert_return: float | None = None,
    expert_label: str = "demonstrations",
    random_return: float | None = None,
) -> None:
    """Draws `learning_curve`'s data onto `axes`: per label the IQM over seeds, with a 95 % band from three seeds on.

    Thin lines are single seeds, left out when there are more than three labels. The IQM and its band cover the steps
    that all seeds have reached, interpolated linearly where seeds were evaluated at different steps. Up to seven lines
    are named at their ends, more in a legend. Raises DataError when there is no record with `returns`.
    """
    if not any(seed_curves(records) for records in curves.values()):
        raise DataError("there is no evaluation to draw")
    ends: list[tuple[float, str, str]] = []
    for index, (label, records) in enumerate(curves.items()):
        seeds = seed_curves(records)
        if not seeds:
            continue
        colour = COLOURS[index % len(COLOURS)]
        style = ("-", "--", "-.", ":")[index // len(COLOURS) % 4]
        few = "o" if all(len(steps) <= 2 for steps, _ in seeds.values()) else None  # a line needs points to be seen
        if len(seeds) > 1 and len(curves) <= 3:
            for seed, (steps, means) in seeds.items():
                axes.plot(
                    steps, means, color=colour, linewidth=0.7, marker=few, alpha=0.3, label=f"_{label} seed {seed}"
                )
        steps, scores = align(seeds)
        if not len(steps):
            continue
        low, high = np.array([interval(row) for row in scores]).T
        if len(seeds) >= 3:
            axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
            if few:
                axes.vlines(steps, low, high, color=colour, linewidth=2.2)
        centre = np.array([iqm(row) for row in scores])
        axes.plot(steps, centre, style, color=colour, linewidth=2.2, marker=few, label=label)
        if len(finite := centre[np.isfinite(centre)]):  # a diverged run is named where it was last seen
            ends.append((float(finite[-1]), label, colour))
    for value, label, style in ((expert_return, expert_label, "--"), (random_return, "random", ":")):
        if value is not None:
            axes.axhline(value, color=GREY, linestyle=style, linewidth=1.4, zorder=1.5, label=label)
            ends.append((value, label, GREY))

    axes.margins(x=0.02, y=0.06)
    low, high = axes.dataLim.intervaly
    if low >= 0:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if len(ends) <= 7:
        _label_ends(axes, ends)
    else:
        handles, labels = axes.get_legend_handles_labels()
        height = {label: value for value, label, _ in ends}
        order = sorted(
            range(len(labels)), key=lambda i: -height.get(labels[i], 0)
        )  # as the lines stand at the right edge
        anchor = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        axes.legend([handles[i] for i in order], [labels[i] for i in order], **anchor)


def seed_curves(records: Records) -> dict[int, Curve]:
    """Steps and mean returns [T] of each seed, by step; where a step was recorded twice the later record counts."""
    points: dict[int, dict[int, float]] = {}
    for record in records:
        if record.get("returns"):
            step = record["step"] if "step" in record else record["steps"]
            returns = np.asarray(record["returns"], np.float64)  # a null in the file is NaN here
            points.setdefault(record["seed"], {})[step] = float(returns.mean())
    return {seed: tuple(np.array(sorted(curve.items()), np.float64).T) for seed, curve in sorted(points.items())}


def align(seeds: Mapping[int, Curve]) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, "G S"]]:
    """Steps [G] that every seed has reached, and each seed's mean return there, interpolated between evaluations."""
    first = max(steps[0] for steps, _ in seeds.values())
    last = min(steps[-1] for steps, _ in seeds.values())
    grid = np.unique(np.concatenate([steps for steps, _ in seeds.values()]))
    grid = grid[(grid >= first) & (grid <= last)]
    return grid, np.stack([np.interp(grid, steps, means) for steps, means in seeds.values()], axis=1)


def thousands(value: float) -> str:
    """A step count for an axis: 500, 20k, 1.5M."""
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{suffix}"
    return f"{value:g}"


def training_figure(run_metrics: Records, path: Path | str, *, title: str = "", x_label: str = "steps") -> Figure:
    """Draws the training metrics of a `metrics.jsonl` to `path` as small multiples, and returns the figure.

    Lines of kind "eval" are skipped. At most eight panels: losses first, then penalties, Q, reward, entropy,
    temperature and what else there is; norms of gradients share a panel on a log scale. Thin lines are seeds, the thick
    one is their mean. Raises DataError when there is no training metric.
    """
    lines = [record for record in run_metrics if record.get("kind", "train") == "train"]
    heads = ("kind", "step", "seed", "wall_s")
    names = list(dict.fromkeys(name for record in lines for name in record if name not in heads))
    norms = [name for name in names if "grad" in name and "penalty" not in name]
    rank = {name: next(i for i, pattern in enumerate(PANELS) if re.search(pattern, name)) for name in names}
    panels = [[name] for name in sorted(set(names) - set(norms), key=lambda name: (rank[name], names.index(name)))]
    panels = [*panels[:7], norms] if norms else panels[:8]
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
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
            axes.tick_params(labelbottom=index + columns >= len(panels))
            axes.set_title(panel[0] if panel is not norms else "gradient norms" if len(norms) > 1 else norms[0])
            if panel is norms:
                axes.set_yscale("log")
                if len(norms) > 1:
                    axes.legend(fontsize=8)
        for axes in list(figure.axes)[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel(x_label, fontsize=10)
        _save(figure, path)
    return figure


def compare(
    curves: Mapping[str, Records], measures: Sequence[str], path: Path | str, *, title: str = "", x_label: str = "steps"
) -> Figure:
    """Draws what evaluations measured, one panel a measure and one colour a label, to `path`; returns the figure.

    Thin lines are seeds, thick ones their means. Records without a measure leave a gap in its panel. Raises DataError
    when no record has any of the measures.
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
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))
            axes.set_title(measure.replace("_", " "))
            axes.set_xlabel(x_label)
            if "log_likelihood" in measure:  # falls without bound where a policy is sure of the wrong action
                axes.set_yscale("symlog", linthresh=20)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(curves), 4))
        _save(figure, path)
    return figure


def _draw_metric(axes: Axes, lines: Records, name: str, colour: str, label: str | None = None) -> None:
    """One metric: a thin line a seed, a thick one for their mean, named `label` or like the metric; nulls are gaps."""
    values: dict[int, dict[int, float]] = {}  # by step and seed
    for record in lines:
        if name in record:
            values.setdefault(record["step"], {})[record["seed"]] = np.nan if record[name] is None else record[name]
    if not values:
        return
    steps = sorted(values)
    seeds = sorted({seed for row in values.values() for seed in row})
    table = np.array([[values[step].get(seed, np.nan) for seed in seeds] for step in steps])  # [T S]
    marker = "o" if len(steps) == 1 else None
    if len(seeds) > 1:
        axes.plot(steps, table, color=colour, linewidth=0.6, alpha=0.4)
    axes.plot(steps, table.mean(1), color=colour, linewidth=1.3, marker=marker, label=label or name)


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names lines (y, label, colour) at the right edge, moved apart by as little as keeps the names legible."""
    ends = sorted(ends)
    axes.get_ylim()  # the limits follow the data when they are asked for, and transData does not ask
    gap = 0.062  # a line of text, as a share of the axes' height
    wanted = axes.transAxes.inverted().transform(axes.transData.transform([(0, y) for y, _, _ in ends]))[:, 1]
    ladder = gap * np.arange(len(ends))
    heights = isotonic_regression(wanted - ladder).x + ladder
    for height, (_, label, colour) in zip(heights, ends, strict=True):
        axes.annotate(
            label, (1.015, height), xycoords="axes fraction", va="center", color=colour, annotation_clip=False
        )


def _caption(curves: Mapping[str, Records]) -> str:
    """What the lines mean, so that a figure that travels alone stays honest."""
    counts = sorted({len(seeds) for records in curves.values() if (seeds := seed_curves(records))})
    many = "1 seed" if counts == [1] else " or ".join(map(str, counts)) + " seeds"
    if counts[-1] < 3:
        return f"mean over {many}" if counts[-1] > 1 else many
    return f"interquartile mean over {many}, with 95 % bootstrap interval" + " from 3 seeds on" * (counts[0] < 3)


def _save(figure: Figure, path: Path | str) -> None:
    kind = Path(path).suffix.lstrip(".") or "png"
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_atomic(path, buffer.getvalue())
