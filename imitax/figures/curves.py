"""Learning curves: returns against steps, with the interquartile mean (IQM) over seeds and its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
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
    x: float = float("inf")
    """Step; infinite for a line across the whole plot."""


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
        axes.text(0, 1.03, caption(curves), transform=axes.transAxes, color=GREY, fontsize=10)
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
        axes.text(0, 1.03, caption(found), transform=axes.transAxes, color=GREY, fontsize=10)
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
    equal = len({len(seeds) for seeds in by_label.values() if seeds}) == 1
    ends: list[_End] = []
    for index, (label, seeds) in enumerate(by_label.items()):
        end = draw_seeds(axes, label, seeds, index, thin=len(curves) <= 3) if seeds else None
        if end is not None:
            ends.append(end if equal else end._replace(label=f"{label} ({counted(len(seeds))})"))
    _frame(axes, expert_return)
    for value, label, style in ((expert_return, "demonstrations", "--"), (random_return, "random", ":")):
        if value is not None:
            axes.axhline(value, color=GREY, linestyle=style, linewidth=1.4, zorder=1.5, label=label)
            ends.append(_End(value, label, GREY))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if len(ends) <= 7:
        _label_ends(axes, ends)
    else:
        _add_legend(axes, ends)


def _frame(axes: Axes, *levels: float | None) -> None:
    """Limits that begin at step 0, and at 0 where that costs the curves less than half of the height."""
    known = [level for level in levels if level is not None]
    low, high = min([axes.dataLim.intervaly[0], *known]), max([axes.dataLim.intervaly[1], *known])
    if not np.isfinite([low, high]).all():
        return
    span = max(high - low, 0.05 * max(abs(low), abs(high)), 1e-12)  # what is nearly constant is not blown up
    middle, half = (low + high) / 2, 0.56 * span
    axes.set_ylim(0 if 0 <= low <= 0.5 * high else middle - half, middle + half)
    last = axes.dataLim.intervalx[1]
    axes.set_xlim(-0.01 * last if last else -0.5, 1.02 * last if last else 0.5)
    format_steps(axes, 7)


def draw_seeds(axes: Axes, label: str, seeds: Mapping[int, Curve], index: int, *, thin: bool) -> _End | None:
    """Draw the seeds of one label: the IQM, its band from three seeds on, and where `thin`, single seeds.

    Returns where its line ends; None if no finite value was drawn.
    """
    colour = COLOURS[index % len(COLOURS)]
    style = ("-", "--", "-.", ":")[index // len(COLOURS) % 4]
    dots: dict[str, Any] = {}
    if all(len(steps) <= 2 for steps, _ in seeds.values()):  # one or two points show no line
        dots = {"marker": "o", "clip_on": False}
    if len(seeds) > 1 and thin:
        for seed, (steps, means) in seeds.items():
            hidden = f"_{label} seed {seed}"  # the underscore keeps it out of the legend
            axes.plot(steps, means, color=colour, linewidth=0.7, alpha=0.3, label=hidden, **dots)
    steps, scores = align(seeds)
    if not len(steps):
        return None
    if len(seeds) >= 3:
        low, high = np.array([interval(row) for row in scores]).T
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
        if dots:
            axes.vlines(steps, low, high, color=colour, linewidth=2.2)
    centre = np.array([iqm(row) for row in scores])
    axes.plot(steps, centre, style, color=colour, linewidth=2.2, label=label, **dots)
    finite = np.flatnonzero(np.isfinite(centre))  # a diverged run is labelled at its last finite value
    return _End(float(centre[finite[-1]]), label, colour, float(steps[finite[-1]])) if len(finite) else None


def seed_curves(records: Records, measure: str = "returns") -> dict[int, Curve]:
    """Steps and values of each seed, by step; of returns, means. A later record of a step replaces an earlier one."""
    points: dict[int, dict[int, float]] = {}
    for record in records:
        if measure in record and not (measure == "returns" and not record[measure]):
            step = record["step"] if "step" in record else record["steps"]
            values = np.asarray(record[measure], np.float64)  # a null in the file becomes NaN
            points.setdefault(record["seed"], {})[step] = float(values.mean())
    return {seed: tuple(np.array(sorted(curve.items()), np.float64).T) for seed, curve in sorted(points.items())}


def align(seeds: Mapping[int, Curve]) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, "G S"]]:
    """Steps [G] that every seed has reached, and each seed's mean return there, interpolated between evaluations."""
    first = max(steps[0] for steps, _ in seeds.values())
    last = min(steps[-1] for steps, _ in seeds.values())
    grid = np.unique(np.concatenate([steps for steps, _ in seeds.values()]))
    grid = grid[(grid >= first) & (grid <= last)]
    return grid, np.stack([np.interp(grid, steps, means) for steps, means in seeds.values()], axis=1)


def _label_ends(axes: Axes, ends: Sequence[_End]) -> None:
    """Label lines at the right edge, moved apart by as little as keeps the labels legible.

    Lines that end well before the edge are labelled where they end.
    """
    edge = 0.85 * axes.get_xlim()[1]
    halo = [withStroke(linewidth=3, foreground="white")]
    early, others = [end for end in ends if end.x < edge], [end for end in ends if end.x >= edge]
    for group in (sorted(early), sorted(others)):
        for height, end in zip(_apart(axes, group), group, strict=True):
            x = 1.0 if end.x >= edge else end.x / axes.get_xlim()[1]
            place: dict[str, Any] = {"xycoords": "axes fraction", "annotation_clip": False, "path_effects": halo}
            axes.annotate(end.label, (x + 0.015, height), va="center", color=end.colour, **place)


def _apart(axes: Axes, ends: Sequence[_End]) -> Sequence[float]:
    """Heights of labels in shares of the axes' height, nearest to those of their lines."""
    if not ends:
        return []
    gap = 0.062  # height of a line of text
    wanted = axes.transAxes.inverted().transform(axes.transData.transform([(0, end.y) for end in ends]))[:, 1]
    offsets = gap * np.arange(len(ends))
    return (isotonic_regression(wanted - offsets).x + offsets).tolist()


def _add_legend(axes: Axes, ends: Sequence[_End]) -> None:
    """A legend beside the axes, in the order in which the lines end."""
    handles, labels = axes.get_legend_handles_labels()
    height = {end.label: end.y for end in ends}
    order = sorted(range(len(labels)), key=lambda i: -height.get(labels[i], 0))
    anchor = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    axes.legend([handles[i] for i in order], [labels[i] for i in order], **anchor)


def counted(seeds: int) -> str:
    """`1 seed`, `3 seeds`."""
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def caption(curves: Mapping[str, Records], measure: str = "returns") -> str:
    """The statistic and the number of seeds, so that the figure is complete on its own."""
    counts = sorted({len(seeds) for records in curves.values() if (seeds := seed_curves(records, measure))})
    many = "1 seed" if counts == [1] else " or ".join(map(str, counts)) + " seeds"
    if counts[-1] < 3:
        return f"mean over {many}" if counts[-1] > 1 else many
    return f"interquartile mean over {many}, with 95 % bootstrap interval" + " from 3 seeds on" * (counts[0] < 3)
