"""Datasets with a history: transitions across the ends of episodes, and what is kept of the original."""

import numpy as np
import pytest

from imitax.datasets import Dataset, Episode
from imitax.datasets.remembered import present, with_history
from imitax.errors import ConfigError
from imitax.spaces import BoxActions, FiniteActions, History, Leaf, ObservationSpace, Spec

FLAT = ObservationSpace((Leaf((1,)),))


BOX = BoxActions((-9.0,), (9.0,))


def spec(length=2, actions=False, action=BOX):
    size = length + (length - 1) * actions * action.size
    return Spec(ObservationSpace((Leaf((size,)),)), action, History(length, actions, FLAT))


def episode(first, steps, terminated, actions=True):
    numbers = np.arange(first, first + steps + 1)[:, None]
    return Episode(numbers, numbers[:-1] if actions else None, np.ones(steps), terminated, not terminated)


def test_transitions_see_nothing_of_other_episodes():
    """A truncated end, and an end of the task, after which another episode follows."""
    data = with_history(Dataset((episode(1, 3, False), episode(11, 2, True))), spec(3))
    flat = data.transitions()
    np.testing.assert_array_equal(flat.obs, [[1, 1, 1], [1, 1, 2], [1, 2, 3], [11, 11, 11], [11, 11, 12]])
    np.testing.assert_array_equal(flat.next_obs, [[1, 1, 2], [1, 2, 3], [2, 3, 4], [11, 11, 12], [11, 12, 13]])
    assert flat.terminated.tolist() == [False] * 4 + [True]
    few = data.transitions(subsample=2, seed=0)
    assert all((np.diff(row[row > row[0]]) == 1).all() for row in few.obs)  # steps between kept ones are seen


def test_integer_actions_are_seen_one_hot():
    space = FiniteActions((3,), (1,))
    data = Dataset((Episode(np.zeros((4, 1)), np.array([[1], [3], [2]]), None, False, True),))
    seen = with_history(data, spec(2, True, space)).episodes[0]
    np.testing.assert_array_equal(seen.observations[:, 2:], [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(seen.actions, [[1], [3], [2]])


def test_without_a_history_the_data_are_the_same_object():
    data = Dataset((episode(1, 3, False),))
    assert with_history(data, Spec(FLAT, BoxActions((-1.0,), (1.0,)))) is data


def test_data_without_actions():
    data = Dataset((episode(1, 3, False, actions=False),), name="seen")
    assert with_history(data, spec(2)).obs_dim == 2
    with pytest.raises(ConfigError, match="seen: --history-actions: the demonstrations have no actions"):
        with_history(data, spec(2, True))


def test_episodes_of_a_replay_are_shown_as_the_environment_did():
    original = episode(1, 4, True)
    seen = with_history(Dataset((original,)), spec(3, True)).episodes[0]
    np.testing.assert_array_equal(present(seen.observations, spec(3, True)), original.observations)
    classes = ObservationSpace((Leaf((), "categories", (9,), (0,)),))
    stacked = Spec(
        ObservationSpace((Leaf((2,), "categories", (9, 9), (0, 0)),)),
        BOX,
        History(2, False, classes),
    )
    one = Episode(np.arange(4), np.zeros((3, 1)), None, False, True)
    back = present(with_history(Dataset((one,)), stacked).episodes[0].observations, stacked)
    assert (back.tolist(), back.dtype) == ([0, 1, 2, 3], np.int32)
