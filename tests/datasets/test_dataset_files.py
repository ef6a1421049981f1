import json
import warnings
from dataclasses import replace

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from imitax.datasets import Dataset, list_bundled, load, loading, save_d4rl, save_minari
from imitax.errors import DataError
from imitax.statistics import reference_scores


def assert_same(actual: Dataset, expected: Dataset):
    assert len(actual.episodes) == len(expected.episodes)
    for a, e in zip(actual.episodes, expected.episodes, strict=True):
        for key in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(a, key), getattr(e, key))
        assert (a.terminated, a.truncated) == (e.terminated, e.truncated)
    assert actual.hash() == expected.hash()


@pytest.mark.parametrize("compact", [False, True])
def test_d4rl_round_trip(dataset, tmp_path, compact):
    save_d4rl(dataset, tmp_path / "new" / "demo.hdf5", compact=compact)
    read = load(tmp_path / "new" / "demo.hdf5")
    assert_same(read, dataset)
    assert (read.name, read.env_id, read.attributes) == ("demo", "Hopper-v5", dataset.attributes)
    assert (read.action_low, read.action_high) == ((-1.0, -1.0), (1.0, 1.0))
    assert read.env_kwargs == {"healthy_z_range": [0.7, float("inf")], "max_episode_steps": 20}


def test_compact_file_leaves_out_next_observations(dataset, tmp_path):
    save_d4rl(dataset, tmp_path / "demo.hdf5", compact=True)
    with h5py.File(tmp_path / "demo.hdf5") as file:
        assert "next_observations" not in file
        assert file["final_observations"].shape == (4, 4)


def test_state_only_round_trip(dataset, tmp_path):
    states = replace(
        dataset,
        episodes=tuple(replace(e, actions=None, rewards=None) for e in dataset.episodes),
        action_low=None,
        action_high=None,
    )
    save_d4rl(states, tmp_path / "states.hdf5")
    assert_same(load(tmp_path / "states.hdf5"), states)
    assert states.action_dim is None
    assert states.transitions().action.shape == (17, 0)
    assert not states.transitions().reward.any()


def test_minari_round_trip(dataset, minari_store, tmp_path):
    folder = save_minari(dataset, "toys/hopper/random-v0")
    assert folder == minari_store / "toys" / "hopper" / "random-v0"
    save_d4rl(dataset, tmp_path / "demo.hdf5")
    for read in (load("toys/hopper/random-v0"), load(folder), load(folder / "data")):
        assert_same(read, dataset)
        assert_same(read, load(tmp_path / "demo.hdf5"))
        assert (read.name, read.env_id, read.attributes) == ("toys/hopper/random-v0", "Hopper-v5", dataset.attributes)
        assert (read.action_low, read.action_high) == ((-1.0, -1.0), (1.0, 1.0))
    assert [item["dataset_id"] for item in minari.list_local_datasets().values()] == ["toys/hopper/random-v0"]
    assert load(folder, env_kwargs={"frame_skip": 2}).env_kwargs == {"frame_skip": 2}


def test_minari_computes_with_the_references_of_a_set(dataset, minari_store):
    known = replace(dataset, attributes=dataset.attributes | reference_scores("Hopper-v5"))
    save_minari(known, "toys/hopper/random-v0")
    scores = minari.get_normalized_score(minari.load_dataset("toys/hopper/random-v0"), np.array([-20.27, 3234.3]))
    assert scores.tolist() == [0.0, 1.0]
    assert load("toys/hopper/random-v0").attributes == known.attributes


@pytest.mark.parametrize(("env_id", "env_kwargs"), [(None, {}), ("NotInstalledHere-v3", {"size": 3})])
def test_minari_without_the_environment(dataset, minari_store, env_id, env_kwargs):
    other = replace(dataset, env_id=env_id, env_kwargs=env_kwargs, action_low=None, action_high=None)
    save_minari(other, "plain-v1")
    read = load("plain-v1")
    assert_same(read, other)
    assert (read.env_id, read.env_kwargs, read.action_low) == (env_id, env_kwargs, None)


def test_writing_minari_that_fails_leaves_nothing(dataset, minari_store):
    class Stop(Exception):
        pass

    def stop(*_, **__):
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minari.dataset.minari_storage.MinariStorage.update_metadata", stop)
        with pytest.raises(Stop):
            save_minari(dataset, "plain-v1")
    assert list(minari_store.iterdir()) == []


def roll_out(env, episodes):
    """What a careful person would write down, in the environment's own float64."""
    env.action_space.seed(0)
    recorded = []
    for seed in range(episodes):
        obs = [env.reset(seed=seed)[0]]
        actions, rewards, terminations, truncations = [], [], [], []
        while not (terminations and (terminations[-1] or truncations[-1])):
            actions.append(env.action_space.sample())
            next_obs, reward, terminated, truncated, _ = env.step(actions[-1])
            obs.append(next_obs)
            rewards.append(reward)
            terminations.append(terminated)
            truncations.append(truncated)
        recorded.append((obs, actions, rewards, terminations, truncations))
    return recorded


