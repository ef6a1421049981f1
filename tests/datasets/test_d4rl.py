"""Files in the layout of D4RL."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from toy_datasets import assert_same

from imitax.datasets import Dataset, Episode, load, save_d4rl
from imitax.datasets.d4rl import load_d4rl
from imitax.errors import DataError


def test_a_file_with_groups_has_its_own_name(tmp_path):
    episode = Episode({"q": np.zeros((3, 1))}, np.zeros((2, 1)), None, False, True)
    save_d4rl(Dataset((episode,)), tmp_path / "mine.hdf5")
    assert load_d4rl(tmp_path / "mine.hdf5").name == "mine"


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
            assert load_d4rl(path).hash() == expected  # padding
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
