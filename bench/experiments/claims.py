"""Figures of the reference post's claims, drawn from the result files.

    python -m bench.experiments.claims     # bench/results/claims/cN.png, for every claim that has results

Every setting is drawn as far as all of them were trained: budgets are equal.

Trainings are those of the queues (`online`, `model_based`); claims of offline methods (C1 to C4) are drawn by
`python -m bench.experiments.offline --figures`, from its runs' folders.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imitax import figures
from imitax.files import read_lines

ROOT = Path(__file__).resolve().parents[2]

Setting = Mapping[str, Any]
"""Fields of a result line."""


def _cleanil(loss: str) -> Setting:
    return {"algorithm": "adversarial", "preset": "cleanil", "variant": f"2x256,td={loss}", "env": "Hopper-v5"}


def _omlirl(preset: str, variant: str) -> Setting:
    return {"algorithm": "omlirl", "preset": preset, "variant": variant, "env": "Hopper-v5"}


def _rmirl(variant: str) -> Setting:
    return {"algorithm": "rmirl", "preset": "blog", "variant": variant, "env": "HalfCheetah-v5"}


CLAIMS: dict[str, tuple[str, dict[str, Setting]]] = {
    "c5": (
        "C5: TD loss of the reference system's GAIL, 2x256",
        {
            "squared": _cleanil("squared"),
            "Huber, delta 100": _cleanil("huber100"),
            "Huber, delta 10": _cleanil("huber10"),
            "Huber, delta 1": _cleanil("huber1"),
        },
    ),
    "c7": (
        "C7: OMLIRL with and without the done mask",
        {"mask": _omlirl("blog", "terminal=mask"), "no mask": _omlirl("blog", "terminal=none")},
    ),
    "c8": (
        "C8: RMIRL on HalfCheetah, with closed form or none",
        {"closed form": _rmirl("terminal=closed_form"), "none": _rmirl("terminal=none")},
    ),
    "c9": (
        "C9: demonstrations in the data of OMLIRL's model",
        {
            "included": _omlirl("default", ""),
            "excluded": _omlirl("default", "demonstrations=excluded"),
            "upsampled": _omlirl("default", "demonstrations=upsampled"),
        },
    ),
}
"""Title and settings of each claim's figure."""


def draw(root: Path) -> list[Path]:
    """Draw the claims that have results under `root`; returns the files."""
    results = root / "bench" / "results"
    lines = read_lines(results / "learning.jsonl")
    drawn = []
    for claim, (title, settings) in CLAIMS.items():
        curves: dict[str, list[dict]] = {}
        expert, x_label = None, ""
        for label, setting in settings.items():
            found = {x["seed"]: x for x in lines if all(x[k] == v for k, v in setting.items())}  # later lines count
            for line in found.values():
                curves.setdefault(label, []).extend(read_lines(root / line["curve"]))
                x_label = "environment steps" if line["regime"] == "online" else "updates"
                expert = line["return_mean"] / line["expert_fraction"] if line["expert_fraction"] else expert
        if len(curves) < 2:
            continue
        budget = min(max(x["steps"] for x in curve) for curve in curves.values())
        curves = {label: [x for x in curve if x["steps"] <= budget] for label, curve in curves.items()}
        path = results / "claims" / f"{claim}.png"
        figures.learning_curve(curves, path, expert_return=expert, title=title, x_label=x_label)
        drawn.append(path)
    return drawn


if __name__ == "__main__":
    for file in draw(ROOT):
        print(file.relative_to(ROOT))
