"""Compare two recordings of `same_numbers.py`: how far apart two trees' trainings are."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

METRICS: dict[str, str] = {
    "imagined_length": "rollout_length",
    "imagined_terminated": "rollout_terminated",
    "imagined_uncertainty": "rollout_uncertainty",
    "reward_imagined": "reward_rollouts",
}
"""Metrics that a change renames: old name to new name."""
KINDS = ("metrics", "policy", "reward", "dynamics", "replay", "state")

Arrays = Mapping[str, np.ndarray]


@dataclass
class Difference:
    """Of all numbers of one kind of one entry."""

    value: float = 0.0
    """The largest, relative to the largest magnitude of its array or of its metric over the training."""
    where: str = ""
    lost: list[str] = field(default_factory=list)
    """What only the old recording has."""
    added: list[str] = field(default_factory=list)
    """What only the new one has."""

    def take(self, value: float, where: str) -> None:
        if value > self.value:
            self.value, self.where = value, where

    def __str__(self) -> str:
        text = f"{self.value:.1e}" if self.value else "equal"
        return text + (f" -{len(self.lost)}" if self.lost else "") + (f" +{len(self.added)}" if self.added else "")


def distance(a: Any, b: Any, scale: float = 0.0) -> float:
    """Largest difference, relative to the largest magnitude or to `scale`; not-a-number equals itself."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.shape != y.shape:
        return float("inf")
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if same.all():
        return 0.0
    if not (np.isfinite(x) & np.isfinite(y))[~same].all():
        return float("inf")
    return float(np.abs(x - y)[~same].max() / max(scale, magnitude(x), magnitude(y)))


def magnitude(x: np.ndarray) -> float:
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


def between_arrays(old: Arrays, new: Arrays) -> Difference:
    """Arrays are paired by name and shape, else by shape and smallest distance; what is left, value by value."""
    result, left, right = Difference(), dict(old), dict(new)

    def pair(a: str, b: str) -> None:
        x, y = left.pop(a), right.pop(b)
        result.take(distance(x, y), a if a == b else f"{a} = {b}")

    for name in [name for name in left if name in right and left[name].shape == right[name].shape]:
        pair(name, name)
    for only_equal in (True, False):  # so that no array loses its equal to another one
        for a in list(left):
            candidates = {b: distance(left[a], y) for b, y in right.items() if y.shape == left[a].shape}
            if candidates and (min(candidates.values()) == 0 or not only_equal):
                pair(a, min(candidates, key=candidates.__getitem__))
    if left:
        x, y = (
            np.concatenate([np.ravel(v).astype(np.float64) for v in rest.values()] or [[]]) for rest in (left, right)
        )
        if len(x) == len(y):
            result.take(distance(np.sort(x), np.sort(y)), f"{', '.join(left)} = {', '.join(right)}, sorted")
        elif Counter(x.tolist()) - Counter(y.tolist()):
            result.lost = [f"{name} {list(v.shape)}" for name, v in left.items()]
    result.added = [f"{name} {list(v.shape)}" for name, v in right.items()] if result.lost or not left else []
    return result


def series(lines: list[dict[str, Any]]) -> dict[str, dict[int, np.ndarray]]:
    """Each metric of each seed: its values by step."""
    found: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
    for line in lines:
        for name, value in line.items():
            if name not in ("kind", "step", "seed", "wall_s"):
                values = np.array(value, np.float64)  # None becomes not-a-number
                found[f"{line['kind']}:{line['seed']}:{name}"][line["step"]] = np.atleast_1d(values)
    return found


def between_metrics(old: list[dict], new: list[dict]) -> tuple[Difference, dict[int, float]]:
    """The difference over the training, and that of each step."""
    result, by_step, right = Difference(), defaultdict(float), series(new)
    for name, values in series(old).items():
        head, _, metric = name.rpartition(":")
        others = right.pop(f"{head}:{METRICS.get(metric, metric)}", {})
        if values.keys() != others.keys():
            result.lost.append(name)
            continue
        scale = max(map(magnitude, [*values.values(), *others.values()]))
        for step, value in values.items():
            apart = distance(value, others[step], scale)
            by_step[step] = max(by_step[step], apart)
            result.take(apart, f"{name} at {step}")
    result.added = list(right)
    return result, by_step


def growth(by_step: Mapping[int, float]) -> str:
    """Where metrics first differ, and how the difference grows: at the first step, and at each twice as far."""
    apart = {step: value for step, value in sorted(by_step.items()) if value}
    if not apart:
        return ""
    shown, following = [], 0
    for step in apart:
        if step >= following or step == max(apart):
            shown.append(f"{max(v for s, v in apart.items() if s <= step):.0e} by {step}")
            following = 2 * step
    return f"metrics equal before step {min(apart)}, then " + ", ".join(shown)


def load(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """What was recorded of an entry, and its arrays by kind."""
    line = json.loads((folder / f"{name}.json").read_text())
    kinds: dict[str, dict[str, np.ndarray]] = {kind: {} for kind in KINDS}
    if "error" not in line:
        with np.load(folder / f"{name}.npz") as file:
            for key in file.files:
                kind, _, rest = key.partition(":")
                kinds[kind][rest] = file[key]
    return line, kinds


def compare(old: Path, new: Path, rtol: float, ignore: list[str], configs: bool) -> bool:
    """Print a row for each entry; returns whether all numbers agree within `rtol` and none are missing."""
    names = sorted(path.stem for path in old.glob("*.json"))
    agree, warned = bool(names), set()
    print(f"{'':32} " + " ".join(f"{kind:12}" for kind in KINDS) + " seconds")
    for name in names:
        if not (new / f"{name}.json").exists():
            print(f"{name:32} not in {new}")
            agree = False
            continue
        (a, arrays_a), (b, arrays_b) = load(old, name), load(new, name)
        for key in (key for key in a["about"] if a["about"][key] != b["about"].get(key) and key not in warned):
            print(f"note: recorded with another {key}: {str(a['about'][key])[:80]}, {str(b['about'].get(key))[:80]}")
            warned.add(key)
        if "error" in a or "error" in b or a["updates"] != b["updates"]:
            reason = (a.get("error") or b.get("error") or "\nother numbers of updates").strip().splitlines()[-1]
            print(f"{name:32} not compared: {reason}")
            agree = False
            continue
        differences = {kind: between_arrays(arrays_a[kind], arrays_b[kind]) for kind in KINDS}
        differences["metrics"], by_step = between_metrics(a["metrics"], b["metrics"])
        cells = [str(differences[kind]) if kind == "metrics" or arrays_a[kind] else "-" for kind in KINDS]
        print(f"{name:32} " + " ".join(f"{cell:12}" for cell in cells) + f" {a['wall_s']} {b['wall_s']}")
        notes = [growth(by_step)]
        for kind, found in differences.items():
            failed = kind not in ignore and (found.value > rtol or bool(found.lost))
            agree &= not failed
            notes += [f"{kind}: largest at {found.where}"] * (found.value > 0)
            notes += [f"{kind} lost: {', '.join(found.lost)}"] * bool(found.lost)
            notes += [f"{kind} added: {', '.join(found.added)}"] * bool(found.added)
        if configs:
            x, y = (Counter(map(tuple, line["config"])) for line in (a, b))
            notes += [
                f"only in the {side} config: {dict(rest)}" for side, rest in (("old", x - y), ("new", y - x)) if rest
            ]
        print("".join(f"    {note}\n" for note in notes if note), end="")
    added = sorted({path.stem for path in new.glob("*.json")} - set(names))
    print(f"only in {new}: {', '.join(added)}\n" if added else "", end="")
    return agree
