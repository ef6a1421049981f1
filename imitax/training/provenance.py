"""Where a run's numbers come from: commit, versions, data."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from imitax.datasets import Dataset, Selection
from imitax.envs import Task
from imitax.spaces import described
from imitax.training.data import Data

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
    about = describe(data.given.demos)
    return None if about is None else about | _chosen(dict(zip(seeds, data.selections, strict=True)))


def describe_offline(data: Data, seeds: tuple[int, ...]) -> dict[str, Any] | None:
    """What the run's config says of its offline data; also which episodes are held out, if some are."""
    about = describe(data.given.offline)
    return about if about is None or data.parts is None else about | _chosen(dict.fromkeys(seeds, data.parts))


def describe_task(task: Task) -> dict[str, Any]:
    """What the run's config says of its environment; without one, what stands for it."""
    if task.recorded is None:
        return {"id": task.env_id, "kwargs": task.env_kwargs}
    spec, origin = task.spec, task.recorded
    return {
        "id": None,
        "kwargs": {},
        "data": origin.data,
        "observations": spec.single.size,
        "bounds": origin.bounds,
    } | described(spec.action)


def _chosen(selections: dict[int, Selection]) -> dict[str, Any]:
    """The episodes of each seed."""
    return {
        "train_episodes": {str(seed): s.train_indices for seed, s in selections.items()},
        "validation_episodes": {str(seed): s.validation_indices for seed, s in selections.items()},
    }
