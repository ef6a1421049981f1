"""The energy distance, against known answers."""

import numpy as np
import pytest
from scipy import stats

from imitax.selection.energy import Sample, energy_distance, mean_distance


def sample(points, weights=None):
    points = np.asarray(points, float).reshape(len(points), -1)
    return Sample(points, np.full(len(points), 1 / len(points)) if weights is None else np.asarray(weights, float))


def test_two_points_that_are_five_apart():
    x, y = sample([[0.0, 0.0]]), sample([[3.0, 4.0]])
    assert mean_distance(x, y) == pytest.approx(5)
    assert energy_distance(x, y) == pytest.approx(np.sqrt(10))
    assert energy_distance(x, x) == 0


def test_one_dimension_is_that_of_scipy_with_weights():
    rng = np.random.default_rng(0)
    a, b, v, w = rng.normal(size=700), rng.normal(0.3, 2, size=40), rng.random(700), rng.random(40)
    x, y = sample(a, v / v.sum()), sample(b, w / w.sum())
    assert energy_distance(x, y) == pytest.approx(stats.energy_distance(a, b, v, w), rel=1e-6)
    assert energy_distance(x, y, mean_distance(y, y)) == energy_distance(x, y)


def test_a_weight_counts_like_repeated_points():
    y = sample([[0.0], [2.0]])
    repeated, weighted = sample([[0.0], [0.0], [0.0], [1.0]]), sample([[0.0], [1.0]], [0.75, 0.25])
    assert energy_distance(repeated, y) == pytest.approx(energy_distance(weighted, y))
