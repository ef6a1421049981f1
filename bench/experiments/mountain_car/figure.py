"""The figure: values and preferred actions on the grid, and values along the demonstrations."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.experiments.mountain_car.learning import GOALS, TITLES, Outcome
from bench.experiments.mountain_car.task import Grid
from imitax.figures import COLOURS, SMALL
from imitax.files import write_atomic

LINES: dict[str, tuple[str, Any]] = {"loop": (COLOURS[0], "-"), "absorbing": (COLOURS[1], "--")}
"""Colour and style of each model of the goal."""
STYLE: dict[Any, Any] = SMALL | {"axes.grid": False}
LEFT, STAY, RIGHT, NONE = COLOURS[0], "#009E73", COLOURS[1], "#DDDDDD"


def draw(outcomes: Mapping[str, Outcome], grid: Grid, path: Path) -> None:
    """Draw one column per method: V, the preferred action, and V along the demonstrations."""
    main = outcomes["loop"]
    tracks = [row[row != grid.goal] for row in main.demonstrations.state]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 8.4), layout="constrained")
        size = f"{grid.bins} x {grid.velocity_bins}"
        title = f"MountainCar on a grid of {size}, {len(tracks)} demonstrations; maps: {GOALS['loop']}"
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
        panels = figure.subplots(3, 3)
        for column, (name, title) in enumerate(TITLES.items()):
            found = main.methods[name]
            top, middle, bottom = panels[:, column]
            image = _image(top, grid, grid.image(found.v), "viridis")
            figure.colorbar(image, ax=top, pad=0.02).outline.set_visible(False)
            top.set_title(f"{title}: V")
            colours = ListedColormap([LEFT, STAY, RIGHT, NONE])
            _image(middle, grid, grid.image(_preferred(found.policy)), colours, (0.0, 3.0))
            middle.set_title(f"{title}: action")
            for axes, colour in ((top, "white"), (middle, "black")):
                _tracks(axes, grid, tracks, colour)
                axes.set(xlabel="position")
            _along(bottom, outcomes, name, grid)
            bottom.set(title=f"{title}: V along demonstrations", xlabel="decisions to go")
            if column == 0:
                top.set_ylabel("velocity")
                middle.set_ylabel("velocity")
                bottom.set_ylabel("V")
        figure.legend(handles=_legend(), loc="outside lower center", ncols=7, fontsize=9)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=90, pil_kwargs={"optimize": True})
    write_atomic(path, buffer.getvalue())


def _legend() -> list[Any]:
    handles: list[Any] = [Patch(color=c, label=n) for c, n in ((LEFT, "left"), (STAY, "none"), (RIGHT, "right"))]
    handles += [Patch(color=NONE, label="undecided"), Line2D([], [], color=COLOURS[6], label="demonstrations")]
    return handles + [Line2D([], [], color=c, linestyle=s, label=GOALS[goal]) for goal, (c, s) in LINES.items()]


def _image(axes: Axes, grid: Grid, values, colours, limits: tuple[float | None, float | None] = (None, None)):
    return axes.imshow(
        values,
        origin="lower",
        extent=(*grid.position, *grid.velocity),
        aspect="auto",
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )


def _preferred(policy):
    """The most likely action, and 3 where all are equally likely."""
    return np.where(np.ptp(policy, axis=1) < 0.01, 3, policy.argmax(1))


def _tracks(axes: Axes, grid: Grid, tracks, colour: str) -> None:
    centres = grid.centres()
    for track in tracks:
        axes.plot(*centres[track].T, color=colour, linewidth=0.6, alpha=0.7)


def _along(axes: Axes, outcomes: Mapping[str, Outcome], name: str, grid: Grid) -> None:
    for goal, (colour, style) in LINES.items():
        v, states = outcomes[goal].methods[name].v, outcomes[goal].demonstrations.state
        for row in states:
            track = np.append(row[row != grid.goal], grid.goal)
            axes.plot(np.arange(len(track))[::-1], v[track], style, color=colour, linewidth=0.8, alpha=0.7)
    axes.invert_xaxis()
    axes.grid(True)
