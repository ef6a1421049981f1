"""What tests of shell examples share: run one without an environment of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def script(name):
    """The text of an example."""
    return (ROOT / "examples" / name).read_text()


def commands(name):
    """The number of commands that a reader types."""
    return len(re.findall(r"^ *run \S", script(name), re.MULTILINE))


def ended(name, folder, **settings):
    """The example, run in a folder with this Python and this checkout in place of `venv` and `pip install`."""
    environment = os.environ | {"PYTHON": sys.executable, "READY": "1", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = ["bash", str(ROOT / "examples" / name), str(folder)]
    process = subprocess.run(command, env=environment | settings, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    return process
