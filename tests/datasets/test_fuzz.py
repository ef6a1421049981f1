"""Readers on mutated files: the library's own error or a dataset, without a hang and within 2 GB (see `fuzzing`)."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fuzzing_files import KINDS, QUICK

SCRIPT = Path(__file__).parent.parent / "fuzzing.py"
SECONDS = float(os.environ.get("IMITAX_FUZZ_SECONDS", 600 / len(KINDS)))
"""For each kind of file; all together take ten minutes."""
NEEDED = {
    "pyarrow": ("parquet", "arrow", "lerobot", "huggingface", "feather"),
    "pandas": ("parquet", "lerobot"),
    "av": ("video", "lerobot_episodes"),
}
"""Packages that the kinds of these names need."""


def can_be_made(kind):
    return all(find_spec(package) or not any(part in kind for part in parts) for package, parts in NEEDED.items())


def fuzz(folder, seconds, seed, *kinds):
    paths = [str(SCRIPT.parent), str(SCRIPT.parent.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(seconds), str(seed), str(folder), *kinds],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=120 + 3 * seconds * len(kinds),
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    assert done.stdout.count("refused") == len(kinds)


def test_a_few_mutated_files(tmp_path):
    fuzz(tmp_path, 0, 0, *filter(can_be_made, QUICK))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(kind, tmp_path):
    if not can_be_made(kind):
        pytest.skip("a package is missing")
    fuzz(tmp_path, SECONDS, 1, kind)
