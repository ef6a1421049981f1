"""What policies answer, and which answers are refused."""

import re

import numpy as np
import pytest

from imitax.datasets.playing import executed, with_steps
from imitax.errors import DataError
from imitax.spaces import BoxActions, FiniteActions

TWO = np.array([True, True])
DISCRETE = FiniteActions((2,), (0,))
BINARY = FiniteActions((2, 2), (0, 0), (2,), "int8")
BOX = BoxActions((-1.0, -3.0), (1.0, 3.0))


@pytest.mark.parametrize(
    ("answer", "space", "expected"),
    [
        ([0, 1], DISCRETE, np.array([0, 1])),
        (np.array([0.0, 1.0], np.float32), DISCRETE, np.array([0, 1])),
        (np.array([[True, False], [False, True]]), BINARY, np.array([[1, 0], [0, 1]], np.int8)),
        ([[0, 3], [1.00001, -3.00001]], BOX, np.array([[0, 3], [1, -3]], np.float32)),
    ],
)
def test_answers_as_the_environment_takes_them(answer, space, expected):
    found = executed(answer, space, TWO, 0, 0)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    ("answer", "space", "message"),
    [
        ([0, 0.7], DISCRETE, "episode 5 step 7 (counted from 0): the policy's action is 0.7, which is not in Disc"),
        ([7, 0], DISCRETE, "episode 4 step 7 (counted from 0): the policy's action is 7, which is not in Discrete(2)"),
        ([[0, 0], [257.9, 0]], BINARY, "is 257.9, which is not in"),
        ([0, np.nan], DISCRETE, "is nan: look at how the policy computes it"),
        ([[0, 0], [0, 5]], BOX, "episode 5 step 7 (counted from 0): the policy's action is 5 in dimension 1, where"),
        ([[np.nan, 0], [0, 0]], BOX, "is nan: look at how"),
        ([[0, 0], [0, -np.inf]], BOX, "is -inf: look at how"),
        ([[0, 0], [0, 1e300]], BOX, "is inf: look at how"),
        ([[0, 0]], BOX, "must return actions of shape (2, 2), got (1, 2)"),
        ([[0, 0], [0]], BOX, "the policy's actions are not an array of numbers"),
        (["left", "right"], DISCRETE, "the policy's actions are not an array of numbers"),
        ((np.zeros((2, 2)), ("h", "c")), BOX, "a pair, actions and tuple: return the actions alone"),
    ],
)
def test_answers_that_are_no_actions(answer, space, message):
    with pytest.raises(DataError, match=re.escape(message)):
        executed(answer, space, TWO, 4, 7)


def test_a_pair_of_actions_and_no_state():
    actions = np.array([[0.5, 0], [0, 0.25]], np.float32)
    np.testing.assert_array_equal(executed((actions, None), BOX, TWO, 0, 0), actions)
    np.testing.assert_array_equal(executed((actions[0], actions[1]), BOX, TWO, 0, 0), actions)


def test_actions_of_environments_that_do_not_run_do_not_count():
    first = np.array([True, False])
    assert executed([1.0, np.nan], DISCRETE, first, 0, 0)[0] == 1
    np.testing.assert_array_equal(executed([[1, 2], [9, np.nan]], BOX, first, 0, 0)[0], [1, 2])


def test_a_predict_whose_second_argument_is_a_state_gets_none():
    def predict(observation, state=None, episode_start=None, deterministic=False):
        return observation, state

    assert with_steps(predict)("seen", 3) == ("seen", None)
    assert with_steps(lambda obs, step: (obs, step))("seen", 3) == ("seen", 3)


def test_what_cannot_be_called_is_no_policy():
    class Model:
        def predict(self, obs):
            return obs

    with pytest.raises(DataError, match=r"got Model: of a run, pass run\.policy; of a model of Stable-Baselines3"):
        with_steps(Model())
