"""The energy distance between two weighted samples: how far two distributions are apart, without any reward.

Székely and Rizzo, "Energy statistics: A class of statistics based on distances" (2013),
https://doi.org/10.1016/j.jspi.2013.03.018.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

BLOCK = 512
"""Rows whose distances to all others are in memory at once."""


class Sample(NamedTuple):
    """Points of one distribution."""

    points: Float[np.ndarray, "N D"]
    weights: Float[np.ndarray, "N"]
    """Not negative; their sum is 1."""


def mean_distance(x: Sample, y: Sample) -> float:
    """The mean Euclidean distance of a point of x and an independent point of y."""
    squares, total = (y.points**2).sum(1), 0.0
    for first in range(0, len(x.points), BLOCK):
        rows, weights = x.points[first : first + BLOCK], x.weights[first : first + BLOCK]
        squared = (rows**2).sum(1)[:, None] + squares[None] - 2 * rows @ y.points.T
        total += float(weights @ np.sqrt(np.maximum(squared, 0)) @ y.weights)
    return total


def energy_distance(x: Sample, y: Sample, within_y: float | None = None) -> float:
    """`sqrt(2 E|X - Y| - E|X - X'| - E|Y - Y'|)`, at least 0, and 0 for equal samples only.

    Args:
        x: one sample.
        y: the other one, of as many columns.
        within_y: `mean_distance(y, y)`, where it is known already.
    """
    within = mean_distance(x, x) + (mean_distance(y, y) if within_y is None else within_y)
    return float(np.sqrt(max(2 * mean_distance(x, y) - within, 0.0)))
