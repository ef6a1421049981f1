"""Readers on mutated files: the library's own error or a dataset, without a hang and within 2 GB."""

import json
import os
import resource
import time
import warnings

import h5py
import numpy as np
import pytest
from toy_datasets import FLAT, NEXT

from imitax.datasets import load, save_d4rl, save_minari
from imitax.errors import CheckpointError, DataError
from imitax.files import load_arrays, save_arrays

SECONDS = float(os.environ.get("IMITAX_FUZZ_SECONDS", "75"))
"""For each kind of file; all eight together take ten minutes."""


def d4rl(dataset, folder):
    save_d4rl(dataset, folder / "x.hdf5")
    return folder / "x.hdf5", folder / "x.hdf5"


def npz(dataset, folder):
    np.savez_compressed(folder / "x.npz", **FLAT, next_observations=NEXT)
    return folder / "x.npz", folder / "x.npz"


def csv(dataset, folder):
    rows = ["episode,t,obs_0,obs_1,act,reward"] + [f"{i // 7},{i % 7},{i},{i / 3},{i},1" for i in range(60)]
    (folder / "x.csv").write_text("\n".join(rows))
    return folder / "x.csv", folder / "x.csv"


def parquet(dataset, folder):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame({"obs": [[1.0, i] for i in range(50)], "act": range(50), "episode": np.arange(50) // 9})
    table.to_parquet(folder / "x.parquet")
    return folder / "x.parquet", folder / "x.parquet"


def robomimic(dataset, folder):
    with h5py.File(folder / "x.hdf5", "w") as file:
        for i in range(2):
            file[f"data/demo_{i}/obs/a"], file[f"data/demo_{i}/actions"] = np.ones((4, 2)), np.ones((4, 2))
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Lift"})
    return folder / "x.hdf5", folder / "x.hdf5"


def minari_data(dataset, folder):
    made = save_minari(dataset, "plain-v0")
    return made, made / "data/main_data.hdf5"


def minari_metadata(dataset, folder):
    made = save_minari(dataset, "plain-v0")
    return made, made / "data/metadata.json"


def safetensors(dataset, folder):
    save_arrays(folder / "x.safetensors", {"a": np.ones((3, 4), np.float32), "b": np.arange(5)}, {"note": "{}"})
    return folder / "x.safetensors", folder / "x.safetensors"


def mutate(whole, rng):
    """Bytes flipped, cut, repeated or made extreme, mostly near the beginning, where headers are."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 6)):
        limit = max(1, len(data) if rng.random() < 0.5 else min(len(data), 1500))
        at, size = int(rng.integers(limit)), int(rng.integers(1, 9))
        kind = rng.integers(5)
        if kind == 0:
            data[at : at + size] = rng.bytes(size)
        elif kind == 1:
            data[at : at + size] = b"\xff" * size
        elif kind == 2:
            del data[at : at + size * int(rng.integers(1, 50))]
        elif kind == 3:
            data[at:at] = data[at : at + size * 20]
        else:
            data[at : at + 1] = bytes([data[at] ^ (1 << int(rng.integers(8)))]) if at < len(data) else b""
    return bytes(data)


def fuzz(make, dataset, folder, seconds, seed=0):
    source, target = make(dataset, folder)
    whole, rng, start = target.read_bytes(), np.random.default_rng(seed), time.monotonic()
    read = (lambda: load_arrays(source)) if make is safetensors else (lambda: load(source))
    refused = rounds = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of the tests before this one too
    while time.monotonic() - start < seconds or rounds < 20:
        rounds += 1
        target.write_bytes(mutate(whole, rng))
        began = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read()
        except (DataError, CheckpointError):
            refused += 1
        assert time.monotonic() - began < 20
    assert refused
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000_000
    return rounds


KINDS = [d4rl, npz, csv, parquet, robomimic, minari_data, minari_metadata, safetensors]


@pytest.mark.parametrize("make", KINDS)
def test_a_few_mutated_files(make, dataset, tmp_path, minari_store):
    fuzz(make, dataset, tmp_path, seconds=0)


@pytest.mark.long
@pytest.mark.parametrize("make", KINDS)
def test_mutated_files(make, dataset, tmp_path, minari_store):
    fuzz(make, dataset, tmp_path, SECONDS, seed=1)
