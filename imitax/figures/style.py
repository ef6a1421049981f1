"""What all figures share: colours, styles, the axis of steps, and how a figure is written."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from imitax.files import write_atomic

Records = Sequence[Mapping[str, Any]]
"""Lines of a `metrics.jsonl`, or of a curve in `bench/results/curves`."""

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
    "svg.hashsalt": "imitax",  # makes SVG files reproducible
}
SMALL: dict[Any, Any] = STYLE | {"font.size": 9, "axes.titlesize": 10, "axes.titleweight": "normal"}
"""For figures of several panels."""


def format_steps(axes: Axes, ticks: int) -> None:
    """Label the x axis with at most `ticks` round step counts."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10]))


def log_axis(axes: Axes) -> None:
    """A log scale on y with plain numbers at its ticks: 0.1, 0.2, 0.5, 1; evenly spaced ones where it spans less."""
    axes.set_yscale("log")
    low, high = axes.dataLim.intervaly
    spread = high / low if 0 < low < high < np.inf else 10.0
    if spread < 3:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if spread < 100 else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def no_zoom(axes: Axes) -> None:
    """Leave y at least a twentieth of the largest value high, so that what is nearly constant looks it."""
    low, high = axes.dataLim.intervaly
    least = 0.05 * max(abs(low), abs(high))
    if np.isfinite([low, high]).all() and high - low < least:
        axes.set_ylim((low + high - least) / 2, (low + high + least) / 2)


def thousands(value: float) -> str:
    """A step count for an axis: 500, 20k, 1.5M."""
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{suffix}"
    return f"{value:g}"


def save(figure: Figure, path: Path | str) -> None:
    """Write a figure atomically, as a PNG or an SVG depending on the ending of `path`."""
    kind = Path(path).suffix.lstrip(".") or "png"
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_atomic(path, buffer.getvalue())
