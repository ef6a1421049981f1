"""Estimates with known answers."""

import numpy as np
import pytest
from scipy import stats

from imitax.comparison import estimates
from imitax.errors import DataError
from imitax.statistics import interval, iqm

RNG = np.random.default_rng(3)


def test_one_task_is_the_interval_of_all_other_tables():
    for n in (3, 5, 9):
        scores = RNG.normal(100, 10, n)
        found = estimates.iqm([scores])
        np.testing.assert_allclose((found.value, found.low, found.high), (iqm(scores), *interval(scores)))


def test_seeds_are_resampled_within_tasks():
    """Of tasks whose scores do not vary, the IQM is certain, however far apart they are."""
    found = estimates.iqm([np.zeros(4), np.full(4, 100.0), np.full(4, 40.0)])
    assert (found.value, found.low, found.high) == pytest.approx((130 / 3,) * 3)


def test_differences():
    a, b = RNG.normal(10, 1, 8), RNG.normal(4, 1, 8)
    found = estimates.difference([a], [b])
    assert found.value == pytest.approx(iqm(a) - iqm(b))
    assert found.low < found.value < found.high
    assert found.excludes_zero
    back = estimates.difference([b], [a])
    assert back.value == pytest.approx(-found.value)
    paired = estimates.mean([np.array([1.0, 2.0, 6.0]), np.array([0.0, 0.0, 0.0])])
    assert paired.value == 1.5
    assert np.isnan(estimates.difference([a[:2]], [b]).low)
    assert not estimates.difference([a[:2]], [b]).excludes_zero


def test_improvement_counts_ties_half():
    assert estimates.improvement([np.array([1.0, 2, 3])], [np.array([0.0, 2, 4])]).value == 0.5
    assert estimates.improvement([np.array([1.0, 2, 3])], [np.array([0.0, 2, 2])]).value == pytest.approx(6 / 9)
    both = [np.array([5.0, 5, 5]), np.array([0.0, 0, 0])]
    assert estimates.improvement(both, [np.array([1.0, 1, 1])] * 2).value == 0.5
    assert np.isnan(estimates.improvement([np.array([np.nan, 1, 1])], [np.zeros(3)]).value)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_wilson(successes, trials, low, high):
    found = estimates.wilson(successes, trials)
    np.testing.assert_allclose((found.low, found.high), (low, high), atol=1e-4)
    assert found.value == successes / trials


def test_wilson_refuses_what_is_no_rate():
    for wrong in ((1, 0), (3, 2), (-1, 2)):
        with pytest.raises(DataError, match="a rate needs trials"):
            estimates.wilson(*wrong)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 6), (8, 8)])
def test_with_one_task_the_test_is_mann_whitneys(n, m):
    a, b = RNG.normal(0, 1, n), RNG.normal(0.8, 1, m)
    exact = stats.mannwhitneyu(a, b, method="exact").pvalue
    assert estimates.permutation_p([a], [b]) == pytest.approx(exact)


def test_many_seeds_are_dealt_at_random():
    a, b = RNG.normal(0, 1, 30), RNG.normal(0.6, 1, 30)
    exact = stats.mannwhitneyu(a, b, method="exact").pvalue
    assert estimates.permutation_p([a], [b]) == pytest.approx(exact, abs=0.01)


def test_tasks_add_up():
    """Two tasks with three seeds each, all of `a` higher: 1 of 20 deals on each task, and the mirror image."""
    high, low = np.array([4.0, 5, 6]), np.array([1.0, 2, 3])
    assert estimates.permutation_p([high, high], [low, low]) == pytest.approx(2 / 400)
    assert estimates.smallest_p([high, high], [low, low]) == 2 / 400
    assert estimates.permutation_p([high, low], [low, high]) == 1.0
    assert estimates.smallest_p([high], [low]) == 0.1
    assert np.isnan(estimates.permutation_p([np.array([np.nan, 1])], [low]))


def test_the_test_is_wrong_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(400, 2, 5))
    wrong = np.mean([estimates.permutation_p([a], [b]) < 0.05 for a, b in draws])
    assert 0.01 < wrong < 0.06  # the exact level of 5 against 5 seeds is 0.032


def test_holm():
    np.testing.assert_allclose(estimates.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(estimates.holm([0.5, 0.9]), [1.0, 1.0])
    np.testing.assert_allclose(estimates.holm([np.nan, 0.01]), [np.nan, 0.02])
