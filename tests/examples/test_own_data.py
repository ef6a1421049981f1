"""The example of a CSV file without a simulator: its commands run, and their numbers hold together."""

import json
import re

import numpy as np
import pytest
import scripted

import imitax


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder in which the example ran without a virtual environment of its own, and what it printed."""
    folder = tmp_path_factory.mktemp("own") / "data"
    return folder, scripted.ended("own_data.sh", folder, STEPS="250")


def test_it_needs_at_most_six_commands():
    assert 1 <= scripted.commands("own_data.sh") <= 6


def test_the_machine_is_learned(done):
    folder, ended = done
    assert "no environment: 14 observations, 7 actions, bounds as given: -80 to 80" in ended.stderr
    run = imitax.Run(folder / "run")
    assert (run.summary["eval_episodes"], run.summary["measured_on"]) == (3, "held-out episodes")
    assert run.summary["best"]["error"] < 0.05  # a linear law, clipped; without learning it is 0.2
    assert run.summary["last"]["return_mean"] is None


def test_the_evaluation_and_the_predictions_are_printed(done):
    folder, ended = done
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("{"))
    assert json.loads(line)["error"] == pytest.approx(imitax.Run(folder / "run").summary["best"]["error"], rel=1e-4)
    numbers = np.array(re.findall(r"-?\d+\.\d*", ended.stdout.rpartition("round(3))")[2]), float).reshape(3, 7)
    assert (np.abs(numbers) <= [80, 60, 60, 40, 20, 20, 0.5]).all()
    assert np.abs(numbers).max(0).min() > 0
