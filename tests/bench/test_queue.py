"""The queue of trainings: its order, and what interruption and company do to it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import types

import pytest

from bench.experiments import discrete, judging, model_based, offline, online, queue, table
from bench.experiments.queue import Row
from imitax.errors import ConfigError

ROWS = [Row("a", ("bc", "--init-from", "{folder}/x{seed}"), seeds=2), Row("b", ("sac",)), Row("c", ("sac",), seeds=3)]


@pytest.fixture
def started(monkeypatch):
    """Commands that the queue ran; each leaves a finished run, but where its name is in `failing`."""
    calls = types.SimpleNamespace(args=[], failing=set())

    def status(command, lock):
        args = command[command.index("train") + 1 :]
        calls.args.append(args)
        out = args[args.index("--out" if "--out" in args else "--resume") + 1]
        os.makedirs(out, exist_ok=True)
        open(f"{out}/config.json", "w").close()
        failed = os.path.basename(out) in calls.failing
        if not failed:
            open(f"{out}/summary.json", "w").close()
        return int(failed)

    monkeypatch.setattr(queue, "status", status)
    return calls


def test_first_seeds_come_first():
    assert [(row.name, seed) for row, seed in queue.order(ROWS)] == [
        ("a", 0), ("b", 0), ("c", 0), ("a", 1), ("c", 1), ("c", 2),
    ]  # fmt: skip


def test_a_queue_is_worked_off_once(started, tmp_path):
    assert queue.work(ROWS, tmp_path, tmp_path / "results") == []
    assert len(started.args) == 6
    first = [str(x) for x in started.args[0]]
    assert first[:3] == ["bc", "--init-from", f"{tmp_path}/x0"]
    assert first[3:5] == ["--seeds", "0"]
    assert first[5:] == ["--out", f"{tmp_path}/a-seed0", "--results", f"{tmp_path}/results", "--quiet"]
    assert queue.work(ROWS, tmp_path, tmp_path / "results") == []
    assert len(started.args) == 6


def test_some_seeds_alone(started, tmp_path):
    assert queue.work(ROWS, tmp_path, tmp_path / "results", seeds=[1]) == []
    assert [args[args.index("--seeds") + 1] for args in started.args] == ["1", "1"]
    assert [(row.name, seed) for row, seed in queue.unfinished(ROWS, tmp_path)] == [
        ("a", 0),
        ("b", 0),
        ("c", 0),
        ("c", 2),
    ]


def test_what_failed_is_resumed(started, tmp_path):
    started.failing.add("b-seed0")
    with pytest.raises(ConfigError, match="b-seed0 failed: imitax train sac"):
        queue.work(ROWS, tmp_path, tmp_path / "results")
    assert [row.name for row, _ in queue.unfinished(ROWS, tmp_path)] == ["b", "c", "a", "c", "c"]
    started.failing.clear()
    queue.work(ROWS, tmp_path, tmp_path / "results")
    assert started.args[2][:2] == ["--resume", f"{tmp_path}/b-seed0"]


def test_a_second_worker_takes_the_next_job(started, tmp_path):
    (tmp_path / "b-seed0.lock").touch()  # somebody who is gone was at it
    with queue.claimed(tmp_path / "a-seed0.lock") as mine:
        assert mine is not None
        left = queue.work(ROWS, tmp_path, tmp_path / "results")
    assert [(row.name, seed) for row, seed in left] == [("a", 0)]
    assert len(started.args) == 5
    assert queue.work(ROWS, tmp_path, tmp_path / "results") == []


def test_a_job_stays_taken_while_its_training_lives(tmp_path):
    lock = tmp_path / "lock"
    with queue.claimed(lock) as descriptor:
        training = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(descriptor,))
    with queue.claimed(lock) as second:  # the worker is gone, what it started is not
        assert second is None
    training.communicate()
    with queue.claimed(lock) as third:
        assert third is not None


def test_ending_the_queue_ends_its_training(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    ends_the_queue = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); signal.pause()"
    with queue.claimed(tmp_path / "lock") as lock:
        assert queue.status([sys.executable, "-c", ends_the_queue], lock) == -signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == before
        assert queue.status([sys.executable, "-c", "raise SystemExit(3)"], lock) == 3


def test_no_job_starts_after_its_time(started, tmp_path):
    assert len(queue.work(ROWS, tmp_path, tmp_path / "results", minutes=-1.0)) == 6
    assert started.args == []


def test_rows_are_chosen_by_name():
    assert queue.chosen(ROWS, None) == ROWS
    assert [row.name for row in queue.chosen(ROWS, ["c", "a"])] == ["a", "c"]
    with pytest.raises(ConfigError, match="no row is named x; there are a, b, c"):
        queue.chosen(ROWS, ["a", "x"])


TABLES = {
    "online": lambda folder: online.rows(folder / "ant.hdf5") + online.ablations(),
    "model_based": lambda _: model_based.table(),
    "offline": lambda folder: offline.rows(folder / "halfcheetah.hdf5", folder / "walker2d.hdf5"),
    "table": lambda _: [row for rows in table.groups().values() for row in rows],
    "judging": lambda _: judging.rows(),
    "discrete": lambda _: [row for rows in discrete.groups() for row in rows],
}


def test_cells_of_the_table_have_names_of_their_own():
    named = {}
    for row in TABLES["table"](None):
        assert named.setdefault(row.name, row.args) == row.args  # the last group adds seeds to rows of the first two
    assert len(named) == 16 + 12 + 9 + 9 + 8 + 10 + 3


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_made_of_commands_that_exist(name, monkeypatch, tmp_path):
    from imitax import cli

    asked, rows = [], TABLES[name](tmp_path)
    module = __import__("importlib").import_module("imitax.training.entry")
    monkeypatch.setattr(module, "train", lambda cfg, **_: asked.append(cfg))
    monkeypatch.setattr("imitax.cli.scores.print_scores", lambda *_: None)
    for row in rows:
        args = [a.replace("{folder}", str(tmp_path)) for a in row.args]
        with contextlib.suppress(AttributeError):  # the stand-in returns no run
            cli.dispatch(["train", *args, "--seeds", "0", "--out", str(tmp_path / "x"), "--quiet"])
    assert len(asked) == len(rows)


def test_claims_are_written_from_the_runs_there_are(tmp_path):
    rows = offline.rows(tmp_path / "halfcheetah.hdf5")
    row = next(row for row in rows if row.name == "c1-10-l2=0")
    for seed, likelihoods in enumerate(([0.5, 2.0, -7.0], [3.0, 1.0, 0.0])):
        folder = queue.folder_of(row, seed, tmp_path)
        folder.mkdir()
        lines = [
            {"kind": "eval", "step": i, "seed": seed, "return_mean": 10.0 * i, "returns": [1.0, 2.0]}
            | {"validation_log_likelihood": value, "validation_action_error_mode": 0.1}
            for i, value in enumerate(likelihoods)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    offline.write_claims(rows, tmp_path, tmp_path / "claims")
    stopped = json.loads((tmp_path / "claims" / "c1-early-stop.json").read_text())["10 episodes, l2=0"]
    assert [(x["seed"], x["step"], x["return_mean"]) for x in stopped] == [(0, 1, 10.0), (1, 0, 0.0)]
    assert len((tmp_path / "claims" / "c1.jsonl").read_text().splitlines()) == 6
    assert (tmp_path / "claims" / "c1.png").stat().st_size > 0
    assert not (tmp_path / "claims" / "c4.png").exists()

    (queue.folder_of(row, 1, tmp_path) / "metrics.jsonl").unlink()
    offline.write_claims(rows, tmp_path, tmp_path / "claims")  # what was written stays
    assert len((tmp_path / "claims" / "c1.jsonl").read_text().splitlines()) == 6
    assert json.loads((tmp_path / "claims" / "c1-early-stop.json").read_text())["10 episodes, l2=0"] == stopped


def test_models_are_noted_where_a_run_has_fitted_one(tmp_path):
    rows = [row for row in model_based.table() if row.name in ("mopo", "rambo", "omlirl")]
    report = {
        "transitions": 9,
        "held_out": 2,
        "errors": [[0.2, 0.1], [0.1, 0.2]],
        "error": [0.1, 0.1],
        "nll": [1.0, 2.0],
    }
    report |= {"elites": [1], "coverage": {"0.5": 0.4, "0.9": 0.9}, "rollout_errors": [0.1, 0.2], "episodes": [3]}
    config = {"algorithm": "mopo", "env": {"id": "Hopper-v5"}, "offline_data": {"name": "x@y"}, "commit": "abc"}
    for row in rows:
        folder = queue.folder_of(row, 0, tmp_path)
        folder.mkdir()
        demonstrations = {"demonstrations": "included"} if row.name == "omlirl" else {}
        (folder / "config.json").write_text(json.dumps(config | {"config": demonstrations}))
        (folder / "dynamics.json").write_text(json.dumps(report))
    model_based.write_models(rows, tmp_path, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "dynamics.jsonl").read_text().splitlines()]
    assert [(x["row"], x["epochs"], x["demonstrations"]) for x in lines] == [
        ("mopo", 2, None),
        ("omlirl", 2, "included"),
    ]
    assert sorted(x.name for x in (tmp_path / "out" / "dynamics").iterdir()) == ["mopo.png", "omlirl.png"]

    (queue.folder_of(rows[0], 0, tmp_path) / "dynamics.json").unlink()
    model_based.write_models(rows, tmp_path, tmp_path / "out")  # what was noted stays
    assert [json.loads(x) for x in (tmp_path / "out" / "dynamics.jsonl").read_text().splitlines()] == lines
