"""What a seed recorded, as numbers by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

Lines = Sequence[Mapping[str, Any]]
"""One seed's records, as `metrics.jsonl` has them."""


@dataclass(frozen=True)
class About:
    """What a diagnosis needs to know of a run beside its records; None and 0 where it is unknown."""

    dims: int = 0
    """Action dimensions; of a finite set, its factors."""
    uniform_entropy: float | None = None
    """Entropy of the policy that takes all actions equally often, in nats, in the environment's units."""
    finite: bool = False
    """Whether actions are a finite set."""
    online: bool = False
    """Whether the run acted in the environment to learn."""


def series(lines: Lines, name: str) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """Steps and values of a metric, by step; nulls are NaN. Empty where it was not recorded."""
    points = {
        line["step"]: np.nan if line[name] is None else line[name]
        for line in lines
        if name in line and (line[name] is None or isinstance(line[name], (int, float)))
    }
    table = np.array(sorted(points.items()), np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def at_end(values: Float[np.ndarray, " T"]) -> float:
    """Mean of the last fifth, at least of one value; NaN without values."""
    count = max(1, len(values) // 5)
    return float(values[-count:].mean()) if len(values) else float("nan")


def short(value: float) -> str:
    """A number in three digits, with thousands separated."""
    if not np.isfinite(value):
        return "not finite"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(value: float) -> str:
    """A share."""
    return f"{100 * value:.3g} %"
