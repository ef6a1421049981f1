"""Files made to run code, to read elsewhere, to exhaust memory or to hang: each is refused with the library's error."""

import fcntl
import json
import resource
import sys
import time
import zipfile

import gymnasium as gym
import h5py
import numpy as np
import pytest
from toy_datasets import FLAT, NEXT, but

import imitax
from imitax.datasets import load, save_d4rl, save_minari
from imitax.datasets.environment import from_file
from imitax.errors import ConfigError, DataError, ImitaxError

OBS = "observations"


@pytest.fixture
def frugal():
    """Fails when what is tested takes 300 MB or 10 seconds."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    assert time.monotonic() - start < 10


def external_link(file, folder):
    with h5py.File(folder / "secret.hdf5", "w") as other:
        other[OBS] = FLAT[OBS]
    file[OBS] = h5py.ExternalLink(str(folder / "secret.hdf5"), OBS)


def soft_cycle(file, folder):
    file[OBS], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink(f"/{OBS}")


def virtual(file, folder):
    external_link_target = folder / "secret.hdf5"
    with h5py.File(external_link_target, "w") as other:
        other["x"] = FLAT[OBS]
    layout = h5py.VirtualLayout(shape=(6, 2), dtype="f8")
    layout[:] = h5py.VirtualSource(str(external_link_target), "x", shape=(6, 2))
    file.create_virtual_dataset(OBS, layout)


def external_storage(file, folder):
    (folder / "secret.bin").write_bytes(bytes(96))
    file.create_dataset(OBS, (6, 2), "f8", external=[(str(folder / "secret.bin"), 0, 96)])


def references(file, folder):
    file.create_dataset(OBS, data=np.array([[file.ref] * 2] * 6, dtype=h5py.ref_dtype))


def claimed(file, folder):
    file.create_dataset(OBS, (2**40, 2), "f8")


def claimed_chunks(file, folder):
    file.create_dataset(OBS, (2**40, 2), "f8", chunks=(1024, 2), compression="gzip")


def unwritten(file, folder):
    file.create_dataset(OBS, (6, 2), "f8")


def partly_written(file, folder):
    file.create_dataset(OBS, (6, 2), "f8", chunks=(2, 2))[:2] = 1


def bomb(file, folder):
    file.create_dataset(OBS, data=np.zeros((2**24, 1)), chunks=(2**16, 1), compression="gzip")


def text(file, folder):
    file[OBS] = np.array([[b"1.0", b"2.0"]] * 6)


def long_text(file, folder):
    file[OBS] = np.array([["1.0", "2.0"]] * 6, dtype=h5py.string_dtype())


def compound(file, folder):
    file[OBS] = np.zeros((6, 2), [("a", "f8")])


def deep_attribute(file, folder):
    file[OBS] = FLAT[OBS]
    file.attrs["env_kwargs"] = "[" * 20_000


def nested_attribute(file, folder):
    file[OBS] = FLAT[OBS]
    file.attrs["env_kwargs"] = '{"a":' * 100 + "1" + "}" * 100


def hard_cycle(file, folder):
    file["data/demo_0/obs/data"] = file["/"]
    file["data/demo_0/actions"] = FLAT["actions"]


@pytest.mark.usefixtures("frugal")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (external_link, "observations is an external link"),
        (soft_cycle, "observations is a soft link"),
        (virtual, "lies in other files"),
        (external_storage, "lies in other files"),
        (references, "references to other objects"),
        (claimed, "would take .* far more than the file can hold"),
        (claimed_chunks, "would take .* far more than the file can hold"),
        (unwritten, "the whole of observations was never written"),
        (partly_written, "2 of 3 chunks of observations was never written"),
        (bomb, "would take 128.0 MiB in memory"),
        (text, "observations are not an array of numbers"),
        (long_text, "text or lists of varying length"),
        (compound, "not numbers"),
        (deep_attribute, "env_kwargs must be a JSON object"),
        (nested_attribute, "nested deeper than 20 levels"),
        (hard_cycle, "no vectors among its observations"),
    ],
)
def test_hdf5(make, message, tmp_path):
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        file.update(but(observations=None))
        make(file, tmp_path)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "demo.hdf5")


@pytest.mark.usefixtures("frugal")
def test_text_that_claims_four_gigabytes(dataset, tmp_path):
    path = tmp_path / "demo.hdf5"
    save_d4rl(dataset, path)
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL").to_bytes(8, "little")
    at = data.index(heap) - 4
    data[at : at + 4] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(DataError, match="the dataset is damaged"):
        load(path)


@pytest.mark.parametrize("size", [2**64 - 16, 2**64 - 8, 0, 4000, 2**62])
def test_text_whose_size_leads_nowhere(size, dataset, tmp_path):
    """Some of these sizes make the HDF5 library walk round in the heap for ever."""
    path = tmp_path / "demo.hdf5"
    save_d4rl(dataset, path)
    data = bytearray(path.read_bytes())
    start = data.index(b"GCOL") + 16
    data[start : start + 16] = (1 if size else 0).to_bytes(8, "little") + size.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(DataError, match="its text lies outside"):
        load(path)


def test_flags_that_were_left_at_their_fill_value_are_read(tmp_path):
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        file.update(but(terminals=None, next_observations=NEXT))
        file.create_dataset("terminals", (6,), bool)
    assert load(tmp_path / "demo.hdf5").lengths.tolist() == [6]


def test_a_locked_file(dataset, tmp_path):
    save_d4rl(dataset, tmp_path / "demo.hdf5")
    with open(tmp_path / "demo.hdf5", "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="locked: another program has it open"):
            load(tmp_path / "demo.hdf5")


class Runs:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return exec, ("import sys; sys.modules['imitax_was_here'] = sys",)


@pytest.mark.usefixtures("frugal")
def test_npz(tmp_path):
    path = tmp_path / "demo.npz"
    np.savez(path, observations=np.array([Runs()], object), actions=FLAT["actions"])
    with pytest.raises(DataError, match="observations holds pickled objects"):
        load(path)
    assert "imitax_was_here" not in sys.modules
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    claims = "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 2), }".ljust(117).encode() + b"\n"
    for content, message in (
        (header + claims, "would take"),
        (header + claims.replace(b"1099511627776", b"            9"), "claims 144 bytes, its entry has 128"),
        (header + claims.replace(b"1099511627776", b"           -9"), "damaged"),
        (header + b"(" * 117 + b"\n", "damaged"),
        (b"\x93NUMPY\x09\x00", "version"),
        (b"nonsense", "damaged"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("observations.npy", content)
        with pytest.raises(DataError, match=message):
            load(path)
    np.savez_compressed(path, **but(observations=np.zeros((2**22, 4))))
    with pytest.raises(DataError, match=r"would take 128\.0 MiB"):
        load(path)


@pytest.fixture
def minari_folder(dataset, minari_store):
    folder = save_minari(dataset, "plain-v0")
    metadata = json.loads((folder / "data/metadata.json").read_text())

    def change(**changes):
        text = json.dumps({k: v for k, v in (metadata | changes).items() if v is not None})
        (folder / "data/metadata.json").write_text(text)
        return folder

    return change


EVIL = "imitax_evil_module"


@pytest.fixture
def evil_module(tmp_path, monkeypatch):
    (tmp_path / f"{EVIL}.py").write_text("import gymnasium\ngymnasium.register('Evil-v0', entry_point=lambda: None)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield f"{EVIL}:Evil-v0"
    assert EVIL not in sys.modules
    assert "Evil-v0" not in gym.registry


def test_minari(minari_folder, evil_module):
    spec = {"id": evil_module, "entry_point": f"{EVIL}:Evil", "kwargs": {}}
    assert load(minari_folder(env_spec=json.dumps(spec))).env_id == evil_module
    box = {"type": "Box", "dtype": "float32", "shape": [2**40], "low": [0], "high": [1]}
    for changes, message in (
        ({"observation_space": None, "env_spec": json.dumps(spec)}, "no observation_space"),
        ({"observation_space": json.dumps(box)}, "1 and 1 bounds for"),
        ({"observation_space": "[" * 10_000}, "must be a JSON object"),
        ({"env_spec": "{}"}, "env_spec names no environment"),
        ({"env_spec": json.dumps(spec | {"max_episode_steps": "x"})}, "no plain kwargs"),
        ({"total_episodes": 10**9}, "holds 4 episodes, its metadata say 1000000000"),
        ({"data_format": "pickle"}, "stored as pickle"),
    ):
        with pytest.raises(DataError, match=message):
            load(minari_folder(**changes))
    folder = minari_folder()
    elsewhere = folder.parent / "elsewhere.hdf5"
    (folder / "data/main_data.hdf5").rename(elsewhere)
    (folder / "data/main_data.hdf5").symlink_to(elsewhere)
    with pytest.raises(DataError, match="leads out of the folder"):
        load(folder)


def test_a_file_imports_no_module(dataset, tmp_path, evil_module):
    path = tmp_path / "demo.hdf5"
    save_d4rl(dataset, path)
    with h5py.File(path, "a") as file:
        file.attrs["env_id"], file.attrs["env_kwargs"] = evil_module, "{}"
        del file.attrs["hash"]
    from imitax import cli

    with pytest.raises(ConfigError, match=f"names the environment {evil_module}, which is not registered here"):
        imitax.train("bc", demos=path, steps=50, out=tmp_path / "run")
    with pytest.raises(ConfigError, match="which is not registered here"):
        cli.dispatch(["datasets", "validate", str(path)])


def test_keyword_arguments_from_files():
    plain = {"healthy_z_range": [0.7, float("inf")], "terminate": True, "mode": "fast"}
    assert from_file("module:Hopper-v5", plain, "demo") == ("Hopper-v5", plain)
    for kwargs, message in (
        ({"xml_file": "evil"}, "xml_file"),
        ({"model": "/etc/passwd"}, "model='/etc/passwd'"),
        ({"model": ["a", {"b": "x.xml"}]}, "passes model to"),
        ({"url": "http://here"}, "url"),
        ({"render_mode": "human"}, "render_mode"),
        ({"additional_wrappers": []}, "additional_wrappers"),
        ({"a": [[[[[1]]]]]}, "long or deep"),
        ({"a": "x" * 2000}, "long or deep"),
    ):
        with pytest.raises(ConfigError, match=message):
            from_file("Hopper-v5", kwargs, "demo")


NAME = "evil\x1b[2J\nimitax: all is well [red]\u202e[/]"


def test_names_are_shown_as_they_are(dataset, tmp_path, capsys):
    from imitax import cli

    path = tmp_path / "demo.hdf5"
    save_d4rl(dataset, path)
    with h5py.File(path, "a") as file:
        file.attrs[NAME] = NAME
        file.attrs["env_id"] = NAME
        del file.attrs["hash"]
    for command in ("show", "doctor"):
        cli.dispatch(["datasets", command, str(path)])
    with pytest.raises(ConfigError) as raised:
        cli.dispatch(["datasets", "validate", str(path)])
    shown = "".join(capsys.readouterr()) + str(raised.value)
    assert not set("\x1b\u202e") & set(shown)
    assert "\nimitax: all is well" not in shown
    assert str(ImitaxError(NAME)).startswith("evil\\x1b[2J\n")
    with pytest.raises(DataError) as raised:
        load(NAME)
    assert "\x1b" not in str(raised.value)
