"""Learning curves: returns against steps, with the interquartile mean (IQM) over seeds and its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.optimize import isotonic_regression

from imitax.errors import DataError
from imitax.figures.style import COLOURS, GREY, STYLE, Records, format_steps, save
from imitax.statistics import interval, iqm

Curve = tuple[Float[np.ndarray, "_T"], Float[np.ndarray, "_T"]]
"""Steps and mean returns of one seed; seeds may differ in length."""


class _End(NamedTuple):
    """Where a line ends at the right, and how it is labelled there."""

    y: float
    label: str
    colour: str


def learning_curve(
    curves: Mapping[str, Records],
    path: Path | str,
    *,
    expert_return: float | None = None,
    random_return: float | None = None,
    title: str = "",
    x_label: str = "environment steps",
) -> Figure:
    """Draw returns against steps to `path`, a PNG or an SVG depending on its ending, and return the figure.

    `curves` maps a label to records with `seed`, `step` (or `steps`) and the `returns` of the episodes. Records without
    `returns` are skipped, so that the lines of a `metrics.jsonl` can be passed unchanged. Raises DataError if no record
    is left.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4.5), layout="constrained")
        axes = figure.subplots()
        draw_learning_curve(axes, curves, expert_return, random_return)
        axes.set(xlabel=x_label, ylabel="return")
        axes.set_title(title, pad=26)
        axes.text(0, 1.03, _caption(curves), transform=axes.transAxes, color=GREY, fontsize=10)
        save(figure, path)
    return figure


def error_curve(
    curves: Mapping[str, Records], measure: str, path: Path | str, *, title: str = "", y_label: str = "error"
) -> Figure:
    """Draw a measure of evaluations against updates to `path`, as `learning_curve` draws returns.

    For runs without an environment: `measure` is a key of their evaluations, such as `validation_error`. Raises
    DataError if no record has it.
    """
    found = {
        label: [{**record, "returns": [record[measure]]} for record in records if measure in record]
        for label, records in curves.items()
    }
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4.5), layout="constrained")
        axes = figure.subplots()
        draw_learning_curve(axes, found)
        axes.set(xlabel="updates", ylabel=y_label)
        axes.set_title(title, pad=26)
        axes.text(0, 1.03, _caption(found), transform=axes.transAxes, color=GREY, fontsize=10)
        save(figure, path)
    return figure


def draw_learning_curve(
    axes: Axes,
    curves: Mapping[str, Records],
    expert_return: float | None = None,
    random_return: float | None = None,
) -> None:
    """Draw the data of `learning_curve` onto `axes`: the IQM over seeds, with a 95 % band from three seeds on.

    Thin lines are single seeds, left out if there are more than three labels. The IQM and its band cover the steps
    that all seeds have reached, interpolated linearly where seeds were evaluated at different steps. Up to seven lines
    are labelled at their ends, more in a legend. Raises DataError if there is no record with `returns`.
    """
    by_label = {label: seed_curves(records) for label, records in curves.items()}
    if not any(by_label.values()):
        raise DataError("there is no evaluation to draw")
    ends: list[_End] = []
    for index, (label, seeds) in enumerate(by_label.items()):
        if seeds:
            ends += _draw_label(axes, label, seeds, index, thin=len(curves) <= 3)
    for value, label, style in ((expert_return, "demonstrations", "--"), (random_return, "random", ":")):
        if value is not None:
            axes.axhline(value, color=GREY, linestyle=style, linewidth=1.4, zorder=1.5, label=label)
            ends.append(_End(value, label, GREY))
    axes.margins(x=0.02, y=0.06)
    if axes.dataLim.intervaly[0] >= 0:
        axes.set_ylim(bottom=0)
    format_steps(axes, 7)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if len(ends) <= 7:
        _label_ends(axes, ends)
    else:
        _add_legend(axes, ends)


