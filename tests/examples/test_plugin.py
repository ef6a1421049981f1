"""The example plug-in, installed by path: it is found by its entry point, trains, resumes and is evaluated."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import toy

from imitax.datasets import save_d4rl
from imitax.files import load_arrays

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with offline data, and the environment of a process in which the plug-in is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    about = folder / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = project["entry-points"]["imitax.algorithms"]
    lines = [f"{name} = {module}" for name, module in entries.items()]
    (about / "entry_points.txt").write_text("[imitax.algorithms]\n" + "\n".join(lines) + "\n")
    save_d4rl(toy.demonstrations(4), folder / "data.hdf5")
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (about.parent, PLUGIN, root / "tests", root)))
    return folder, os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}


SCRIPT = """
import json, sys, toy, imitax.cli
for line in json.loads(sys.argv[1]):
    try:
        imitax.cli.main(line)
    except SystemExit as end:
        if end.code:
            raise
"""


def imitax(place, *lines):
    """What the commands print that one process runs one after the other."""
    folder, environment = place
    command = [sys.executable, "-c", SCRIPT, json.dumps(lines)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


TRAIN = ["--offline-data", "data.hdf5", "--env", toy.ENV, "--batch-size", "16", "--policy.hidden", "8"]
TRAIN += [
    "--critic.hidden",
    "8",
    "--chunk",
    "2",
    "--eval-every",
    "4",
    "--checkpoint-every",
    "4",
    "--eval-episodes",
    "2",
]


def test_help_lists_its_settings_and_the_command_line_its_name(place):
    settings, _, algorithms = imitax(place, ["train", "td3_bc", "--help"], ["train", "--help"]).rpartition("usage:")
    assert "--policy-every" in settings
    assert "--noise-clip" in settings
    assert "td3_bc" in algorithms


def test_it_trains_resumes_and_is_evaluated(place):
    folder, _ = place
    train = ["train", "td3_bc", *TRAIN, "--quiet"]
    imitax(place, [*train, "--steps", "8", "--out", "whole"], [*train, "--steps", "4", "--out", "half"])
    # a process of its own, which knows the algorithm from the folder alone
    resume = ["train", "--resume", "half", "--steps", "8", "--quiet"]
    shown = imitax(place, resume, ["eval", "whole", "--episodes", "2", "--json"])
    a, b = (load_arrays(folder / name / "policy.safetensors")[0] for name in ("whole", "half"))
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], err_msg=name)
    assert np.isfinite(json.loads(shown.splitlines()[-1])["iqm"])
