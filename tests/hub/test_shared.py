"""What leaves this machine, and what may come to it."""

import finished
import pytest

from imitax.hub.shared import SHARED, files, without_machine


@pytest.mark.parametrize(
    "name",
    [
        *(
            "config.json",
            "policy-best.safetensors",
            "seed-12/metrics.jsonl",
            "seed-0/figures/training.png",
            "video.gif",
        ),
        *("selection.json", "seed-0/policy-selected.safetensors"),
    ],
)
def test_files_of_a_run(name):
    assert SHARED.fullmatch(name)


@pytest.mark.parametrize(
    "name",
    [
        "../config.json",
        "/etc/config.json",
        "seed-0/../policy.safetensors",
        "seed-x/policy.safetensors",
        "figures/../../x.png",
        "policy.pkl",
        "reward-selected.safetensors",
        "policies/000000000010.safetensors",
        "setup.py",
        "config.json\n",
        "figures/a/b.png",
        "checkpoints/step-1/state.safetensors",
    ],
)
def test_nothing_else(name):
    assert not SHARED.fullmatch(name)


def test_links_are_left_out(tmp_path):
    folder = finished.write(tmp_path / "run", seeds=(0, 1))
    secret = tmp_path / "elsewhere"
    (secret / "figures").mkdir(parents=True)
    (secret / "figures" / "a.png").write_text("private")
    (folder / "figures").symlink_to(secret / "figures")
    (folder / "video.gif").symlink_to(secret / "figures" / "a.png")
    (folder / "notes.txt").write_text("private")
    own = ["metrics.jsonl", "policy-best.safetensors", "policy.safetensors"]
    assert files(folder) == ["config.json", *(f"seed-{i}/{name}" for i in (0, 1) for name in own), "summary.json"]


def test_paths_become_names(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = {
        "folder_mark": "1:2",
        "platform": "Linux",
        "training": {"demos": "data/mine.hdf5", "offline_data": "hopper-expert", "results": "C:\\x\\all.jsonl"},
        "env": {"kwargs": {"xml_file": "/home/me/robot.xml", "sizes": [1, "~/x.csv"], "mode": "fast/slow"}},
        "said": "from /home/me/data",
    }
    assert without_machine(config) == {
        "training": {"demos": "mine.hdf5", "offline_data": "hopper-expert", "results": "all.jsonl"},
        "env": {"kwargs": {"xml_file": "robot.xml", "sizes": [1, "x.csv"], "mode": "fast/slow"}},
        "said": "from ~/data",
    }
    assert config["training"]["demos"] == "data/mine.hdf5"
    assert without_machine({"training": {"demos": "mujoco/hopper/expert-v0"}})["training"]["demos"].endswith(
        "expert-v0"
    )
