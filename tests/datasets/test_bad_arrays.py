"""Arrays and episodes that are no demonstrations."""

import numpy as np
import pytest
from toy_datasets import FLAT, NEXT, NO, OBS, N, but

from imitax.datasets import load
from imitax.errors import DataError


def jump_at(row):
    changed = NEXT.copy()
    changed[row, 0] += 0.5
    return changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no observations among no fields"),
        (but(observations=None), "no observations among actions"),
        (but(terminals=None), "no terminals"),
        (but(terminals=None, dones=NO), "dones.*split them into terminals and timeouts"),
        (but(timeouts=None), "it cannot be known where a time limit cut"),
        (but(actions=np.ones((5, 1))), "lengths differ: 6 observations, 5 actions"),
        (but(terminals=False), "lengths differ: 6 observations, 1 terminals"),
        (but(timeouts=np.zeros((N, 2))), r"timeouts must have shape \[time\]"),
        (but(observations=np.ones(N)), r"observations must be numbers of shape \[time, size\].*classes are integers"),
        (but(observations=[["a", "b"]] * N), "observations must be numbers"),
        (but(observations={"a": OBS, "b": OBS[1:]}), "lengths differ: 6 observation.a, 5 observation.b"),
        (but(actions={"arm": OBS}), "actions is a dict; only observations may be dicts"),
        (but(observations=3.0), "observations must be an array"),
        (but(observations=[[1.0], [1.0, 2.0]]), "observations are not an array"),
        (but(actions=np.array([["x"]] * N)), "actions are not an array of numbers"),
        (but(rewards=np.ones((N, 2))), r"rewards must have shape \[time\]"),
        (but(obs=OBS), "observations and obs are the same field"),
        ({key: value[:0] for key, value in FLAT.items()}, "the arrays are empty"),
        ({key: value[:1] for key, value in FLAT.items()}, "no transition has a known next observation"),
        (but(next_observations=NEXT[:, :1]), "next_observations have shape"),
        (but(next_observations=jump_at(3)), r"row 3: next_observations\[3\] is not observations\[4\].*corrupt"),
        (but(final_observations=OBS[:2]), r"final_observations must have shape \(1, 2\)"),
    ],
)
def test_bad_arrays(arrays, message):
    with pytest.raises(DataError, match=message):
        load(arrays)


def test_a_gap_is_not_said_to_be_a_jump():
    gap = OBS.copy()
    gap[4, 1] = np.nan
    with pytest.raises(DataError, match=r"arrays: observations\[4\] has a gap.*\(1 such rows\)"):
        load(but(observations=gap, next_observations=NEXT))
    with pytest.raises(DataError, match=r"observations\[4\] has a gap"):
        load(but(observations=np.ma.MaskedArray(OBS, mask=np.isnan(gap)), next_observations=NEXT))
    gap = NEXT.copy()
    gap[2] = np.nan
    with pytest.raises(DataError, match=r"next_observations\[2\] has a gap"):
        load(but(next_observations={"a": gap, "b": NEXT}, observations={"a": OBS, "b": OBS}), repair=True)


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ([], "the dataset is empty: it has no episodes"),
        ([3], "episode 0: expected an Episode or a dict of arrays, got int"),
        ([{"observations": OBS, "actions": OBS[:5]}], "episode 0: no terminals"),
        ([{"observations": OBS, "actions": OBS[:3], "terminated": True}], "6 observations need 5 actions, got 3"),
        ([{"observations": OBS, "rewards": np.ones(4), "terminated": True}], "6 observations need 5 rewards, got 4"),
        ([{"observations": OBS[:1], "terminated": True}], "the episode is empty"),
        ([{"observations": OBS, "terminated": [0, 0, 1, 0, 0]}], "terminals is set at row 2, before the last row 4"),
        ([{"observations": OBS, "terminated": True, "truncated": [0, 1]}], "lengths differ: 5 steps, 2 timeouts"),
        ([{"observations": OBS, "terminated": True}, {"observations": NEXT[:, :1], "terminated": True}], "size 1 in"),
        (
            [{"observations": OBS, "terminated": True}, {"observations": OBS, "actions": OBS[1:], "terminated": True}],
            "actions are of size 2 in episode 1 and missing in episode 0",
        ),
    ],
)
def test_bad_episodes(episodes, message):
    with pytest.raises(DataError, match=message):
        load(episodes)


def test_an_episode_of_one_observation():
    for flags in ([], np.zeros(0, bool)):
        with pytest.raises(DataError, match="the episode is empty"):
            load([{"observations": [[1.0]], "actions": np.zeros((0, 1)), "terminated": flags}])
    with pytest.raises(DataError, match="the episode is empty"):
        load([{"observations": np.zeros((0, 2)), "terminated": True}])
