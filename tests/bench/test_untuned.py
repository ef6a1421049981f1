"""Tests of bench.experiments.untuned."""

import pytest

import imitax
from bench.experiments import untuned
from tests.written_runs import write_run


def test_scores_are_shares_of_the_way_to_the_demonstrations(tmp_path):
    run = imitax.Run(write_run(tmp_path / "run", {0: [-40.0, -30.0, -10.0, -20.0]}, steps=[0, 5, 10, 15]))
    scores = untuned.shares(run, -20.0)
    assert scores == pytest.approx([0.5, 1.5, 1.0])
    first, *_, last = untuned.lines(run, scores)
    assert (first["steps"], first["return_mean"], first["untrained"], first["share"]) == (5, -30.0, -40.0, 0.5)
    assert (last["steps"], last["episodes"], last["eval_episodes"], last["share"]) == (15, 2, 2, 1.0)


def test_demonstrations_that_are_there_are_taken(tmp_path):
    file = tmp_path / "reacher-expert.hdf5"
    file.write_bytes(b"")
    assert untuned.demonstrated("reacher", tmp_path, 1.0) == file


@pytest.mark.long
def test_it_trains_the_expert_and_the_imitators(tmp_path, capsys):
    flags = [
        "--tasks",
        "pendulum",
        "--methods",
        "bc",
        "--share",
        "0.02",
        "--eval-episodes",
        "1",
        "--out",
        str(tmp_path),
    ]
    flags += ["--eval-episodes", "1"]
    scores = untuned.main(flags)
    assert len(scores["pendulum", "bc"]) == 4
    assert "pendulum" in capsys.readouterr().out
    assert untuned.main(flags) == scores  # nothing is trained again
