"""The doctor's figure: what its findings look like."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from imitax.errors import printable
from imitax.figures.style import COLOURS, GREY, SMALL, save

POINTS = 3000


def draw(drawn: Mapping[str, Any], path: Path | str) -> Figure:
    """Draw six panels to `path`, a PNG or an SVG depending on its ending, and return the figure.

    `drawn` is what a report of `imitax.datasets.doctor.examine` holds under that name.
    """
    style: dict[Any, Any] = SMALL | {"text.parse_math": False}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(10, 6), layout="constrained")
        panels = figure.subplots(2, 3).ravel()
        for axes, panel in zip(panels, (_returns, _plane, _actions, _steps, _lags, _curve), strict=True):
            panel(axes, drawn)
        figure.suptitle(printable(drawn["name"])[:80], x=0.01, ha="left")
        save(figure, path)
    return figure


def _returns(axes: Axes, drawn: Mapping[str, Any]) -> None:
    values = drawn["lengths"] if drawn["returns"] is None else drawn["returns"]
    axes.plot(drawn["lengths"], values, "o", color=COLOURS[0], alpha=0.6, ms=4)
    axes.set(title="episodes", xlabel="length", ylabel="return" if drawn["returns"] is not None else "length")


def _plane(axes: Axes, drawn: Mapping[str, Any]) -> None:
    stride = max(1, len(drawn["plane"]) // POINTS)
    plane, episode = drawn["plane"][::stride], drawn["episode"][::stride]
    second = plane[:, 1] if plane.shape[1] > 1 else np.zeros(len(plane))
    axes.scatter(plane[:, 0], second, c=[COLOURS[i % 6] for i in episode], s=3, linewidths=0)
    axes.set(title="states, coloured by episode", xlabel="first principal component", ylabel="second")


def _actions(axes: Axes, drawn: Mapping[str, Any]) -> None:
    actions = drawn["actions"]
    axes.set(title="actions", xlabel="dimension")
    if not actions.shape[1]:
        return
    stride = max(1, len(actions) // POINTS)
    axes.violinplot([a[::stride] for a in actions.T], positions=np.arange(actions.shape[1]), showextrema=False)
    for bound in drawn["bounds"]:
        if bound is not None:
            axes.plot(np.arange(len(bound)), bound, "_", color=COLOURS[1], ms=14)


def _steps(axes: Axes, drawn: Mapping[str, Any]) -> None:
    axes.plot(drawn["steps"], color=GREY, lw=0.5)
    axes.set(title="size of each step", xlabel="row", yscale="symlog")


def _lags(axes: Axes, drawn: Mapping[str, Any]) -> None:
    axes.bar(np.arange(len(drawn["lags"])), 100 * np.asarray(drawn["lags"]), color=COLOURS[2])
    axes.set(title="change of state explained by the action", xlabel="delay in steps", ylabel="%")


def _curve(axes: Axes, drawn: Mapping[str, Any]) -> None:
    if len(drawn["curve"]):
        axes.semilogx(drawn["curve"][:, 0], 100 * drawn["curve"][:, 1], "o-", color=COLOURS[3])
    axes.set(title="error of a regression on held-out episodes", xlabel="episodes", ylabel="% of variance")
