"""What `load` takes."""

import h5py
import pytest
from toy_datasets import FLAT, assert_same

from imitax.datasets import list_bundled, load, loading, save_d4rl
from imitax.errors import DataError


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
