"""The tutorials are marimo notebooks, which are Python files. They run here as scripts do, on fewer steps."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"


def ran(name, **changed):
    """What the cells of a notebook define, after `changed` has replaced a cell's values."""
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", FOLDER / f"{name}.py")
    notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebook)
    return notebook.app.run(defs=changed)[1]


@pytest.mark.usefixtures("no_figures")
def test_a_policy_of_your_own_data(tmp_path):
    found = ran("own_csv", steps=200, folder=tmp_path)
    assert len(found["demos"].episodes) == 30
    assert found["error"] < 0.05  # without learning it is 0.2
    assert found["exported"].difference < 1e-5
    assert found["predicted"].shape == (59, 7)
    assert sorted(p.name for p in (tmp_path / "robot").iterdir()) == ["imitax_policy.py", "policy.npz"]


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
def test_an_environment_of_your_own(tmp_path):
    found = ran("own_environment", steps=200, warmup=100, folder=tmp_path)
    assert found["demos"].returns.mean() > found["aimless"].returns.mean() + 0.2
    assert found["run"].summary["steps"] == 200
    assert np.isfinite(found["score"])
    assert any("accuracy" in line for line in found["trained"])
    assert len(found["path"]) == 51


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
def test_a_reward_is_judged(tmp_path):
    found = ran("judge_a_reward", steps=200, warmup=100, folder=tmp_path)
    assert found["demos"].returns.mean() > -30
    assert set(found["judged"]["sets"]) == {"demonstrations", "replay", "policy", "random actions"}
    assert -1 <= found["judged"]["all"]["kendall"].value <= 1
    assert np.isfinite(found["learned"]).all()
