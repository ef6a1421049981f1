"""Seeds that several devices share, on two virtual CPU devices in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import bc
from imitax.checkpoint import checkpoints
from imitax.config import Training
from imitax.errors import CheckpointError, ConfigError
from imitax.files import load_arrays
from imitax.stacking import device_count, reserve_cpus
from imitax.training.resume import same_devices

TESTS = Path(__file__).parents[1]


def train(name, folder, *runs):
    """Trainings, each its options and the step at which it is interrupted; how many devices hold the arrays of each."""
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    call = [sys.executable, str(TESTS / "two_devices.py"), json.dumps([name, str(folder), runs])]
    done = subprocess.run(call, capture_output=True, text=True, timeout=1500, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_a_seed_with_a_device_of_its_own_is_the_seed_alone(tmp_path):
    short = {"steps": 4, "eval_every": 4, "checkpoint_every": 4}
    runs = [short | {"seeds": [3, 5], "devices": 2}, short | {"seeds": [5]}]
    assert train("bc", tmp_path, *((run, 24) for run in runs)) == [[2], [1]]
    both, alone = (load_arrays(tmp_path / name / "policy.safetensors")[0] for name in ("0/seed-5", "1"))
    assert both.keys() == alone.keys()
    for name, array in alone.items():
        np.testing.assert_array_equal(both[name], array, err_msg=name)


@pytest.mark.long
@pytest.mark.parametrize("name", ["sac", "mbpo", "adversarial"])
def test_devices_change_no_more_than_vmap_does(name, tmp_path):
    """With two seeds a device: the replay, fits of models, rollouts, and a run that was interrupted and resumed."""
    split, one = ({"seeds": [0, 1, 2, 3], "devices": n} for n in (2, 1))
    assert train(name, tmp_path, (split, 24), (one, 24), (split, 12)) == [[2], [1], [2]]
    states = [checkpoints(tmp_path / str(i) / "checkpoints")[-1] / "state.safetensors" for i in range(3)]
    apart, together, resumed = (load_arrays(state)[0] for state in states)
    for key, array in together.items():
        np.testing.assert_allclose(apart[key], array, rtol=1e-4, atol=1e-5, err_msg=key)
        np.testing.assert_array_equal(apart[key], resumed[key], err_msg=key)


def test_how_many_devices_share_the_seeds(monkeypatch):
    assert device_count(4, None) == 1  # JAX has one CPU device here
    monkeypatch.setattr("jax.local_device_count", lambda: 4)
    monkeypatch.setattr("imitax.stacking.cores", lambda: 2)
    assert (device_count(8, 4), device_count(6, 2), device_count(6, 1)) == (4, 2, 1)
    assert [device_count(seeds, None) for seeds in (1, 4, 5)] == [1, 2, 1]  # as many as there are cores, at most
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert [device_count(seeds, None) for seeds in (1, 2, 6, 7, 8)] == [1, 2, 3, 1, 4]


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (0, "devices must be at least 1, got 0"),
        (3, "devices must not exceed what JAX has here, got 3: there are 2"),
        (2, "devices must share the seeds equally, got 2 devices and 3 seeds"),
    ],
)
def test_numbers_of_devices_that_do_not_fit(devices, message, monkeypatch, demos, tmp_path):
    monkeypatch.setattr("jax.local_device_count", lambda: 2)
    with pytest.raises(ConfigError, match=message):
        imitax.train(bc.Config(), env=toy.ENV, demos=demos, out=tmp_path, seeds=(0, 1, 2), devices=devices)


def test_cores_become_devices_unless_jax_has_started_or_is_told_otherwise(monkeypatch):
    reserved = []
    monkeypatch.setattr("jax.config.update", lambda name, value: reserved.append((name, value)))
    monkeypatch.setattr("imitax.stacking.cores", lambda: 4)
    monkeypatch.delenv("XLA_FLAGS")
    for seeds, wanted in ((8, None), (6, None), (1, None), (6, 2), (6, 1), (8, 8), (8, 5)):
        reserve_cpus(seeds, wanted)
    assert [value for _, value in reserved] == [4, 3, 2, 8]
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=1")
    reserve_cpus(8, None)
    assert len(reserved) == 4
    monkeypatch.undo()
    reserve_cpus(8, 2)  # JAX has started: no error


def test_resume_keeps_the_number_of_devices(monkeypatch, capsys):
    options = Training(steps=10, seeds=(0, 1))
    monkeypatch.setattr("jax.local_device_count", lambda: 2)
    assert [same_devices(options, config) for config in ({}, {"devices": 1}, {"devices": 2})] == [1, 1, 2]
    monkeypatch.setattr("jax.local_device_count", lambda: 1)
    assert same_devices(options, {"devices": 2}) is None
    assert "the run had 2 devices, and JAX has 1 here" in capsys.readouterr().err
    for damaged in (0, 3, "2", True, None):
        with pytest.raises(CheckpointError, match="number of devices"):
            same_devices(options, {"devices": damaged})
