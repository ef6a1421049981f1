"""The queue of trainings: its order, and what interruption and company do to it."""

import contextlib
import os
import subprocess
import types

import pytest

from imitax.errors import ConfigError
from imitax.experiments import online, queue
from imitax.experiments.queue import Row

ROWS = [Row("a", ("bc", "--init-from", "{folder}/x"), seeds=2), Row("b", ("sac",)), Row("c", ("sac",), seeds=3)]


@pytest.fixture
def started(monkeypatch):
    """Commands that the queue ran; each leaves a finished run, but where its name is in `failing`."""
    calls = types.SimpleNamespace(args=[], failing=set())

    def run(command, **_):
        args = command[command.index("train") + 1 :]
        calls.args.append(args)
        out = args[args.index("--out" if "--out" in args else "--resume") + 1]
        os.makedirs(out, exist_ok=True)
        open(f"{out}/config.json", "w").close()
        failed = os.path.basename(out) in calls.failing
        if not failed:
            open(f"{out}/summary.json", "w").close()
        return types.SimpleNamespace(returncode=int(failed))

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_first_seeds_come_first():
    assert [(row.name, seed) for row, seed in queue.order(ROWS)] == [
        ("a", 0), ("b", 0), ("c", 0), ("a", 1), ("c", 1), ("c", 2),
    ]  # fmt: skip


def test_a_queue_is_worked_off_once(started, tmp_path):
    assert queue.work(ROWS, tmp_path, tmp_path / "results") == []
    assert len(started.args) == 6
    first = [str(x) for x in started.args[0]]
    assert first[:3] == ["bc", "--init-from", f"{tmp_path}/x"]
    assert first[3:5] == ["--seeds", "0"]
    assert first[5:] == ["--out", f"{tmp_path}/a-seed0", "--results", f"{tmp_path}/results", "--quiet"]
    assert queue.work(ROWS, tmp_path, tmp_path / "results") == []
    assert len(started.args) == 6
    assert not list(tmp_path.glob("*.lock"))


def test_what_failed_is_resumed(started, tmp_path):
    started.failing.add("b-seed0")
    with pytest.raises(ConfigError, match="b-seed0 failed: imitax train sac"):
        queue.work(ROWS, tmp_path, tmp_path / "results")
    assert [row.name for row, _ in queue.unfinished(ROWS, tmp_path)] == ["b", "c", "a", "c", "c"]
    started.failing.clear()
    queue.work(ROWS, tmp_path, tmp_path / "results")
    assert started.args[2][:2] == ["--resume", f"{tmp_path}/b-seed0"]


def test_a_second_worker_takes_the_next_job(started, tmp_path):
    (tmp_path / "a-seed0.lock").write_text(str(os.getpid()))  # somebody alive is at it
    (tmp_path / "b-seed0.lock").write_text("999999999")  # somebody who is gone was
    left = queue.work(ROWS, tmp_path, tmp_path / "results")
    assert [(row.name, seed) for row, seed in left] == [("a", 0)]
    assert len(started.args) == 5


def test_no_job_starts_after_its_time(started, tmp_path):
    assert len(queue.work(ROWS, tmp_path, tmp_path / "results", minutes=-1.0)) == 6
    assert started.args == []


def test_the_table_of_online_imitation_is_made_of_commands_that_exist(monkeypatch, tmp_path):
    from imitax import cli

    asked, table = [], online.rows(tmp_path / "ant.hdf5") + online.ablations()
    module = __import__("importlib").import_module("imitax.train")
    monkeypatch.setattr(module, "train", lambda cfg, **_: asked.append(cfg))
    monkeypatch.setattr(cli, "_print_scores", lambda *_: None)
    for row in table:
        args = [a.replace("{folder}", str(tmp_path)) for a in row.args]
        with contextlib.suppress(AttributeError):  # the stand-in returns no run
            cli.dispatch(["train", *args, "--seeds", "0", "--out", str(tmp_path / "x"), "--quiet"])
    assert len(asked) == len(table)
