"""Limits of actions that no environment says."""

import dataclasses

import numpy as np
import pytest

from imitax.datasets import Dataset, Episode, bounds, load
from imitax.errors import DataError
from imitax.spaces import BoxActions, FiniteActions


def dataset(actions, **fields):
    actions = np.asarray(actions)
    return Dataset((Episode(np.zeros((len(actions) + 1, 3)), actions, None, False, True),), **fields)


def test_bounds_are_a_little_wider_than_the_data_and_round():
    actions = np.array([[-0.87, -1.0, 3.0, 0.0, 120.0, 0.0102], [0.92, 1.0, 3.0, 0.0, -80.0, 0.0257]])
    low, high = bounds.inferred(actions)
    assert low == (-1.0, -1.1, 2.8, -0.1, -90.0, 0.009)
    assert high == (1.1, 1.1, 3.2, 0.1, 130.0, 0.027)


def test_an_action_far_from_zero_keeps_its_bounds_in_order():
    low, high = bounds.inferred(np.array([[1e6], [1e6 + 0.1], [1e6]], np.float32).astype(np.float64))
    assert np.float32(low[0]) < 1e6 - 1000
    assert np.float32(high[0]) > 1e6 + 1000
    low, high = bounds.inferred(np.array([[1e-7], [3e-7]]))
    assert (low[0], high[0]) == pytest.approx((0.9e-7, 3.1e-7))


def test_rows_that_are_not_finite_do_not_count():
    assert bounds.recorded_actions([dataset([[0.5], [np.nan], [1.0]])]).tolist() == [[0.5], [1.0]]
    with pytest.raises(DataError, match="no row of actions is finite"):
        bounds.inferred(bounds.recorded_actions([dataset([[np.nan]])]))


def test_what_cannot_be_pooled():
    with pytest.raises(DataError, match="actions differ in size: a has 1, b has 2"):
        bounds.recorded_actions([dataset([[0.5]], name="a"), dataset([[0.5, 1.0]], name="b")])
    with pytest.raises(DataError, match="no actions are recorded"):
        bounds.recorded_actions([Dataset((Episode(np.zeros((3, 1)), None, None, False, True),))])


def test_the_widest_declared_bounds_count():
    first = dataset([[0.5, 0.5]], action_low=(-1.0, -np.inf), action_high=(1.0, np.inf))
    second = dataset([[0.5, 0.5]], action_low=(-2.0, 0.0), action_high=(0.5, 1.0))
    found = bounds.declared([first, second], 2)
    assert found.limits == ((-2.0, -np.inf), (1.0, np.inf))
    assert bounds.declared([dataset([[0.5, 0.5]])], 2) is None
    assert bounds.declared([dataset([[0.5]], action_low=(1.0,), action_high=(1.0,))], 1) is None


def test_open_sides_get_a_range_around_the_recorded_actions():
    data = dataset([[0.0, 0.0, 5.0], [1.0, 100.0, 5.0], [0.3, 30.0, 5.0]])
    box = BoxActions.of((-np.inf, 0.0, -3e38), (np.inf, np.inf, 10.0))
    found = bounds.ranged(box, [data])
    np.testing.assert_allclose([found.low, found.high], [[-0.1, 0.0, 4.7], [1.1, 110.0, 10.0]], atol=1e-9)
    assert found.limits == ((-np.inf, 0.0, -np.inf), (np.inf, np.inf, 10.0))
    assert bounds.ranged(found.closed, [data]) == found.closed
    beyond = bounds.ranged(BoxActions.of((7.0,), (np.inf,)), [dataset([[0.0], [1.0]])])
    assert (beyond.low, beyond.high) == ((7.0,), (8.0,))  # such data are refused elsewhere


def test_only_limits_are_checked():
    data = dataset([[-5.0, 200.0], [3.0, 1.0]])
    box = BoxActions((-1.0, 0.0), (1.0, 10.0), (True, False), (True, True))
    bounds.check_inside(data, box, "given")
    with pytest.raises(DataError, match=r"action 1 is 1 at episode 0 row 1, outside of 2 to inf"):
        bounds.check_inside(data, dataclasses.replace(box, low=(-1.0, 2.0)), "given")


