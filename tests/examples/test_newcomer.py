"""The example for newcomers: from a CSV file to a policy without JAX. Its commands run, and what they print is true."""

import re

import numpy as np
import pytest
import scripted

import imitax


def test_it_needs_at_most_twelve_commands_from_pip_on():
    text = scripted.script("newcomer.sh")
    assert 10 <= scripted.commands("newcomer.sh") <= 12
    assert re.search(r'^ *run venv/bin/python -m pip install .*"\$here/\.\.\[report\]"$', text, re.MULTILINE)


def test_from_a_csv_file_to_a_policy_without_jax(tmp_path):
    """One test, so that processes of tests do not run the script twice. `venv` and `pip install` are left out."""
    printed = scripted.ended("newcomer.sh", tmp_path, STEPS="250", SEEDS="0").stdout
    runs = {name: imitax.Run(tmp_path / name) for name in ("small", "large")}
    for run in runs.values():
        assert (run.summary["eval_episodes"], run.summary["measured_on"]) == (3, "held-out episodes")
    assert runs["large"].summary["best"]["error"] < 0.05  # without learning it is 0.2

    compared = printed.partition("imitax.cli compare")[2].partition("$ ")[0]
    assert "No winner" in compared  # of one seed each
    for name, run in runs.items():
        score = float(re.search(rf"│ {name} +│ +1 │ +([\d.]+) %", compared)[1])
        assert score / 100 == pytest.approx(run.summary["last"]["error"], rel=0.01)

    page = (tmp_path / "report.html").read_text()
    assert "<svg" in page
    assert all(f">{name}<" in page for name in runs)

    assert sorted(path.name for path in (tmp_path / "robot").iterdir()) == ["imitax_policy.py", "policy.npz"]
    shown = np.array(printed.rpartition("[")[2].rpartition("]")[0].split(), float)
    assert shown == pytest.approx(runs["large"].policy(np.full(14, 0.1), which="best"), abs=1e-3)
