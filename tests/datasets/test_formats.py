"""Files of other libraries, and what is said of files that are not read."""

import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest
from toy_datasets import FLAT, NEXT, but

from imitax.datasets import load, loading, save_d4rl, save_minari
from imitax.errors import DataError


@pytest.fixture
def robomimic(tmp_path):
    with h5py.File(tmp_path / "low_dim.hdf5", "w") as file:
        for i in (10, 2):
            demo = file.create_group(f"data/demo_{i}")
            demo["obs/eef"] = i + np.arange(8.0).reshape(4, 2)
            demo["obs/gripper"] = np.arange(4.0)
            demo["obs/image"] = np.zeros((4, 3, 3, 3), np.uint8)
            demo["actions"], demo["rewards"], demo["dones"] = np.ones((4, 7)), np.zeros(4), [0, 0, 0, 1]
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Lift", "env_kwargs": {}})
    return tmp_path / "low_dim.hdf5"


def test_robomimic(robomimic):
    data = load(robomimic)
    assert data.lengths.tolist() == [3, 3]  # without next_obs the last row only says where the row before led to
    assert data.episodes[0].observations[0].tolist() == [2, 3, 0]  # demo_2 comes before demo_10
    assert data.attributes == {
        "observations": "eef, gripper",
        "observations_left_out": "image",
        "robomimic_env": "Lift",
    }
    assert load(robomimic, columns={"observations": ["gripper"]}).obs_dim == 1
    with h5py.File(robomimic, "a") as file:
        for demo in file["data"].values():
            for key in ("eef", "gripper"):
                obs = demo[f"obs/{key}"][()]
                demo[f"next_obs/{key}"] = np.concatenate([obs[1:], obs[-1:]])
    assert load(robomimic).lengths.tolist() == [4, 4]
    with pytest.raises(DataError, match="no column 'nothing' for the observations among eef, gripper, image"):
        load(robomimic, columns={"observations": ["nothing"]})


def test_npz(tmp_path):
    np.savez_compressed(tmp_path / "demo.npz", **FLAT, next_observations=NEXT, env_id="Hopper-v5", other=[1])
    data = load(tmp_path / "demo.npz")
    assert (data.env_id, data.name) == ("Hopper-v5", "demo")
    assert data.lengths.tolist() == load(FLAT | {"next_observations": NEXT}).lengths.tolist()


def test_columns_choose_or_are_refused(dataset, robomimic, tmp_path):
    table = {"x": np.arange(5.0), "u": np.arange(5) + 0.5, "e": np.zeros(5), "dt": 0.1}
    columns = {"observations": "x", "actions": "u", "episode": "e"}
    np.savez(tmp_path / "table.npz", **table)
    for source in (table, tmp_path / "table.npz"):
        assert load(source, columns=columns).episodes[0].actions.ravel().tolist() == [0.5, 1.5, 2.5, 3.5]
    assert load(robomimic, columns={"obs": ["grip*"]}).obs_dim == 1
    with pytest.raises(DataError, match="what its actions are"):
        load(robomimic, columns={"actions": "a"})
    nested = {"observations": {"q": np.zeros((3, 1))}, "terminals": np.zeros(3), "timeouts": np.zeros(3)}
    save_d4rl(dataset, tmp_path / "flat.hdf5")
    for source in (nested, [nested], dataset, tmp_path / "flat.hdf5", "hopper-expert"):
        with pytest.raises(DataError, match="leave columns out"):
            load(source, columns={"observations": ["q"]})


def test_npz_of_imitation(tmp_path):
    obs = np.arange(14.0).reshape(7, 2)
    np.savez(
        tmp_path / "old.npz",
        obs=obs,
        acts=np.arange(5),
        rews=np.ones(5),
        indices=[2],
        terminal=[True, False],
        infos=[1],
    )
    data = load(tmp_path / "old.npz")
    assert [e.observations.tolist() for e in data.episodes] == [obs[:3].tolist(), obs[3:].tolist()]
    assert [e.terminated for e in data.episodes] == [True, False]


def test_npz_with_flags_of_starts(tmp_path):
    np.savez(tmp_path / "s.npz", obs=np.arange(5.0)[:, None], actions=np.zeros(5), episode_starts=[1, 0, 0, 1, 0])
    assert load(tmp_path / "s.npz").lengths.tolist() == [2, 1]


def test_paths_with_home_and_variables(dataset, tmp_path, monkeypatch):
    save_d4rl(dataset, tmp_path / "demo.hdf5")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", str(tmp_path))
    for path in ("~/demo.hdf5", "$DATA/demo.hdf5", "${DATA}/demo.hdf5"):
        assert load(path).hash() == dataset.hash()
    with pytest.raises(DataError, match="the environment variable NOWHERE is not set"):
        load("$NOWHERE/data")


def test_the_data_file_of_a_minari_folder(dataset, minari_store, tmp_path):
    folder = save_minari(dataset, "plain-v0")
    assert load(folder / "data/main_data.hdf5").hash() == dataset.hash()
    alone = tmp_path / "alone.hdf5"
    alone.write_bytes((folder / "data/main_data.hdf5").read_bytes())
    with pytest.raises(DataError, match="pass the dataset's folder"):
        load(alone)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pkl", pickle.dumps({"observations": [1]}), "a pickle .* runs the code"),
        ("a.npz", b"", "an empty file"),
        ("a.parquet", b"hello", "none of the formats"),
        ("a.npz", b"garbage", "none of the formats that are read"),
        ("a.npy", b"\x93NUMPY\x01\x00", "single array in NumPy's format"),
        ("a.csv.gz", b"\x1f\x8b123", "compressed with gzip"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("a.hdf5", b"version https://git-lfs.github.com/spec/v1\n", "not an HDF5 file.*pointer of Git LFS"),
        ("a.h5", b"<!DOCTYPE html>", "a web page"),
        ("a.json", b'{"observations": 1}', "this is JSON"),
        ("a.bin", b"\x00\x01\x02", "none of the formats that are read"),
    ],
)
def test_files_that_are_not_read(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / name)


def test_a_folder_of_files(tmp_path):
    np.savez(tmp_path / "demo.npz", **FLAT)
    with pytest.raises(DataError, match=r"it holds demo\.npz: name one of them$"):
        load(tmp_path)
    np.savez(tmp_path / "more.npz", **FLAT)
    with pytest.raises(DataError, match=r"it holds demo\.npz, more\.npz: .*or several: imitax\.load\(\[FILE, FILE"):
        load(tmp_path)


def test_a_checkpoint_of_pytorch_is_a_pickle(tmp_path):
    with zipfile.ZipFile(tmp_path / "demo.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("archive/version", b"3")
    with pytest.raises(DataError, match=r"this is a pickle .*opening one runs the code"):
        load(tmp_path / "demo.pt")


def test_sources_that_are_none():
    with pytest.raises(DataError, match="got int"):
        load(3)
    assert loading.load({"first": {"observations": [[1.0], [2.0]], "terminated": True}}).lengths.tolist() == [1]
    assert load(but(terminals=None, timeouts=None, episode=[0, 0, 0, 1, 1, 1])).lengths.tolist() == [2, 2]
