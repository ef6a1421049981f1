"""What recorders get wrong: found, counted, refused or mended."""

import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from imitax.datasets import Dataset, Episode, load, validate
from imitax.errors import DataError, DataWarning

EPISODES, STEPS = 6, 12


def walks(terminated=False):
    """Smooth episodes that start anywhere."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(EPISODES):
        action = rng.normal(size=(STEPS, 2)) * 0.1
        obs = rng.uniform(-3, 3, 2) + np.r_[np.zeros((1, 2)), np.cumsum(action, axis=0)]
        made.append(Episode(obs, action, np.ones(STEPS), terminated, not terminated))
    return tuple(made)


def flat(episodes):
    t = Dataset(episodes).transitions()
    ends = np.cumsum([len(e) for e in episodes]) - 1
    timeouts = np.isin(np.arange(len(t.obs)), ends)
    arrays = {"observations": t.obs, "actions": t.action, "rewards": t.reward, "next_observations": t.next_obs}
    return arrays | {"terminals": np.zeros(len(t.obs), bool), "timeouts": timeouts}


def repaired(source):
    with pytest.warns(DataWarning, match="repaired"):
        data = load(source, repair=True)
    assert data.attributes["repaired"]
    return data


def lengths(data):
    return data.lengths.tolist()


def autoreset():
    arrays = flat(walks())
    ends = np.flatnonzero(arrays["timeouts"])[:-1]
    arrays["next_observations"][ends] = arrays["observations"][ends + 1]
    return arrays


def reset_steps():
    """A row after each end: from the last observation to the next first one, with reward 0."""
    arrays, episodes = flat(walks()), walks()
    at = np.flatnonzero(arrays["timeouts"])[:-1] + 1
    rows = {
        "observations": [e.observations[-1] for e in episodes[:-1]],
        "next_observations": [e.observations[0] for e in episodes[1:]],
    }
    return {
        k: np.insert(v, at, rows.get(k, np.zeros((len(at), *v.shape[1:]), v.dtype)), axis=0) for k, v in arrays.items()
    }


def test_sound_data_pass_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(flat(walks()))
        assert load(flat(walks()), repair=True).hash() == load(flat(walks())).hash()


def test_a_next_observation_of_the_next_episode():
    with pytest.raises(
        DataError, match=r"5 of 6 episodes, first episode 0, end with the first observation of the next"
    ):
        load(autoreset())
    assert lengths(repaired(autoreset())) == [STEPS - 1] * 5 + [STEPS]
    ended = [replace(e, terminated=True, truncated=False) for e in walks()]
    wrong = [replace(a, observations=np.r_[a.observations[:-1], b.observations[:1]]) for a, b in pairwise(ended)]
    data = repaired([*wrong, ended[-1]])
    assert lengths(data) == [STEPS] * EPISODES
    np.testing.assert_array_equal(data.episodes[0].observations[-1], data.episodes[0].observations[-2])


def test_a_reset_step_among_the_rows():
    with pytest.raises(DataError, match=r"5 of 6 episodes, first episode 1, begin with the end of the episode before"):
        load(reset_steps())
    data = repaired(reset_steps())
    assert lengths(data) == [STEPS] * EPISODES
    assert data.hash() == load(flat(walks())).hash()


def test_a_reset_step_is_found_without_next_observations():
    arrays = {k: v for k, v in reset_steps().items() if k != "next_observations"}
    with pytest.raises(DataError, match="begin with the end of the episode before"):
        load(arrays)
    assert lengths(repaired(arrays)) == [STEPS - 1] * EPISODES


def test_a_task_that_is_never_reset_is_sound():
    rng = np.random.default_rng(1)
    path = np.cumsum(rng.normal(size=(EPISODES * STEPS + 1, 2)), axis=0)
    pieces = [path[i * STEPS : (i + 1) * STEPS + 1] for i in range(EPISODES)]
    load([{"observations": p, "terminated": False} for p in pieces])


def test_a_time_limit_that_is_flagged_as_termination():
    with pytest.warns(DataWarning, match="6 of 6 episodes are flagged as terminated after 12 steps"):
        data = load(list(walks(terminated=True)))
    assert all(e.terminated for e in data.episodes)
    data = repaired(list(walks(terminated=True)))
    assert not any(e.terminated for e in data.episodes)


def test_early_terminations_stay():
    long, short = walks(terminated=True), walks(terminated=True)[0]
    short = replace(short, observations=short.observations[:6], actions=short.actions[:5], rewards=short.rewards[:5])
    data = repaired([*long, short])
    assert [e.terminated for e in data.episodes] == [False] * EPISODES + [True]


def test_rows_of_zeros_at_the_end():
    padded = [
        Episode(
            np.r_[e.observations[:8], np.zeros((5, 2))],
            np.r_[e.actions[:8], np.zeros((4, 2))],
            np.r_[e.rewards[:8], np.zeros(4)],
            False,
            True,
        )
        for e in walks()
    ]
    with pytest.raises(DataError, match=r"6 of 6 episodes, .* end with rows of zeros .*\(30 rows\)"):
        load(padded)
    assert lengths(repaired(padded)) == [7] * EPISODES
    unrewarded = [replace(e, rewards=None) for e in padded]
    with pytest.warns(DataWarning, match="never filled"):
        load(unrewarded)


def test_a_buffer_that_was_never_filled():
    arrays = flat(walks())
    longer = {k: np.r_[v, np.zeros((9, *v.shape[1:]), v.dtype)] for k, v in arrays.items()}
    with pytest.raises(DataError, match="1 of 7 episodes, first episode 6, end with rows of zeros"):
        load(longer)
    assert repaired(longer).hash() == load(arrays).hash()


def test_zeroed_final_observations():
    zeroed = [replace(e, observations=np.r_[e.observations[:-1], np.zeros((1, 2))]) for e in walks()]
    with pytest.raises(DataError, match="repair=True"):
        validate(load(zeroed))
    assert lengths(repaired(zeroed)) == [STEPS - 1] * EPISODES


def test_rows_that_do_not_follow_each_other_are_cut():
    arrays = flat(walks()) | {"timeouts": np.zeros(EPISODES * STEPS, bool)}
    with pytest.raises(DataError, match=r"next_observations\[11\] is not observations\[12\]"):
        load(arrays)
    assert lengths(repaired(arrays)) == [STEPS] * EPISODES
