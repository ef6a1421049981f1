"""Rows that belong to one episode because a column says so, by hand."""

import numpy as np
import pytest
from toy_datasets import assert_same

from imitax.datasets import load
from imitax.errors import DataError

BY_ENV = np.array([[0.0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]])
"""Observations of three environments, four steps each."""


def recorded(order, next_observations=True, **changes):
    """Rows in this order; an environment's next observation is one more."""
    seen = BY_ENV.ravel()[order, None]
    following = {"next_observations": seen + 1} if next_observations else {}
    return {"observations": seen, "actions": -seen, "episode": np.repeat([7, 5, 6], 4)[order]} | following | changes


TOGETHER = np.arange(12)
IN_TURN = TOGETHER.reshape(3, 4).T.ravel()
"""Step by step through all environments."""
LONGER = np.array([0, 4, 8, 1, 5, 2, 6, 3, 7, 9, 10, 11])
"""The last environment stands still, then goes on alone."""


@pytest.mark.parametrize("next_observations", [True, False])
@pytest.mark.parametrize("order", [IN_TURN, LONGER])
def test_environments_that_were_recorded_in_turn(order, next_observations):
    data = load(recorded(order, next_observations))
    assert_same(data, load(recorded(TOGETHER, next_observations)))
    steps = 4 if next_observations else 3
    assert [e.observations.ravel().tolist() for e in data.episodes] == [
        [first + i for i in range(steps + 1)] for first in (0, 10, 20)
    ]
    assert data.episodes[1].actions.ravel().tolist() == [-10, -11, -12, -13][:steps]


def test_leaves_are_put_together_too():
    flat = recorded(IN_TURN)
    leaves = {key: {"a": flat[key]} for key in ("observations", "next_observations")}
    assert load(flat | leaves).episodes[2].observations["a"].ravel().tolist() == [20, 21, 22, 23, 24]


def test_a_number_that_is_given_twice_is_refused():
    again = np.repeat([0, 1, 0], 4)
    with pytest.raises(DataError, match=r"episode comes back in row 8 .*its next observation there is another"):
        load(recorded(TOGETHER, episode=again))
    with pytest.raises(DataError, match=r"episode comes back in row 8 .*cannot be known without next_observations"):
        load(recorded(TOGETHER, False, episode=again))


def test_a_gap_is_not_said_to_be_another_episode():
    flat = recorded(IN_TURN)
    flat["observations"][5] = np.nan
    with pytest.raises(DataError, match=r"observations\[5\] has a gap"):
        load(flat)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.array([0.0, np.nan, *[1] * 10]), "the episode column episode has gaps"),
        (np.ma.MaskedArray([0] * 12, mask=[False, True] * 6), "the episode column episode has gaps"),
        (np.array([*"aaaabbbb", "", "c", "c", "c"]), "the episode column episode has gaps"),
        (np.array([[1], [1, 2], *[[3]] * 10], object), "must hold a number or a name in every row"),
    ],
)
def test_rows_without_an_episode(column, message):
    with pytest.raises(DataError, match=message):
        load(recorded(TOGETHER, episode=column))
