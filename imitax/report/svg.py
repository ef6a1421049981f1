"""Line charts as inline SVG: numbers and text in, markup out.

Colours are CSS classes, so that a page shows the same chart in dark and in light. All text is escaped by `Markup`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape

from imitax.figures.style import thousands

Number = float | int
Numbers = Sequence[Number] | np.ndarray

COLOURS = 7
"""Classes c0, c1, … of the style sheet."""


def ticks(low: Number, high: Number, count: int) -> list[float]:
    """At most `count` + 1 round numbers from `low` to `high`: multiples of 1, 2, 2.5 or 5 times a power of ten."""
    if not high > low:
        return [float(low)]
    raw = (high - low) / count
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = np.ceil(low / step - 1e-9)
    return [float((first + i) * step) for i in range(int(np.floor(high / step + 1e-9) - first) + 1)]


def plain(value: Number) -> str:
    """A number at a tick: 1,250 or 0.05; from a million on 1.2M."""
    if abs(value) >= 1e6:
        return f"{value:.3g}" if abs(value) >= 1e9 else thousands(float(f"{value:.4g}"))
    return f"{float(f'{value:.6g}'):,.10g}"


@dataclass
class Chart:
    """Axes of a size, in the units of the view box; what is drawn is added in order.

    Values that are not finite are gaps.
    """

    x: tuple[Number, Number]
    """Limits."""
    y: tuple[Number, Number]
    width: Number = 720
    height: Number = 320
    left: Number = 56
    right: Number = 16
    top: Number = 12
    bottom: Number = 40
    parts: list[Markup] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.x, self.y = _wide(*self.x), _wide(*self.y)

    def px(self, value: Number) -> float:
        """Horizontal place of a value."""
        return self.left + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - self.left - self.right)

    def py(self, value: Number) -> float:
        """Vertical place of a value."""
        return (
            self.height
            - self.bottom
            - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.height - self.top - self.bottom)
        )

    def axes(self, x_label: str = "", count: tuple[int, int] = (6, 5), y_label: str = "") -> "Chart":
        """Grid, ticks and the names of the axes; `count` ticks on each, none on y where it is 0.

        The name of the vertical axis stands above it, where a telephone has the room: `top` must leave 24 for it.
        """
        end, floor = self.width - self.right, self.height - self.bottom
        for value in ticks(*self.y, count[1]) if count[1] else ():
            y = self.py(value)
            self.parts.append(
                Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                    _n(self.left), _n(end), _n(y), _n(y)
                )
            )
            self.text(self.left - 6, y + 3.5, plain(value), "tick", "end")
        for value in ticks(*self.x, count[0]):
            self.text(self.px(value), floor + 15, thousands(float(f"{value:.6g}")), "tick", "middle")
        self.parts.append(
            Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                _n(self.left), _n(end), _n(floor), _n(floor)
            )
        )
        if x_label:
            self.text((self.left + end) / 2, self.height - 6, x_label, "label", "middle")
        if y_label:
            self.text(4, self.top - 12, y_label, "label")
        return self

    def text(self, x: Number, y: Number, text: str, kind: str, anchor: str = "start") -> None:
        """Text at a place in the view box."""
        self.parts.append(
            Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(kind, _n(x), _n(y), anchor, text)
        )

    def line(self, steps: Numbers, values: Numbers, kind: str, title: str = "") -> None:
        """A line through the finite values; a single value between gaps is a dot."""
        for run in _runs(values):
            points = [(self.px(float(steps[i])), self.py(float(values[i]))) for i in run]
            if len(points) == 1:
                self.dot(float(steps[run[0]]), float(values[run[0]]), kind, title)
            else:
                path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
                self.parts.append(Markup('<path class="line {}" d="{}">{}</path>').format(kind, path, _title(title)))

    def band(self, steps: Numbers, low: Numbers, high: Numbers, kind: str) -> None:
        """The area between two lines."""
        for run in _runs(np.asarray(low) + np.asarray(high)):
            there = [f"{_n(self.px(float(steps[i])))} {_n(self.py(float(high[i])))}" for i in run]
            back = [f"{_n(self.px(float(steps[i])))} {_n(self.py(float(low[i])))}" for i in reversed(run)]
            self.parts.append(Markup('<path class="band {}" d="M{}Z"/>').format(kind, "L".join(there + back)))

    def level(self, value: Number, label: str, left: bool = False) -> None:
        """A dashed line across the chart, named at its right end, or at its left one."""
        y = self.py(value)
        self.parts.append(
            Markup('<line class="level" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                _n(self.left), _n(self.width - self.right), _n(y), _n(y)
            )
        )
        x, anchor = (self.left + 4, "start") if left else (self.width - self.right - 4, "end")
        self.text(x, y - 5, label, "note", anchor)

    def dot(self, x: Number, y: Number, kind: str, title: str = "", radius: Number = 3.2) -> None:
        """A dot."""
        if np.isfinite([x, y]).all():
            self.parts.append(
                Markup('<circle class="dot {}" cx="{}" cy="{}" r="{}">{}</circle>').format(
                    kind, _n(self.px(x)), _n(self.py(y)), _n(radius), _title(title)
                )
            )

    def svg(self, title: str, kind: str = "") -> Markup:
        """The chart; `title` is what screen readers say."""
        return Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
            kind, _n(self.width), _n(self.height), title, Markup("").join(self.parts)
        )


def colour(index: int) -> str:
    """Class of the line with a number; dashed from the eighth on."""
    return f"c{index % COLOURS}" + (" dashed" if index >= COLOURS else "")


def limits(values: Numbers, zero: bool = False) -> tuple[float, float]:
    """A range that holds the finite values with a margin; from 0 on where that costs less than half of the height."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    span = max(high - low, 0.05 * max(abs(low), abs(high)), 1e-12)
    middle = (low + high) / 2
    return (0.0 if zero and 0 <= low <= 0.5 * high else middle - 0.55 * span), middle + 0.55 * span


def _wide(low: Number, high: Number) -> tuple[Number, Number]:
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _runs(values: Numbers) -> list[list[int]]:
    """Indices of the finite values, in stretches without gaps."""
    runs: list[list[int]] = [[]]
    for i, value in enumerate(values):
        if np.isfinite(value):
            runs[-1].append(i)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _n(value: Number) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _title(text: str) -> Markup:
    return Markup("<title>{}</title>").format(text) if text else escape("")
