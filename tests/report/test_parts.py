"""Sentences, differences of settings, videos, the data of a run."""

import pytest
from written_runs import write_run

from imitax.report import data, videos
from imitax.report.differences import differing, flat, settings
from imitax.report.sentences import duration, what_was_run
from imitax.run import Run


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {},
            "bc (preset default) was trained on Toy-v0 from 2 of 9 episodes of toy, 1 more held out, for 100 updates "
            "with 1 seed. Each policy was evaluated over 2 episodes every 100 steps.",
        ),
        (
            {"env": None, "offline_data": {"name": "logs", "episodes_available": 40}, "preset": None},
            "bc was trained without an environment from 2 of 9 episodes of toy, 1 more held out and 40 recorded "
            "episodes of logs, for 100 updates with 1 seed. Policies were compared with recorded actions every "
            "100 steps.",
        ),
        (
            {"data": None, "algorithm": "sac"},
            "sac (preset default) was trained on Toy-v0 from the environment's rewards, for 100 updates with 1 seed. "
            "Each policy was evaluated over 2 episodes every 100 steps.",
        ),
    ],
)
def test_what_was_run(options, expected, tmp_path):
    config = Run(write_run(tmp_path / "a", {0: [1.0]}, **options)).config
    assert what_was_run(config, "updates") == expected


def test_durations():
    assert [duration(s) for s in (3.4, 89, 120, 5399, 7200)] == ["3 s", "89 s", "2 min", "90 min", "2.0 h"]


def test_settings():
    assert flat({"a": {"b": [1, 2.5], "c": {}}, "d": None, "e": True}) == {
        "a.b": "[1, 2.5]",
        "a.c": "none",
        "d": "none",
        "e": "True",
    }
    assert differing([{"x": "1", "y": "2"}, {"x": "1", "y": "3", "z": "4"}]) == {"y": ["2", "3"], "z": ["-", "4"]}


def test_what_a_run_was_started_with(tmp_path):
    found = settings(Run(write_run(tmp_path / "a", {0: [1.0]})).config)
    assert found["optimizer.lr"] == "0.001"
    assert found["data hash"] == "0" * 12
    assert found["version of imitax"] == "0.2.0"


def test_videos(tmp_path):
    assert videos.find(tmp_path) is None
    (tmp_path / "video.gif").write_bytes(b"GIF89a!")
    assert videos.find(tmp_path).uri == "data:image/gif;base64,R0lGODlhIQ=="
    (tmp_path / "video.mp4").write_bytes(b"<svg onload=alert(1)>")
    assert (videos.find(tmp_path).uri, videos.find(tmp_path).note) == (
        "",
        "video.mp4 is neither an MP4 nor a GIF, and is not shown.",
    )
    (tmp_path / "video.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(videos.LIMIT))
    assert "has 12 MB" in videos.find(tmp_path).note


def test_data_that_cannot_be_looked_at_say_why(tmp_path):
    run = Run(write_run(tmp_path / "a", {0: [1.0]}))
    (memory,) = data.look(run, trusted=False)
    assert memory.note == "The data were not examined: they were objects in memory."
    assert (memory.facts["episodes"], memory.findings) == (9, [])
    run.config["training"]["demos"] = str(tmp_path / "secret.hdf5")
    assert "--trust-env reads it" in data.look(run, trusted=False)[0].note
    assert "not examined" in data.look(run, trusted=True)[0].note
    run.config["training"]["demos"] = "hopper-expert"
    assert data.look(run, trusted=False)[0].note == "The data were not examined: they have changed since the run."
