import dataclasses
import math
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from imitax import files
from imitax.errors import CheckpointError

ARRAYS = {
    "mask": np.array([[True, False], [False, True]]),
    "key": np.array([0, 2**32 - 1], np.uint32),
    "scalar": np.array(np.nextafter(1, 2), np.float64),
    "flag": np.array(True),
    "single": np.array([np.nan, -0.0, np.inf], np.float32),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "strided": np.arange(10, dtype=np.int64)[::3],
    "empty": np.zeros((0, 3), np.float32),
}


def test_write_atomic_replaces_the_file_and_makes_folders(tmp_path):
    path = tmp_path / "a" / "b.bin"
    files.write_atomic(path, b"old")
    files.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["b.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "b.bin"
    files.write_atomic(path, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["b.bin"]


def test_json_keeps_order_and_writes_what_is_not_finite_as_null(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Inner:
        rate: float = 3e-4

    @dataclasses.dataclass(frozen=True)
    class Config:
        zeta: tuple[int, ...] = (1, 2)
        alpha: Inner = Inner()

    obj = {"z": Config(), "a": np.float32(0.5), "n": np.nan, "i": [np.inf, np.int64(3)], "p": Path("x"), 3: np.eye(2)}
    files.write_json(tmp_path / "c.json", obj | {"j": jnp.ones(2), "b": np.True_})
    back = files.read_json(tmp_path / "c.json")
    assert list(back) == ["z", "a", "n", "i", "p", "3", "j", "b"]
    assert list(back["z"]) == ["zeta", "alpha"]
    assert back == {
        "z": {"zeta": [1, 2], "alpha": {"rate": 3e-4}},
        "a": 0.5,
        "n": None,
        "i": [None, 3],
        "p": "x",
        "3": [[1, 0], [0, 1]],
        "j": [1, 1],
        "b": True,
    }
    with pytest.raises(TypeError, match="not JSON serializable"):
        files.write_json(tmp_path / "c.json", {"f": test_json_keeps_order_and_writes_what_is_not_finite_as_null})
    assert files.read_json(tmp_path / "c.json") == back


@pytest.mark.parametrize("data", [b'{"a": 1', b"", b"\xff\xfe\x00"])
def test_missing_and_damaged_json(tmp_path, data):
    path = tmp_path / "c.json"
    with pytest.raises(CheckpointError, match=r"c\.json does not exist"):
        files.read_json(path)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"c\.json is damaged"):
        files.read_json(path)


def test_lines_survive_a_torn_end(tmp_path):
    path = tmp_path / "runs" / "m.jsonl"
    for step in range(3):
        files.append_line(path, {"step": step, "loss": np.nan})
    records = [{"step": step, "loss": None} for step in range(3)]
    assert files.read_lines(path) == records
    whole = path.read_bytes()
    for cut in range(1, len(whole)):  # wherever the process died, the whole lines are there
        path.write_bytes(whole[:cut])
        assert files.read_lines(path) == records[: whole[:cut].count(b"}")]
    path.write_bytes(whole + b"\x00\x00\xff")
    assert files.read_lines(path) == records


def test_a_torn_line_elsewhere_is_an_error(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"step": 0}\n{"st')
    files.append_line(path, {"step": 1})
    with pytest.raises(CheckpointError, match=r"m\.jsonl is damaged: line 2 is not JSON"):
        files.read_lines(path)
    path.write_bytes(b'{"step": 0}\n[1]\n')
    with pytest.raises(CheckpointError, match="line 2 is not a JSON object"):
        files.read_lines(path)
    with pytest.raises(CheckpointError, match="does not exist"):
        files.read_lines(tmp_path / "none.jsonl")


def test_a_last_line_that_lacks_only_its_newline_is_kept(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"step": 0}')
    files.append_line(path, {"step": 1})
    assert files.read_lines(path) == [{"step": 0}, {"step": 1}]


def test_a_short_write_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda file, data: len(data) - 1)
    with pytest.raises(OSError, match="is the disk full"):
        files.append_line(tmp_path / "m.jsonl", {"step": 0})


def test_arrays_round_trip_bit_for_bit(tmp_path):
    path = tmp_path / "a.safetensors"
    digest = files.save_arrays(path, ARRAYS, {"task": "Hopper-v5", "note": "größer"})
    assert digest == files.sha256(path)
    arrays, metadata = files.load_arrays(path)
    assert metadata == {"task": "Hopper-v5", "note": "größer"}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()
        arrays[name][...] = 0  # a replay that is resumed is written to


def test_equal_arrays_give_equal_files(tmp_path):
    metadata = {name: name for name in "qwertyuiop"}
    first = files.save_arrays(tmp_path / "a", ARRAYS, metadata)
    again = files.save_arrays(tmp_path / "b", dict(reversed(ARRAYS.items())), dict(reversed(metadata.items())))
    assert first == again


def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    files.save_arrays(path, {"key": np.array([1, 2], np.uint32), "x": np.ones(3)}, {"task": "Hopper-v5"})
    whole = path.read_bytes()
    for index in range(len(whole)):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        with pytest.raises(CheckpointError, match="is damaged"):
            files.load_arrays(path)
        path.write_bytes(whole[:index])
        with pytest.raises(CheckpointError, match="is damaged"):
            files.load_arrays(path)


def test_arrays_that_are_missing_foreign_or_unfit(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        files.load_arrays(tmp_path / "none")
    with pytest.raises(CheckpointError, match="does not exist"):
        files.sha256(tmp_path / "none")
    save_file({"x": np.ones(2)}, tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="not written by imitax"):
        files.load_arrays(tmp_path / "foreign")
    with pytest.raises(SafetensorError):
        files.save_arrays(tmp_path / "text", {"x": np.array(["a"])})
    assert not (tmp_path / "text").exists()


def test_numbers_without_an_end_survive_json(tmp_path):
    kwargs = {
        "interval": (0.0, float("inf")),
        "low": -np.inf,
        "x": np.array([1.0, np.inf]),
        "n": 3,
        "deep": {"a": None},
    }
    files.write_json(tmp_path / "a.json", {"kwargs": kwargs, "nan": math.nan}, exact=True)
    back = files.read_json(tmp_path / "a.json")
    assert back["kwargs"] == {
        "interval": [0.0, math.inf], "low": -math.inf, "x": [1.0, math.inf], "n": 3, "deep": {"a": None}
    }  # fmt: skip
    assert math.isnan(back["nan"])
