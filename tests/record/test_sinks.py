"""TensorBoard and Weights & Biases."""

import sys
import types

import numpy as np
import pytest
from recording import recorder, run

from imitax.errors import ConfigError


def test_tensorboard_writes_events_and_hides_those_after_the_checkpoint(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    run(tmp_path, 0, 4, sinks=("tensorboard",))
    (first,) = files = set((tmp_path / "tensorboard").iterdir())
    run(tmp_path, 2, 4, sinks=("tensorboard",), resumed_at=2)
    second = next(path for path in (tmp_path / "tensorboard").iterdir() if path not in files)

    def events(path):  # tensorboardX has no reader
        data = path.read_bytes()
        while data:  # a record is its length (8), a checksum (4), the event, a checksum (4)
            size = int.from_bytes(data[:8], "little")
            yield Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]

    scalars = [(event.step, v.tag, v.simple_value) for event in events(first) for v in event.summary.value]
    assert [tag for step, tag, _ in scalars if step == 2] == ["train/loss", "eval/return_mean", "eval/expert_fraction"]
    assert (2, "train/loss", pytest.approx(2 / 3)) in scalars
    assert [event.step for event in events(second) if event.HasField("session_log")] == [3]  # purged from here on


def test_wandb_resumes_a_run_for_each_seed_in_a_group(tmp_path, monkeypatch):
    calls, inits = [], []

    class Run:
        def __init__(self, name):
            self.name = name

        def __getattr__(self, method):
            return lambda *args, **options: calls.append((self.name, method, *args, *options.values()))

    fake = types.SimpleNamespace(init=lambda **options: inits.append(options) or Run(options["name"]))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    for resumed_at in (None, 50):
        with recorder(tmp_path, seeds=(0, 1), sinks=("wandb",), resumed_at=resumed_at) as record:
            record.training(50, {"loss": np.array([1.0, np.nan])}, 0.0)
    names = [init["name"] for init in inits]
    assert names[0].endswith("seed 0")
    assert names[:2] == names[2:]
    assert [call[1:] for call in calls[:8] if call[0] == names[0]] == [
        ("define_metric", "step"),
        ("define_metric", "*", "step"),
        ("log", {"step": 50, "train/loss": 1.0}),
        ("finish",),
    ]
    assert (names[1], "log", {"step": 50}) in calls
    assert inits[:2] == inits[2:]
    assert inits[0]["id"] == (tmp_path / "seed-0" / "wandb-id.txt").read_text() != inits[1]["id"]
    assert {init["group"] for init in inits} == {tmp_path.name}
    assert (inits[0]["project"], inits[0]["resume"]) == ("imitax", "allow")
    assert inits[1]["config"] == {"lr": 0.5, "seed": 1}


@pytest.mark.parametrize(("sink", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch, sink, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'imitax\[{sink}\]'"):
        recorder(tmp_path, sinks=(sink,))
