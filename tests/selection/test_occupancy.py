"""State-actions as samples: scales, ends, and what is drawn."""

import numpy as np
import pytest

from imitax.datasets import Dataset, Episode
from imitax.selection.energy import energy_distance
from imitax.selection.occupancy import ROWS, Occupancy, sampler
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec

SPEC = Spec.flat(1, (-1.0,), (1.0,))


def episodes(*lengths, terminated=False, spread=1.0, actions=True):
    """Walks in which the observation alternates between -spread and spread, as the action between -0.5 and 0.5."""
    signs = [np.where(np.arange(n + 1) % 2, 1.0, -1.0)[:, None] for n in lengths]
    return Dataset(tuple(Episode(spread * s, s[:-1] / 2 if actions else None, None, terminated, False) for s in signs))


def of(data, seed=0):
    return Occupancy.of(data, seed)


def test_columns_are_standardised_by_the_demonstrations():
    demos = episodes(4, 4, spread=3.0)
    sample = sampler(SPEC, demos)(of(demos), 4)
    np.testing.assert_allclose(sample.points[:4], [[-1, -1, 0], [1, 1, 0], [-1, -1, 0], [1, 1, 0]])
    np.testing.assert_allclose(sample.points[-1], [0, 0, np.sqrt(2)])
    np.testing.assert_allclose(sample.weights, [1 / 8] * 8 + [0])


def test_after_an_end_there_is_time_and_after_a_time_limit_there_is_none():
    ended, cut = of(episodes(2, 4, terminated=True)), of(episodes(2, 4))
    assert ended.after_end(10) == pytest.approx((8 + 6) / 20)
    assert cut.after_end(10) == 0
    assert ended.after_end(4) == pytest.approx(2 / 8)
    assert ended.steps_after(10).tolist() == [8, 6]
    assert ended.last.terminated.tolist() == [True, True]
    assert len(cut.last) == 0


def test_an_early_end_is_a_difference_although_everything_before_it_is_alike():
    demos = episodes(100, 100)
    sample = sampler(SPEC, demos)
    distances = [
        energy_distance(sample(of(data), 100), sample(of(demos), 100))
        for data in (episodes(100), episodes(90, terminated=True), episodes(10, terminated=True))
    ]
    assert distances[0] < 1e-6
    # 2 E|X - Y| - E|X - X'| - E|Y - Y'| of a share p after the end, d from both live points that are c apart
    d, c = 2.0, 2 * np.sqrt(2)
    for p, found in zip((0.1, 0.9), distances[1:], strict=True):
        within = c / 2
        expected = 2 * ((1 - p) * within + p * d) - ((1 - p) ** 2 * within + 2 * p * (1 - p) * d) - within
        assert found == pytest.approx(np.sqrt(expected))


def test_both_ending_alike_is_no_difference():
    demos = episodes(5, 5, terminated=True)
    sample = sampler(SPEC, demos)
    assert energy_distance(sample(of(demos), 50), sample(of(episodes(5, terminated=True)), 50)) < 1e-6


def test_a_seed_draws_the_same_rows():
    long = episodes(3 * ROWS)
    first, again, other = of(long), of(long), of(long, seed=1)
    assert len(first.drawn) == ROWS
    np.testing.assert_array_equal(first.drawn.obs, again.drawn.obs)
    assert (first.drawn.obs != other.drawn.obs).any()


def test_states_alone_where_demonstrations_have_no_actions():
    sample = sampler(SPEC, episodes(4, actions=False))
    assert sample(of(episodes(4)), 4).points.shape == (5, 2)


def test_a_nearly_constant_action_is_not_magnified():
    still = Dataset((Episode(np.arange(4.0)[:, None], np.full((3, 1), 0.5), None, False, False),))
    moved = Dataset((Episode(np.arange(4.0)[:, None], np.full((3, 1), 0.6), None, False, False),))
    np.testing.assert_allclose(sampler(SPEC, still)(of(moved), 3).points[:3, 1], 1.0, rtol=1e-5)


def test_dicts_classes_and_discrete_actions():
    space = ObservationSpace.of({"at": Leaf((2,)), "kind": Leaf((), "categories", (3,), (5,))})
    spec = Spec(space, FiniteActions((2,), (0,)))
    obs = {"at": np.array([[0, 1], [2, 1], [0, 1], [2, 1]], np.float32), "kind": np.array([5, 7, 6, 5])}
    data = Dataset((Episode(obs, np.array([[0], [1], [1]]), None, True, False),))
    points = sampler(spec, data)(of(data), 3).points
    np.testing.assert_allclose(points[:3, 2:7], [[1, 0, 0, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 1]])
    np.testing.assert_allclose(points[:3, 1], 0)  # constant: shifted only
