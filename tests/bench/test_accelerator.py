"""The accelerator benchmark, whole at toy sizes on the CPU."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))


def numbers(value):
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


@pytest.mark.long
def test_every_part_runs(tmp_path):
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(BENCH.parent)}
    command = [sys.executable, str(BENCH / "accelerator.py"), "--toy", "--out", str(tmp_path)]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    lines = [json.loads(line) for line in (tmp_path / "accelerator.jsonl").read_text().splitlines()]
    log = (tmp_path / "accelerator.log").read_text()
    assert not [line for line in lines if {"error", "skipped", "postponed"} & set(line)], log
    assert all(map(math.isfinite, numbers(lines)))
    by_part = {part: [x for x in lines if x["part"] == part] for part in ("card", "check", "rates", "clone", "online")}
    assert {tuple(x["product"]) for x in by_part["card"] if "product" in x} == {(64, 64), (4, 32, 32)}
    checked = {x["update"]: x["equal"] for x in by_part["check"] if "equal" in x}
    updates = ("bc/default", "rambo/default", "rambo/default/turn0", "ml_irl/default", "ml_irl/default/turn0")
    assert checked == dict.fromkeys(updates, True)
    timed = [(x["update"], x["precision"], x["seeds"]) for x in by_part["rates"] if x.get("ms", 0) > 0]
    assert len(timed) == len({update for update, *_ in timed}) == 7
    assert {precision for _, precision, _ in timed} == {"float32", "tf32", "bfloat16"}
    trained, evaluated = (x for x in by_part["clone"] if "part_s" not in x)
    assert (trained["updates"], trained["seeds"], evaluated["evaluated"]) == (20, 3, 3)
    assert [x["steps"] for x in by_part["online"] if "steps" in x] == [2100]
    assert "5 checks, largest relative error" in printed


def test_a_part_that_fails_or_hangs_leaves_a_line(tmp_path, bench, monkeypatch, capsys):
    import accelerator

    monkeypatch.setattr(accelerator, "GRACE", 0)
    accelerator.run_part("nonsense", tmp_path, 60, [])
    accelerator.run_part("card", tmp_path, 0.01, ["--toy"])
    failed, killed = accelerator.read(tmp_path)
    assert (failed["part"], killed["part"]) == ("nonsense", "card")
    assert "No module named 'accelerator_parts.nonsense'" in failed["error"]
    assert "killed after 0 s" in killed["error"]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_relative_errors(bench):
    from accelerator_parts.check import group, relative_errors

    paths = ["[0].critic.opt_state[0].mu.weights[1]", "[0].critic.net.weights[0]", "[0].actor.net.a", "[1]['loss']"]
    assert [group(path) for path in paths] == ["critic.mu", "critic", "actor", "metrics"]
    expected = {"[0].a.net.x": np.array([3.0, 0.0]), "[0].a.net.y": np.array([4.0]), "[1]['loss']": np.array(0.0)}
    found = {"[0].a.net.x": np.array([3.0, 0.3]), "[0].a.net.y": np.array([4.4]), "[1]['loss']": np.array(0.0)}
    assert relative_errors(found, expected) == pytest.approx({"a": 0.1, "metrics": 0.0})
    found["[1]['loss']"] = np.array(2.0)
    assert relative_errors(found, expected)["metrics"] == 2.0
    found["[1]['loss']"] = np.array(np.nan)
    assert not relative_errors(found, expected)["metrics"] < 1e-3


def test_requirements_are_those_of_the_tests():
    lines = [line for line in (BENCH / "accelerator.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = (BENCH.parent / "constraints.txt").read_text().splitlines()
    assert len(lines) == 16
    assert not set(lines) - set(pinned)
