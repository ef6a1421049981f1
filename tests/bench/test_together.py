"""Rows of the table side by side: their commands, the time limit, and what is reported."""

import json
import signal

from bench.experiments import table, together
from bench.experiments.queue import Row


def test_every_seed_fits_its_own_model(tmp_path):
    row = next(row for row in table.groups()[3] if row.name == "rmirl-walker2d")
    args = together.arguments(row, [0, 2], tmp_path)
    assert "--model-from" not in args
    assert not [arg for arg in args if "{" in arg]
    assert args[args.index("--seeds") + 1 : args.index("--out")] == ["0", "2"]
    assert args[0] == "rmirl"
    (tmp_path / "rmirl-walker2d").mkdir()
    (tmp_path / "rmirl-walker2d" / "config.json").touch()
    assert together.arguments(row, [0], tmp_path) == ["--resume", str(tmp_path / "rmirl-walker2d"), "--trust-env"]


class Process:
    """Ends at a time of the clock; told to stop, at once."""

    returncode = 0

    def __init__(self, clock, ends):
        self.clock, self.ends, self.told = clock, clock.now + ends, None

    def poll(self):
        return 0 if self.clock.now >= self.ends else None

    def send_signal(self, number):
        self.told, self.ends = number, self.clock.now

    def wait(self, timeout):
        assert self.poll() == 0


class Clock:
    """Time that passes while somebody sleeps."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_what_still_runs_is_told_to_stop(tmp_path, monkeypatch, capsys):
    """Of three rows, two at a time: one ends, one runs on for too long, and the third is started after the first."""
    clock, started = Clock(), {}

    def start(row, seeds, folder):
        started[row.name] = Process(clock, {"quick": 5, "long": 1e9, "next": 10}[row.name])
        return started[row.name]

    monkeypatch.setattr(together, "start", start)
    monkeypatch.setattr(together, "time", clock)
    together.work([Row(name, ("bc",)) for name in ("quick", "long", "next")], [0], tmp_path, 1.0, 2)
    assert {name: process.told for name, process in started.items()} == {
        "quick": None, "long": signal.SIGTERM, "next": None,
    }  # fmt: skip
    assert capsys.readouterr().out.splitlines() == ["quick: exit 0, 35 s left", "next: exit 0, 24 s left"]
    assert clock.now == 60 - together.TO_STOP


def test_the_last_evaluations_are_shown(tmp_path, capsys):
    lines = [{"kind": "eval", "step": s, "return_mean": 5.0, "expert_fraction": s / 100} for s in (10, 50)]
    (tmp_path / "a" / "seed-1").mkdir(parents=True)
    (tmp_path / "a" / "seed-1" / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "a" / "summary.json").touch()
    together.report([Row("a", ()), Row("b", ())], tmp_path)
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["a", "done", "50:", "0.50"]
    assert second.split() == ["b", "unfinished"]
