import io
import sys
import types

import numpy as np
import pytest
from rich.console import Console

from imitax.errors import CheckpointError, ConfigError
from imitax.files import read_lines
from imitax.record import Recorder, score_table, seed_folder, truncate_metrics

EVALUATION = {"returns": [90.0, 110.0], "lengths": [10, 12], "return_mean": 100.0, "expert_fraction": 0.5, "d4rl": None}


def recorder(run_dir, seeds=(0,), sinks=(), quiet=True, **options):
    return Recorder(run_dir, sinks, seeds, 1000, quiet, "bc Hopper-v5", {"lr": np.float32(0.5)}, **options)


def run(run_dir, first, last, **options):
    """Records steps first + 1 to last, and an evaluation at every second one."""
    with recorder(run_dir, **options) as record:
        for step in range(first + 1, last + 1):
            record.training(step, {"loss": np.array([step / 3], np.float32)}, 0.0)
            if step % 2 == 0:
                record.evaluation(step, 0, EVALUATION, 0.0)


def test_one_seed_writes_to_the_run_folder(tmp_path):
    with recorder(tmp_path) as record:
        record.training(50, {"loss": np.array([np.nan]), "temperature": np.float32(0.5)}, 1.23456)
        record.evaluation(50, 0, EVALUATION, 2.0)
    assert read_lines(tmp_path / "metrics.jsonl") == [
        {"kind": "train", "step": 50, "seed": 0, "wall_s": 1.235, "loss": None, "temperature": 0.5},
        {"kind": "eval", "step": 50, "seed": 0, "wall_s": 2.0, **EVALUATION},
    ]


def test_several_seeds_write_to_their_folders(tmp_path):
    with recorder(tmp_path, seeds=(3, 7)) as record:
        record.training(50, {"loss": np.array([1.0, 2.0]), "rate": 4}, 1.0)
        record.evaluation(50, 7, EVALUATION, 1.0)
    assert not (tmp_path / "metrics.jsonl").exists()
    assert [line["loss"] for line in read_lines(tmp_path / "seed-3" / "metrics.jsonl")] == [1.0]
    train, evaluation = read_lines(tmp_path / "seed-7" / "metrics.jsonl")
    assert (train["seed"], train["loss"], train["rate"]) == (7, 2.0, 4)
    assert (evaluation["kind"], evaluation["seed"]) == ("eval", 7)
    assert seed_folder(tmp_path, (3, 7), 7) == tmp_path / "seed-7"


def test_a_metric_of_another_length_is_an_error_and_none_replaces_the_step(tmp_path):
    with recorder(tmp_path, seeds=(0, 1)) as record, pytest.raises(ValueError, match="shape"):
        record.training(1, {"loss": np.ones(3)}, 0.0)
    with recorder(tmp_path) as record:
        record.training(1, {"step": np.array([9.0])}, 0.0)
    assert read_lines(tmp_path / "metrics.jsonl")[0]["step"] == 1


