"""Gaps in the times of rows, by hand."""

import warnings

import numpy as np
import pytest

from imitax.datasets import load
from imitax.datasets.clock import gaps
from imitax.errors import DataWarning


def table(time, episode=None, **more):
    """Rows whose observation is their number."""
    count = len(time)
    kept = {} if episode is None else {"episode": np.asarray(episode)}
    return kept | {"t": np.asarray(time), "obs_0": np.arange(float(count)), "action_0": np.ones(count)} | more


NAMES = {"observations": "obs_0"}
DROPPED = [0, 1, 2, 3, 4, 7, 8, 9, 0, 1, 2, 3, 6]
EPISODE = np.repeat([0, 1], [8, 5])


def test_rows_that_were_dropped():
    with pytest.warns(DataWarning) as said:
        data = load(table(DROPPED, EPISODE), columns=NAMES)
    (warning,) = said
    assert "the time t grows by 3 from row 4 to row 5" in str(warning.message)
    assert "its usual step is 1 (2 such gaps, in 2 of 2 episodes)" in str(warning.message)
    assert "episode column" in str(warning.message)
    assert str(warning.message).endswith("repair=True (--repair) will cut episodes at these gaps")
    assert data.lengths.tolist() == [7, 4]


def test_repair_cuts_at_gaps():
    with pytest.warns(DataWarning, match=r"grows by 3 .*: repaired, to cut episodes at these gaps"):
        data = load(table(DROPPED, EPISODE), columns=NAMES, repair=True)
    assert [e.observations.ravel().tolist() for e in data.episodes] == [[0, 1, 2, 3, 4], [5, 6, 7], [8, 9, 10, 11]]
    assert "repaired, to cut episodes at these gaps" in data.attributes["repaired"]


def test_rows_are_those_of_the_table():
    back = np.arange(8)[::-1]
    with pytest.warns(DataWarning, match="from row 3 to row 2 of one"):
        load(table(np.array(DROPPED[:8])[back], EPISODE[:8]), columns=NAMES)


@pytest.mark.parametrize("as_dates", [False, True])
def test_pauses_between_recordings_on_a_clock_that_goes_on(as_dates):
    wall = 1.7e9 + np.concatenate([3600 * i + 0.05 * np.arange(20) for i in range(3)])
    wall += np.random.default_rng(0).uniform(0, 0.02, 60)
    time = (wall * 1e6).astype("datetime64[us]") if as_dates else wall
    unit = "t, in seconds, grows by 3599.04" if as_dates else "t grows by 3599.04"
    with pytest.warns(DataWarning, match=rf"{unit}.* \(2 such gaps, in 1 of 1 episodes\)"):
        assert load(table(time), columns=NAMES).lengths.tolist() == [59]
    with pytest.warns(DataWarning, match="repaired"):
        assert load(table(time), columns=NAMES, repair=True).lengths.tolist() == [19, 19, 19]


def jitter(seed=0):
    return np.cumsum(np.random.default_rng(seed).uniform(0.03, 0.07, 400))


@pytest.mark.parametrize(
    "time",
    [
        np.arange(0, 400, 2),
        np.arange(0, 400, 5),
        0.05 * np.arange(400),
        (0.05 * np.arange(400)).astype(np.float32),
        1.7e9 + 0.05 * np.arange(400),
        jitter(),
        1.7e9 + jitter(),
        (1000 * jitter()).astype(int),  # milliseconds
        np.rint(np.arange(400) * 1000 / 30),  # 33, 33, 34
        np.cumsum(np.random.default_rng(0).integers(1, 5, 400)),  # actions of one to four frames
        np.cumsum(np.random.default_rng(0).exponential(0.05, 400) + 0.02),
        np.array([0.0, 5.0]),
        np.array([0.0]),
    ],
)
def test_clocks_without_gaps(time):
    starts = np.arange(len(time)) == 0
    assert not gaps(np.asarray(time, float), starts)[0].any()


def test_every_episode_has_its_own_clock():
    time = np.r_[0:10:1, 0:50:5, 0:3:1, 0, 7, 8].astype(float)
    starts = np.isin(np.arange(len(time)), [0, 10, 20, 23])
    assert np.flatnonzero(gaps(time, starts)[0]).tolist() == [23]  # in the last one, too short to say what is usual


def test_next_observations_lead_across_no_gap():
    following = {"next_obs_0": np.r_[1.0:5.0, 4.5, 6.0:9.0]}
    flat = {k: v[:8] for k, v in table(DROPPED, EPISODE).items()} | following
    flat["obs_0"] = np.r_[0.0:5.0, 4.5, 6.0, 7.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(flat, columns={"time": "t"}).lengths.tolist() == [8]
