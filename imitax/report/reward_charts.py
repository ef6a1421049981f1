"""The figures of a learned reward: its map, along an episode, by action."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from imitax.report import heat
from imitax.report.charts import Figure, Legend
from imitax.report.svg import Chart, limits
from imitax.rewards import pearson
from imitax.rewards.views import NEAREST, SPREAD, ActionCurve, Map, Plane

WIDE, NARROW = (520, 400), (340, 300)
LONG, SHORT = (520, 230), (340, 210)
"""Sizes of the map and of episodes, on a screen and on a telephone."""
LAST = 10
"""Episodes of the policy that are looked at, the last ones of training."""
NAMES = {"demonstrations": "demonstrations", "policy": f"the policy's last {LAST} episodes of training"}
MARKS = {"demonstrations": "p0", "policy": "p1"}
"""Classes of points by what they are of."""
SHOWN = 400
"""Points of each kind on a map."""
DRAWN = 200
"""Points of a line along an episode, at most."""


def reward_map(found: Map, plane: Plane, places: Mapping[str, Float[np.ndarray, "_ 2"]], acts: bool) -> Figure:
    """The map with the states that were visited over it.

    Args:
        found: the reward over the plane.
        plane: of the map.
        places: visited states of `NAMES`.
        acts: whether the reward sees actions.
    """
    finite = found.values[np.isfinite(found.values)]
    bounds = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    shown = {what: _some(xy, SHOWN) for what, xy in places.items()}
    charts, beyond = Markup(""), 0
    for (width, height), kind in ((WIDE, "wide"), (NARROW, "narrow")):
        chart = Chart((found.x[0], found.x[-1]), (found.y[0], found.y[-1]), width, height, 44, 62, 30, 42)
        chart.axes(plane.names[0], (6 if kind == "wide" else 4, 5), plane.names[1])
        heat.cells(chart, found.values, bounds)  # over the grid lines
        beyond = sum(heat.points(chart, xy, MARKS[what]) for what, xy in shown.items())
        heat.colour_bar(chart, bounds, "reward")
        charts += chart.svg("map of the learned reward", kind)
    share = beyond / max(sum(map(len, shown.values())), 1)
    rest = "Other dimensions and the action are" if acts else "Other dimensions are"
    caption = (
        "Bright where the reward is high; one that teaches well is highest along the demonstrations and falls around "
        f"them. {plane.about}. {rest} those of the {NEAREST} nearest recorded steps, over which the colour is the mean."
        + (f" {100 * share:.0f} % of the points lie beyond the axes." if share >= 0.01 else "")
    )
    return Figure("Map", charts, [Legend(f"mark {MARKS[what]}", NAMES[what]) for what in shown], caption)


def along_episode(title: str, learned: Float[np.ndarray, "T"], true: Float[np.ndarray, "T"] | None) -> Figure:
    """The learned reward of an episode's steps, beside the true one where it is recorded."""
    lines = {"learned reward": learned} | ({} if true is None else {"true reward": true})
    width = -(-len(learned) // DRAWN)
    steps = np.array([part.mean() for part in _parts(np.arange(len(learned)), width)])
    drawn = {what: np.array([part.mean() for part in _parts(_standard(x), width)]) for what, x in lines.items()}
    charts = Markup("")
    for (across, down), kind in ((LONG, "wide"), (SHORT, "narrow")):
        values = np.concatenate(list(drawn.values()))
        chart = Chart((0, len(learned)), limits(values), across, down, 44, 12, 30, 40)
        chart.axes("step", (6 if kind == "wide" else 4, 4), "standard deviations")
        for i, (what, y) in reversed(list(enumerate(drawn.items()))):
            chart.line(steps, y, f"c{i}", what)
        charts += chart.svg(f"learned reward: {title}", kind)
    caption = "Each reward has mean 0 and standard deviation 1 over the episode."
    if true is None:
        caption += " The true reward is not recorded."
    else:
        together = pearson(learned, true)
        told = "one of them is constant" if np.isnan(together) else f"their correlation is {together:.2f}"
        caption += f" Where the lines rise and fall together, the learned reward grades steps as the true one: {told}."
    caption += f" A point is the mean of {width} steps." if width > 1 else ""
    return Figure(title, charts, [Legend(f"c{i}", what) for i, what in enumerate(lines)], caption)


def actions(curves: Sequence[ActionCurve], finite: bool, scale: float) -> list[Figure]:
    """A small chart for each number of the action, all with the same vertical axis.

    Args:
        curves: of the reward.
        finite: whether actions are a finite set.
        scale: standard deviation of the recorded steps' rewards, next to which no change is drawn large.
    """
    values = np.concatenate([x for curve in curves for x in (curve.low, curve.high, curve.mean)])
    middle = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    bounds = limits([*values, middle - 0.1 * scale, middle + 0.1 * scale])
    found = []
    for curve in curves:
        low, high = float(curve.values[0]), float(curve.values[-1])
        pad = 0.5 if finite else 0.0
        chart = Chart((low - pad, high + pad), bounds, 320, 200, 52, 12, 30, 40)
        count = (len(curve.values) if len(curve.values) <= 10 else 8) if finite else 4
        chart.axes(
            curve.name if finite else f"{curve.name} (own unit)", (count, 4), "reward" if finite else "change of reward"
        )
        if finite:
            for x, y, a, b in zip(*(v.tolist() for v in curve[1:5]), strict=True):
                chart.line([x, x], [a, b], "c0 bar")
                chart.dot(x, y, "c0", f"{curve.name} = {x}: {y:,.4g}", 4)
        else:
            chart.line(curve.recorded, [bounds[0]] * 2, "c1 bar", "recorded actions")
            chart.band(curve.values, curve.low, curve.high, "c0")
            chart.line(curve.values, curve.mean, "c0", curve.name)
        found.append(Figure(curve.name.capitalize(), chart.svg(f"learned reward by {curve.name}"), []))
    return found


def about_actions(finite: bool, states: int) -> str:
    """How to read the figures by action."""
    low, high = SPREAD
    if finite:
        return (
            f"The reward of each action at {states} recorded states: dots are means, bars {low} to {high} % of the "
            "states. A high dot is an action that the reward likes; dots at one height mean that it does not tell "
            "actions apart."
        )
    return (
        f"How the reward changes when one number of the recorded action moves through its range, at {states} recorded "
        f"states: lines are means, bands {low} to {high} % of the states, the thick bar at the bottom {low} to {high} "
        "% of the recorded actions. A line that is highest over the bar prefers what was recorded; a flat one says "
        "that the reward ignores this action."
    )


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]


def _standard(x: np.ndarray) -> np.ndarray:
    """With mean 0 and standard deviation 1; zeros where it is constant."""
    x = np.asarray(x, np.float64) - np.mean(x)
    return x / x.std() if x.std() > 1e-8 * max(np.abs(x).max(), 1e-300) else np.zeros(len(x))


def _parts(x: np.ndarray, width: int) -> list[np.ndarray]:
    return [x[first : first + width] for first in range(0, len(x), width)]