def test_both_formats_carry_the_flags_of_the_real_hopper(minari_store, tmp_path):
    """Flat float32 arrays and Minari's own writer, in float64, from the same episodes of Hopper-v5."""
    with gym.make("Hopper-v5", max_episode_steps=20) as env:
        recorded = roll_out(env, 12)
        buffers = [
            EpisodeBuffer(observations=o, actions=a, rewards=r, terminations=te, truncations=tr)
            for o, a, r, te, tr in recorded
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Minari asks for an author
            minari.create_dataset_from_buffers("hopper/random-v0", buffers, env=env)

    with h5py.File(tmp_path / "hopper.hdf5", "w") as file:
        for key, parts in {
            "observations": [o[:-1] for o, *_ in recorded],
            "next_observations": [o[1:] for o, *_ in recorded],
            "actions": [a for _, a, *_ in recorded],
            "rewards": [r for _, _, r, *_ in recorded],
            "terminals": [te for *_, te, _ in recorded],
            "timeouts": [tr for *_, tr in recorded],
        }.items():
            values = np.concatenate(parts)
            file[key] = values if values.dtype == bool else values.astype(np.float32)
        file.attrs["env_id"] = "Hopper-v5"
        file.attrs["env_kwargs"] = json.dumps({"max_episode_steps": 20})

    d4rl, other = load(tmp_path / "hopper.hdf5"), load("hopper/random-v0")
    assert_same(d4rl, other)
    assert (other.env_id, other.env_kwargs) == ("Hopper-v5", {"max_episode_steps": 20})
    assert other.action_high == (1.0, 1.0, 1.0)
    for episode, (obs, actions, rewards, terminations, truncations) in zip(d4rl.episodes, recorded, strict=True):
        assert (episode.terminated, episode.truncated) == (terminations[-1], truncations[-1])
        np.testing.assert_array_equal(episode.observations, np.float32(obs))
        np.testing.assert_array_equal(episode.actions, np.float32(actions))
        np.testing.assert_array_equal(episode.rewards, np.float32(rewards))
    assert 0 < sum(episode.terminated for episode in d4rl.episodes) < 12

    flat = d4rl.transitions()
    np.testing.assert_array_equal(flat.terminated, np.concatenate([te for *_, te, _ in recorded]))
    np.testing.assert_array_equal(flat.next_obs, np.concatenate([np.float32(o[1:]) for o, *_ in recorded]))

    without_flags = {key: getattr(flat, name) for key, name in (("obs", "obs"), ("terminals", "terminated"))}
    assert_same(
        load({**without_flags, "next_obs": flat.next_obs, "actions": flat.action, "rewards": flat.reward}),
        replace(d4rl, env_id=None, env_kwargs={}),
    )


# Rows 0..2 terminate, rows 3..5 are cut by the time limit, rows 6..7 are what was left when recording stopped.
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


def test_a_dataset_is_returned_as_it_is(dataset):
    assert load(dataset) is dataset
    assert load(dataset, env_kwargs={"a": 1}).env_kwargs == {"a": 1}


def test_bundled(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "BUNDLED", tmp_path)
    save_d4rl(dataset, tmp_path / "hopper-toy.hdf5")
    assert list_bundled() == ["imitax/hopper-toy"]
    for name in ("hopper-toy", "imitax/hopper-toy"):
        assert_same(load(name), dataset)
        assert load(name).name == "imitax/hopper-toy"


def test_an_edited_file_is_noticed(dataset, tmp_path):
    path = tmp_path / "demo.hdf5"
    save_d4rl(dataset, path)
    with h5py.File(path, "a") as file:
        file["actions"][3, 1] += 1e-6
    with pytest.raises(DataError, match="does not match its stored hash"):
        load(path)


def test_any_flipped_byte_of_the_data_is_noticed(dataset, tmp_path):
    """Whatever breaks, compression or content, it is a DataError and never other numbers."""
    path = tmp_path / "demo.hdf5"
    save_d4rl(dataset, path)
    whole, expected = path.read_bytes(), dataset.hash()
    noticed = 0
    for position in range(0, len(whole), 37):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            assert load(path).hash() == expected  # padding
        except DataError:
            noticed += 1
    assert noticed > 20


def test_writing_that_fails_leaves_the_old_file(dataset, tmp_path, monkeypatch):
    path = tmp_path / "demo.hdf5"
    save_d4rl(dataset, path)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        save_d4rl(replace(dataset, env_id="Other-v0"), path)
    assert [item.name for item in tmp_path.iterdir()] == ["demo.hdf5"]
    assert_same(load(path), dataset)
