"""What `load` takes."""

import io
from dataclasses import replace

import h5py
import pytest
from toy_datasets import FLAT, assert_same

from imitax.datasets import list_bundled, load, loading, save_d4rl
from imitax.errors import DataError, DataWarning


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


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.hdf5", "nowhere.hdf5: there is no such file"),
        ("https://host.example/demos.hdf5", "https://host.example/demos.hdf5: nothing is downloaded here: download it"),
        (io.BytesIO(b"obs"), "an open file: give its path"),
        ("mujoco/hopper/expert-v0", "minari download mujoco/hopper/expert-v0"),
        ("imitax/no-such", "nor a bundled dataset"),
        ("folder", "not a Minari dataset"),
        ("text.hdf5", "not an HDF5 file"),
        ("cut.hdf5", "damaged|not an HDF5 file"),
        ("kwargs.hdf5", "env_kwargs must be a JSON object"),
        ("groups.hdf5", "no observations"),
        ("bounds.hdf5", "action_low and action_high must be vectors"),
    ],
)
def test_bad_names(source, message, tmp_path, monkeypatch, minari_store):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.hdf5").write_text("observations")
    for name, env_kwargs in (("kwargs", "[1]"), ("cut", "{}")):
        with h5py.File(f"{name}.hdf5", "w") as file:
            file.update(FLAT)
            file.attrs["env_kwargs"] = env_kwargs
    with h5py.File("bounds.hdf5", "w") as file:
        file.update(FLAT)
        file.attrs["action_low"] = -1.0
    whole = (tmp_path / "cut.hdf5").read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(whole[: len(whole) // 2])
    with h5py.File("groups.hdf5", "w") as file:
        file.create_group("observations")
    with pytest.raises(DataError, match=message):
        load(source)


@pytest.mark.parametrize("source", ["x" * 5000, "demo\0.csv", "~/" + "y/" * 4000])
def test_what_cannot_be_a_path(source):
    with pytest.raises(DataError, match=r"is no path|embedded null"):
        load(source)


def test_several_files_are_one_dataset(dataset, tmp_path):
    one, two = tmp_path / "a.hdf5", tmp_path / "b.hdf5"
    save_d4rl(dataset, one)
    save_d4rl(replace(dataset, episodes=dataset.episodes[::-1]), two)
    both = load([one, str(two), dataset])
    assert_same(both, replace(dataset, episodes=dataset.episodes + dataset.episodes[::-1] + dataset.episodes))
    assert both.name == "a and 2 more"
    with pytest.raises(DataError, match="a and dataset differ in their env_kwargs, "):
        load([one, replace(dataset, name="dataset", env_kwargs={"a": 1})])
    with pytest.raises(DataError, match="there is no such file"):
        load([one, tmp_path / "c.hdf5"])


def test_short_names_and_misspelt_ones():
    short = {"obs": FLAT["observations"], "act": FLAT["actions"], "rew": FLAT["rewards"]}
    flags = {key: FLAT[key] for key in ("terminals", "timeouts")}
    assert_same(load(short | flags), load(FLAT))
    with pytest.warns(DataWarning, match="there are no actions: if actoins holds them, call it actions"):
        assert not load({"obs": FLAT["observations"], "actoins": FLAT["actions"]} | flags).has_actions