def test_actions_outside_are_named():
    data = Dataset((*dataset([[0.1, 0.0]] * 3).episodes, *dataset([[0.0, 0.5], [0.0, 2.5], [0.0, 3.0]]).episodes))
    with pytest.raises(DataError, match=r"action 1 is 3 at episode 1 row 2, outside of -1 to 2 \(2 such rows\)"):
        bounds.check_inside(data, BoxActions((-1.0, -1.0), (1.0, 2.0)), "given")
    bounds.check_inside(data, BoxActions((0.0, 0.0), (0.1, 3.0)), "given")  # 0.1 is more in 32 bits than in 64


@pytest.mark.parametrize("kind", [int, float])
def test_choices_outside_are_named(kind):
    rows = [[0, 1], [2, 1], [0, 2]], [[0, 1], [5, 1], [-1, 1]]
    data = Dataset(tuple(e for part in rows for e in dataset(np.array(part, kind)).episodes), name="log")
    problem = r"log: actions are not in the given set: dimension 0: 2 rows, the first 5 at episode 1 row 1, the set is "
    with pytest.raises(DataError, match=problem + "the integers 0 to 2. Repair"):
        bounds.check_inside(data, FiniteActions((3, 2), (0, 1), (2,)), "given")
    bounds.check_inside(data, FiniteActions((7, 2), (-1, 1), (2,)), "given")


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_are_noticed_however_they_come(dtype, tmp_path):
    actions = np.array([0, 1, 1, 0], dtype)
    flat = {"observations": np.zeros((4, 2)), "terminals": np.zeros(4), "timeouts": [0, 1, 0, 1], "actions": actions}
    episodes = [{"observations": np.zeros((5, 2)), "actions": actions, "terminated": False}]
    (tmp_path / "log.csv").write_text("episode,obs_0,action\n0,0.5,1\n0,0.5,0\n1,0.1,1\n1,0.1,1\n")
    for source in (flat, episodes, tmp_path / "log.csv"):
        data = load(source)
        assert bounds.infer_action_space(bounds.recorded_actions([data])) == FiniteActions((2,), (0,))
        repaired = dataclasses.replace(data.episodes[0], rewards=None)
        assert repaired.actions is not None
        assert repaired.actions.dtype.kind == "i"


def test_floats_are_amounts(tmp_path):
    (tmp_path / "log.csv").write_text("episode,obs_0,action_0,action_1\n0,1,1,0.5\n0,2,0,1\n0,2,0,1\n")
    for data in (dataset([[1.0, 0.5], [0.0, 1.0]]), load(tmp_path / "log.csv")):
        found = bounds.infer_action_space(bounds.recorded_actions([data]))
        assert found == BoxActions((-0.1, 0.47), (1.1, 1.03))


def test_the_set_of_integers():
    assert bounds.infer_action_space(np.array([[1], [3]])) == FiniteActions((4,), (0,))
    assert bounds.infer_action_space(np.array([[-1, 0], [1, 1]])) == FiniteActions((3, 2), (-1, 0), (2,))
    assert bounds.infer_action_space(np.array([[0, 0], [0, 1]])) == FiniteActions((1, 2), (0, 0), (2,))
    with pytest.raises(DataError, match="all actions are 0"):
        bounds.infer_action_space(np.zeros((3, 1), np.int64))
    with pytest.raises(DataError, match="there are no actions"):
        bounds.infer_action_space(np.zeros((0, 1), np.int64))
    extremes = np.array([[0, -(2**62)], [1, 2**62]])
    with pytest.raises(DataError, match=f"action 1 is an integer by type, from -{2**62} to {2**62}: so many look like"):
        bounds.infer_action_space(extremes)


def test_integers_and_floats_in_one_set_of_data():
    whole, half = dataset(np.array([[1], [0]]), name="a"), dataset([[0.5], [1.0]], name="b")
    assert bounds.mixture([whole, whole]) is None
    assert bounds.mixture([half]) is None
    found = bounds.mixture([whole, half])
    assert found is not None
    assert found.startswith("actions are floats in 1 of 2 episodes, such as episode 0 of b, and integers in the others")
    assert bounds.recorded_actions([whole, half]).tolist() == [[1], [0], [0.5], [1]]
    with pytest.raises(DataError, match=r"floats by type in 1 of 2 episodes, such as episode 0 of c, .* whole numbers"):
        bounds.mixture([whole, dataset([[1.0], [2.0]], name="c")])
