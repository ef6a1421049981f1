"""Records of a run: what is written where, and what a resumed run writes."""

import numpy as np
import pytest
from recording import EVALUATION, recorder, run

from imitax.errors import CheckpointError
from imitax.files import read_lines
from imitax.record import seed_folder, truncate_metrics


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