def _draw_label(axes: Axes, label: str, seeds: Mapping[int, Curve], index: int, *, thin: bool) -> list[_End]:
    """Draw the seeds of one label; returns the end of its line, or nothing if no finite value was drawn."""
    colour = COLOURS[index % len(COLOURS)]
    style = ("-", "--", "-.", ":")[index // len(COLOURS) % 4]
    marker = "o" if all(len(steps) <= 2 for steps, _ in seeds.values()) else None  # one or two points show no line
    if len(seeds) > 1 and thin:
        for seed, (steps, means) in seeds.items():
            hidden = f"_{label} seed {seed}"  # the underscore keeps it out of the legend
            axes.plot(steps, means, color=colour, linewidth=0.7, marker=marker, alpha=0.3, label=hidden)
    steps, scores = align(seeds)
    if not len(steps):
        return []
    if len(seeds) >= 3:
        low, high = np.array([interval(row) for row in scores]).T
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
        if marker:
            axes.vlines(steps, low, high, color=colour, linewidth=2.2)
    centre = np.array([iqm(row) for row in scores])
    axes.plot(steps, centre, style, color=colour, linewidth=2.2, marker=marker, label=label)
    finite = centre[np.isfinite(centre)]  # a diverged run is labelled at its last finite value
    return [_End(float(finite[-1]), label, colour)] if len(finite) else []


def seed_curves(records: Records) -> dict[int, Curve]:
    """Steps and mean returns [T] of each seed, by step. A later record replaces an earlier one of the same step."""
    points: dict[int, dict[int, float]] = {}
    for record in records:
        if record.get("returns"):
            step = record["step"] if "step" in record else record["steps"]
            returns = np.asarray(record["returns"], np.float64)  # a null in the file becomes NaN
            points.setdefault(record["seed"], {})[step] = float(returns.mean())
    return {seed: tuple(np.array(sorted(curve.items()), np.float64).T) for seed, curve in sorted(points.items())}


def align(seeds: Mapping[int, Curve]) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, "G S"]]:
    """Steps [G] that every seed has reached, and each seed's mean return there, interpolated between evaluations."""
    first = max(steps[0] for steps, _ in seeds.values())
    last = min(steps[-1] for steps, _ in seeds.values())
    grid = np.unique(np.concatenate([steps for steps, _ in seeds.values()]))
    grid = grid[(grid >= first) & (grid <= last)]
    return grid, np.stack([np.interp(grid, steps, means) for steps, means in seeds.values()], axis=1)


def _label_ends(axes: Axes, ends: Sequence[_End]) -> None:
    """Label lines at the right edge, moved apart by as little as keeps the labels legible."""
    ends = sorted(ends)
    axes.get_ylim()  # updates the limits to the data, which transData alone does not
    gap = 0.062  # height of a line of text, as a share of the axes' height
    wanted = axes.transAxes.inverted().transform(axes.transData.transform([(0, end.y) for end in ends]))[:, 1]
    offsets = gap * np.arange(len(ends))
    heights = isotonic_regression(wanted - offsets).x + offsets
    for height, (_, label, colour) in zip(heights, ends, strict=True):
        axes.annotate(
            label, (1.015, height), xycoords="axes fraction", va="center", color=colour, annotation_clip=False
        )


def _add_legend(axes: Axes, ends: Sequence[_End]) -> None:
    """A legend beside the axes, in the order in which the lines end."""
    handles, labels = axes.get_legend_handles_labels()
    height = {end.label: end.y for end in ends}
    order = sorted(range(len(labels)), key=lambda i: -height.get(labels[i], 0))
    anchor = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    axes.legend([handles[i] for i in order], [labels[i] for i in order], **anchor)


def _caption(curves: Mapping[str, Records]) -> str:
    """The statistic and the number of seeds, so that the figure is complete on its own."""
    counts = sorted({len(seeds) for records in curves.values() if (seeds := seed_curves(records))})
    many = "1 seed" if counts == [1] else " or ".join(map(str, counts)) + " seeds"
    if counts[-1] < 3:
        return f"mean over {many}" if counts[-1] > 1 else many
    return f"interquartile mean over {many}, with 95 % bootstrap interval" + " from 3 seeds on" * (counts[0] < 3)
