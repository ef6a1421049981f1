"""Minari datasets."""

import json
import warnings
from dataclasses import replace

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer
from toy_datasets import OBS, assert_same

from imitax.datasets import Dataset, load, save_d4rl, save_minari
from imitax.errors import DataError
from imitax.statistics import reference_scores


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


@pytest.mark.filterwarnings("ignore")  # Minari asks for an author
@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"action_space": gym.spaces.Text(3)}, "the action space is Text"),
    ],
)
def test_minari_with_other_spaces(spaces, message, minari_store):
    box = gym.spaces.Box(0, 1, (2,))
    buffer = EpisodeBuffer(
        observations={"observation": OBS} if "observation_space" in spaces else OBS,
        actions=["a", "b", "c", "a", "b"] if "action_space" in spaces else OBS[1:],
        rewards=[0.0] * 5,
        terminations=[False] * 5,
        truncations=[False] * 5,
    )
    minari.create_dataset_from_buffers("odd-v0", [buffer], **({"observation_space": box, "action_space": box} | spaces))
    with pytest.raises(DataError, match=message):
        load("odd-v0")


def test_damaged_minari(dataset, minari_store):
    folder = save_minari(dataset, "plain-v0")
    whole = (folder / "data" / "main_data.hdf5").read_bytes()
    (folder / "data" / "main_data.hdf5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="plain-v0: the dataset is damaged"):
        load("plain-v0")
    (folder / "data" / "metadata.json").write_text("{}")
    with pytest.raises(DataError, match="Minari cannot read this dataset"):
        load("plain-v0")


def test_minari_refuses(dataset, minari_store):
    save_minari(dataset, "plain-v0")
    with pytest.raises(DataError, match="exists already"):
        save_minari(dataset, "plain-v0")
    for name in ("plain", "p l a i n-v0"):
        with pytest.raises(DataError, match="not a Minari id"):
            save_minari(dataset, name)
    states = Dataset(tuple(replace(episode, actions=None) for episode in dataset.episodes))
    with pytest.raises(DataError, match="requires actions and rewards"):
        save_minari(states, "states-v0")


@pytest.mark.parametrize("actions", [np.array([2, 0, 2, 1]), np.array([[0, 4], [1, 0], [1, 4], [0, 0]])])
def test_integers_make_the_round_trip(actions, minari_store, tmp_path):
    fields = {"observations": np.arange(5.0)[:, None], "actions": actions, "rewards": np.ones(4), "terminated": True}
    known = load([fields])
    folder = save_minari(known, "toys/finite-v0")
    save_d4rl(known, tmp_path / "finite.hdf5")
    for read in (
        load("toys/finite-v0"),
        load(folder),
        load(tmp_path / "finite.hdf5"),
        load(minari.load_dataset("toys/finite-v0")),
    ):
        np.testing.assert_array_equal(read.actions, actions.reshape(4, -1))
        assert read.actions.dtype == np.int64
        assert read.action_low is None
    space = minari.load_dataset("toys/finite-v0").action_space
    assert space == (gym.spaces.Discrete(3) if actions.ndim == 1 else gym.spaces.MultiDiscrete([2, 5]))
