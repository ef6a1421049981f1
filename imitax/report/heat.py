"""Heat maps as inline SVG: a grid of values in colours, its colour bar, and points over it."""

import itertools

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from imitax.report.svg import Chart, Number, plain, ticks

LEVELS = 32
"""Colours. Cells of a level are one path, which keeps the page small."""


def cells(chart: Chart, values: Float[np.ndarray, "H W"], bounds: tuple[Number, Number]) -> None:
    """Fill the chart with a grid of values, the first row at the bottom; values that are not finite are left out.

    Args:
        chart: whose axes span the grid from its first to its last point.
        values: a row for each y.
        bounds: values of the first and the last colour; what lies beyond has these colours too.
    """
    high, wide = values.shape
    level = levels(values, bounds)
    paths = {}
    for row in range(high):
        for first, stop in _equal(level[row]):
            if level[row, first] >= 0:
                paths.setdefault(int(level[row, first]), []).append(
                    f"M{first} {high - 1 - row}h{stop - first}v1h{first - stop}z"
                )
    # a cell is centred at its point of the grid: half of the outer cells would lie beyond the axes
    x, y = chart.px(chart.x[0]), chart.py(chart.y[1])
    across, down = (chart.px(chart.x[1]) - x) / wide, (chart.py(chart.y[0]) - y) / high
    drawn = [Markup('<path fill="{}" d="{}"/>').format(colours()[i], "".join(paths[i])) for i in sorted(paths)]
    chart.parts.append(
        Markup('<g class="cells" transform="translate({:.2f} {:.2f}) scale({:.4f} {:.4f})">{}</g>').format(
            x, y, across, down, Markup("").join(drawn)
        )
    )


def levels(values: Float[np.ndarray, "..."], bounds: tuple[Number, Number]) -> np.ndarray:
    """Number of each value's colour, the lowest 0; -1 where a value is not finite."""
    low, high = bounds
    share = (
        (np.where(np.isfinite(values), values, low) - low) / (high - low) if high > low else np.full(values.shape, 0.5)
    )
    return np.where(np.isfinite(values), np.clip((share * LEVELS).astype(int), 0, LEVELS - 1), -1)


def colour_bar(chart: Chart, bounds: tuple[Number, Number], label: str) -> None:
    """Colours and their values to the right of the chart, whose `right` must leave 62 for them."""
    left = chart.width - chart.right + 10
    top, bottom = chart.py(chart.y[1]), chart.py(chart.y[0])
    step = (bottom - top) / LEVELS
    for i, shade in enumerate(colours()):
        chart.parts.append(
            Markup('<rect fill="{}" x="{:.1f}" y="{:.2f}" width="12" height="{:.2f}"/>').format(
                shade, left, bottom - (i + 1) * step, step + 0.5 * (i > 0)
            )
        )
    low, high = bounds
    for value in ticks(low, high, 5):
        share = (value - low) / (high - low) if high > low else 0.5
        chart.text(left + 17, bottom - share * (bottom - top) + 3.5, plain(value), "tick")
    chart.text(chart.width, chart.top - 12, label, "label", "end")


def points(chart: Chart, places: Float[np.ndarray, "N 2"], kind: str) -> int:
    """Dots at places within the axes, with a rim that keeps them apart from the colours; how many lie beyond."""
    (left, right), (low, high) = chart.x, chart.y
    inside = [(x, y) for x, y in places.tolist() if left <= x <= right and low <= y <= high]
    path = "".join(f"M{chart.px(x):.1f} {chart.py(y):.1f}h0" for x, y in inside)
    if path:
        chart.parts.append(
            Markup('<path class="rim" d="{}"/><path class="points {}" d="{}"/>').format(path, kind, path)
        )
    return len(places) - len(inside)


def colours() -> list[str]:
    """The colours from low to high: viridis, which is read without colours too, and on dark and light pages."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0, 1, LEVELS))]


def _equal(row: np.ndarray) -> list[tuple[int, int]]:
    """First and stop of each stretch of equal numbers."""
    edges = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
    return list(itertools.pairwise(edges))
