"""Where a run's numbers come from: commit, versions, data."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from imitax.datasets import Dataset
from imitax.training.setup import Data

PACKAGES = ("imitax", "jax", "jaxlib", "equinox", "optax", "numpy", "gymnasium", "mujoco", "minari")


def versions() -> dict[str, str | None]:
    """Of the packages that decide numbers, and of Python."""
    return {p: package_version(p) for p in PACKAGES} | {"python": platform.python_version()}


def package_version(package: str) -> str | None:
    """Version of an installed package; None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str:
    """Commit of the library's checkout, with `-dirty` if it has changes; the version when installed from a package.

    Results that runs have appended since are no changes.
    """
    git = ["git", "-C", str(Path(__file__).parents[2])]
    status = ["status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)bench/results"]

    def ask(*command: str) -> str:
        return subprocess.run([*git, *command], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return ask("rev-parse", "HEAD") + ("-dirty" if ask(*status) else "")
    except (OSError, subprocess.CalledProcessError):
        return f"v{package_version('imitax')}"


def describe(dataset: Dataset | None) -> dict[str, Any] | None:
    """What the run's config says of a dataset."""
    if dataset is None:
        return None
    return {
        "name": dataset.name,
        "hash": dataset.hash(),
        "episodes_available": len(dataset.episodes),
        "return_mean": float(dataset.returns.mean()) if dataset.has_rewards else None,
    }


def describe_demonstrations(data: Data, seeds: tuple[int, ...]) -> dict[str, Any] | None:
    """What the run's config says of its demonstrations."""
    about = describe(data.demos)
    if about is None:
        return None
    selections = list(zip(seeds, data.selections, strict=True))
    return about | {
        "train_episodes": {str(seed): s.train_indices for seed, s in selections},
        "validation_episodes": {str(seed): s.validation_indices for seed, s in selections},
    }