def test_a_resumed_run_records_what_an_uninterrupted_one_does(tmp_path):
    run(tmp_path / "whole", 0, 10)
    run(tmp_path / "cut", 0, 7)  # the last checkpoint was at step 4
    with open(tmp_path / "cut" / "metrics.jsonl", "ab") as file:
        file.write(b'{"kind": "tra')
    run(tmp_path / "cut", 4, 10, resumed_at=4)
    assert (tmp_path / "cut" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_truncation(tmp_path):
    truncate_metrics(tmp_path / "none.jsonl", 3)
    assert not (tmp_path / "none.jsonl").exists()
    run(tmp_path, 0, 10)
    truncate_metrics(tmp_path / "metrics.jsonl", 3)
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")] == [1, 2, 2, 3]
    (tmp_path / "metrics.jsonl").write_text('{"st\n{"step": 1}\n')
    with pytest.raises(CheckpointError, match="line 1"):
        truncate_metrics(tmp_path / "metrics.jsonl", 3)


def test_a_pipe_gets_one_line_an_evaluation(tmp_path):
    out = io.StringIO()
    with recorder(tmp_path, seeds=(0, 1), quiet=False, console=Console(file=out)) as record:
        record.message("[compiling]")
        record.training(100, {"loss": 1.0}, 0.0)
        record.evaluation(500, 0, EVALUATION, 0.0)
        record.evaluation(500, 1, EVALUATION | {"return_mean": 3000.0, "expert_fraction": 0.9}, 0.0)
        record.evaluation(1000, 0, {"return_mean": None}, 0.0)
        record.evaluation(1000, 1, {"return_mean": 1.0}, 0.0)
    message, first, second = out.getvalue().splitlines()
    assert message == "[compiling]"
    assert first.startswith("bc Hopper-v5  500/1,000 steps  return 1,550 (70 % of the demonstrations)  ")
    assert "steps/s  elapsed 0:00:0" in first
    assert "1,000/1,000 steps  return nan  " in second
    assert second.endswith("left 0:00:00")


def test_a_terminal_gets_a_progress_bar(tmp_path):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160, color_system=None, legacy_windows=False)
    with recorder(tmp_path, quiet=False, console=console, unit="updates") as record:
        record.evaluation(500, 0, EVALUATION, 0.0)
        record.training(500, {"loss": 1.0}, 0.0)
    assert "bc Hopper-v5" in out.getvalue()
    assert "500/1,000 updates" in out.getvalue()
    assert "return 100 (50 % of the demonstrations)" in out.getvalue()


def test_quiet_prints_nothing(tmp_path, capsys):
    with recorder(tmp_path) as record:
        record.message("hello")
        record.evaluation(500, 0, EVALUATION, 0.0)
    record.close()
    assert capsys.readouterr() == ("", "")


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


def test_wandb_resumes_its_run(tmp_path, monkeypatch):
    calls = []

    class Run:
        def __getattr__(self, name):
            return lambda *args, **options: calls.append((name, *args, *options.values()))

    inits = []
    fake = types.SimpleNamespace(init=lambda **options: inits.append(options) or Run())
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    for resumed_at in (None, 50):
        with recorder(tmp_path, seeds=(0, 1), sinks=("wandb",), resumed_at=resumed_at) as record:
            record.training(50, {"loss": np.array([1.0, np.nan])}, 0.0)
    assert calls[:5] == [
        ("define_metric", "step"),
        ("define_metric", "*", "step"),
        ("log", {"step": 50, "seed-0/train/loss": 1.0}),
        ("log", {"step": 50}),
        ("finish",),
    ]
    assert inits[0] == inits[1]
    assert inits[0]["id"] == (tmp_path / "wandb-id.txt").read_text()
    assert (inits[0]["project"], inits[0]["resume"], inits[0]["config"]) == ("imitax", "allow", {"lr": 0.5})


@pytest.mark.parametrize(("sink", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch, sink, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'imitax\[{sink}\]'"):
        recorder(tmp_path, sinks=(sink,))


def render(table):
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    lines = console.file.getvalue().splitlines()
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in lines if line[0] in "│┃"
    ]


def test_score_table():
    rows = [
        {"label": label, "seed": s, "returns": [top + s * 100, top + s * 100 + 2], "lengths": [900, 1000],
         "expert_fraction": 0.9 + s / 100, "d4rl": None}
        for label, top in (("last", 3000), ("best", 3100)) for s in range(3)
    ]  # fmt: skip
    table = render(score_table(rows, "IQ-Learn"))
    assert table[0] == ["policy", "seed", "return ± sd", "length", "of demonstrations", "D4RL"]
    assert table[1] == ["last", "0", "3,001 ± 1.4", "950", "90.0%", "-"]
    assert table[4] == ["last", "IQM", "3,101 [3,001, 3,201]", "", "91.0% [90.0%, 92.0%]", "-"]
    assert [row[:2] for row in table[5:]] == [["best", "0"], ["best", "1"], ["best", "2"], ["best", "IQM"]]


def test_score_table_of_one_seed_has_no_iqm():
    table = render(
        score_table([{"seed": 5, "returns": [0.51], "lengths": [7], "expert_fraction": None, "d4rl": 101.25}])
    )
    assert table == [["seed", "return ± sd", "length", "of demonstrations", "D4RL"], ["5", "0.5", "7", "-", "101.2"]]
