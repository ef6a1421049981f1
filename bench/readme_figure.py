"""Draw README's picture, docs/figures/hopper.png: learning curves on Hopper-v5, from the result files.

    python bench/readme_figure.py

Three online methods with ten demonstrations against environment steps. Behaviour cloning needs no environment steps, so
it is a level: the score after its last update. Bands are 95 % bootstrap intervals over three seeds.
"""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from imitax.figures import COLOURS, STYLE, align, seed_curves, thousands
from imitax.files import read_lines
from imitax.statistics import interval, iqm

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "learning.jsonl"
PICTURE = ROOT / "docs" / "figures" / "hopper.png"

ONLINE = ("adversarial", "iq_learn", "ls_iq")
DEMONSTRATIONS = {"env": "Hopper-v5", "data": "imitax/hopper-expert", "preset": "default", "variant": ""}
TEN = DEMONSTRATIONS | {"episodes": 10, "steps": 200_000}
TWENTY = DEMONSTRATIONS | {"episodes": 20, "steps": 100_000}


def seeds_of(setting: Mapping[str, object]) -> list[dict]:
    """The result line of each seed of a setting; of repeated seeds the later line counts."""
    lines = [line for line in read_lines(RESULTS) if all(line[k] == v for k, v in setting.items())]
    return list({line["seed"]: line for line in lines}.values())


def draw_online(axes: Axes, name: str, colour: str) -> None:
    """The IQM of one online method over its seeds, with its interval."""
    lines = seeds_of({"algorithm": name} | TEN)
    steps, scores = align(seed_curves([record for line in lines for record in read_lines(ROOT / line["curve"])]))
    low, high = np.array([interval(row) for row in scores]).T
    axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(steps, [iqm(row) for row in scores], color=colour, linewidth=2, label=name)


def draw_level(axes: Axes, colour: str) -> None:
    """Behaviour cloning's score after its last update."""
    returns = [line["return_mean"] for line in seeds_of({"algorithm": "bc"} | TWENTY)]
    axes.axhspan(*interval(returns), color=colour, alpha=0.2, linewidth=0)
    label = "bc (offline, 20 demonstrations, 100,000 updates)"
    axes.axhline(iqm(returns), color=colour, linestyle="--", linewidth=1.5, label=label)


def main() -> None:
    """Draw the picture."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.subplots()
        for name, colour in zip(ONLINE, COLOURS, strict=False):
            draw_online(axes, name, colour)
        draw_level(axes, "#666666")
        axes.set(xlabel="environment steps", ylabel="return", xlim=(0, 200_000), ylim=(0, 4_000))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: thousands(x)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
        axes.set_title("Hopper-v5, 10 demonstrations: IQM of 3 seeds, 95 % interval")
        axes.legend(loc="lower right")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
