"""The example for newcomers: from a CSV file to a policy without JAX. Its commands run, and what they print is true."""

import re

import numpy as np
import pytest
import scripted

import imitax


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder in which the example ran, and what it printed. `venv` and `pip install` are left out."""
    folder = tmp_path_factory.mktemp("newcomer") / "data"
    return folder, scripted.ended("newcomer.sh", folder, STEPS="250", SEEDS="0").stdout


def test_it_needs_at_most_twelve_commands_from_pip_on():
    text = scripted.script("newcomer.sh")
    assert 10 <= scripted.commands("newcomer.sh") <= 12
    assert re.search(r'^ *run venv/bin/python -m pip install .*"\$here/\.\.\[report\]"$', text, re.MULTILINE)


def test_both_trainings_are_measured_on_episodes_held_out(done):
    folder, _ = done
    summaries = [imitax.Run(folder / name).summary for name in ("small", "large")]
    assert [(s["eval_episodes"], s["measured_on"]) for s in summaries] == [(3, "held-out episodes")] * 2
    assert summaries[1]["best"]["error"] < 0.05  # without learning it is 0.2


def test_the_comparison_claims_no_winner_from_one_seed(done):
    printed = done[1].partition("imitax.cli compare")[2].partition("$ ")[0]
    assert "No winner" in printed
    assert "held-out" in printed
    scores = {name: float(re.search(rf"│ {name} +│ +1 │ +([\d.]+) %", printed)[1]) for name in ("small", "large")}
    for name, score in scores.items():
        assert score / 100 == pytest.approx(imitax.Run(done[0] / name).summary["last"]["error"], rel=0.01)


def test_the_page_is_about_both_runs(done):
    page = (done[0] / "report.html").read_text()
    assert "<svg" in page
    assert all(f">{name}<" in page for name in ("small", "large"))


def test_the_exported_policy_is_the_trained_one(done):
    folder, printed = done
    assert sorted(path.name for path in (folder / "robot").iterdir()) == ["imitax_policy.py", "policy.npz"]
    shown = np.array(printed.rpartition("[")[2].rpartition("]")[0].split(), float)
    trained = imitax.Run(folder / "large").policy(np.full(14, 0.1), which="best")
    assert shown == pytest.approx(trained, abs=1e-3)
