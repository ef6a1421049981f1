"""Episodes from flat arrays, by hand."""

from dataclasses import replace

import numpy as np
from toy_datasets import assert_same

from imitax.datasets import load

OBS = np.arange(1.0, 9.0)[:, None]


TERMINALS = np.array([0, 0, 1, 0, 0, 0, 0, 0], bool)


TIMEOUTS = np.array([0, 0, 0, 0, 0, 1, 0, 0], bool)


FLAT = {"observations": OBS, "actions": 10 * OBS, "rewards": OBS[:, 0], "terminals": TERMINALS, "timeouts": TIMEOUTS}


NEXT = np.array([2.0, 3.0, 33.0, 5.0, 6.0, 66.0, 8.0, 88.0])[:, None]


def observations(dataset):
    return [episode.observations[:, 0].tolist() for episode in dataset.episodes]


def flags(dataset):
    return [(episode.terminated, episode.truncated) for episode in dataset.episodes]


def test_final_observations_are_the_files_own():
    dataset = load(FLAT | {"next_observations": NEXT})
    assert observations(dataset) == [[1, 2, 3, 33], [4, 5, 6, 66], [7, 8, 88]]
    assert flags(dataset) == [(True, False), (False, True), (False, True)]


def test_without_next_observations_the_last_transition_of_a_truncated_episode_is_dropped():
    dataset = load(FLAT)
    assert observations(dataset) == [[1, 2, 3, 3], [4, 5, 6], [7, 8]]
    assert [episode.actions[:, 0].tolist() for episode in dataset.episodes] == [[10, 20, 30], [40, 50], [70]]
    assert [episode.rewards.tolist() for episode in dataset.episodes] == [[1, 2, 3], [4, 5], [7]]
    assert flags(dataset) == [(True, False), (False, True), (False, True)]
    flat = dataset.transitions()
    assert flat.terminated.tolist() == [False, False, True, False, False, False]
    assert flat.next_obs[:, 0].tolist() == [2, 3, 3, 5, 6, 8]


def test_a_lone_truncated_row_without_its_next_observation_is_no_episode():
    lone = load({"observations": OBS[:3], "terminals": [False, True, False], "timeouts": [False] * 3})
    assert observations(lone) == [[1, 2, 2]]


def test_without_timeouts_episodes_end_where_the_next_observation_is_another():
    arrays = {key: value for key, value in FLAT.items() if key != "timeouts"} | {"next_observations": NEXT}
    assert observations(load(arrays)) == [[1, 2, 3, 33], [4, 5, 6, 66], [7, 8, 88]]
    assert flags(load(arrays)) == [(True, False), (False, True), (False, True)]


def test_a_row_with_both_flags_terminates():
    both = load(FLAT | {"next_observations": NEXT, "timeouts": TIMEOUTS | TERMINALS})
    assert flags(both) == [(True, True), (False, True), (False, True)]
    assert both.transitions().terminated[2]


def test_final_observations_stand_in_for_next_observations():
    assert observations(load(FLAT | {"final_observations": [[33], [66], [88]]})) == observations(
        load(FLAT | {"next_observations": NEXT})
    )


def test_other_names_and_columns_will_do():
    renamed = {
        "obs": OBS,
        "action": 10 * OBS,
        "reward": OBS,  # [N, 1], as in some older files
        "next_obs": NEXT,
        "terminations": TERMINALS[:, None],
        "truncations": TIMEOUTS,
        "infos": None,
    }
    assert load(renamed).hash() == load(FLAT | {"next_observations": NEXT}).hash()


def test_a_list_of_episodes(dataset):
    a, b, c, d = dataset.episodes
    items = [
        {"observations": a.observations, "actions": a.actions, "rewards": a.rewards, "terminated": True},
        {
            "obs": b.observations[:-1],
            "next_obs": b.observations[1:],
            "acts": b.actions,
            "reward": b.rewards,
            "terminals": np.zeros(7),
            "timeouts": np.arange(7) == 6,
        },
        {**vars(c)},
        d,
    ]
    assert_same(load(items), replace(dataset, env_id=None, env_kwargs={}))
    states = load([{"observations": OBS, "terminated": False}])
    assert (observations(states), flags(states)) == ([OBS[:, 0].tolist()], [(False, True)])
    cut = load([{"observations": OBS, "actions": OBS, "terminated": False}])
    assert len(cut.episodes[0]) == 7
