"""The files of a selection: the policies of all evaluations of a seed, and the one that was chosen.

A seed's folder has `policies/STEP.safetensors` and `policy-selected.safetensors`, the run's folder `selection.json`,
which is removed before a selection is written and written at the end, so that half a selection is none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from imitax.artifacts import load_policy
from imitax.errors import CheckpointError
from imitax.files import read_json, write_atomic, write_json
from imitax.networks import Policy
from imitax.selection.rules import NEEDS_NOTHING

POLICIES, SELECTED, SELECTION = "policies", "policy-selected.safetensors", "selection.json"
SMALL = 2**20
"""Bytes of a policy that is kept at every evaluation by default."""


def keeps(keep: str, rule: str, policy: Policy) -> bool:
    """Whether a run keeps the policies of its evaluations.

    Args:
        keep: all, none, or small, which keeps policies of up to 1 MiB, and larger ones where the rule needs them.
        rule: by which the run selects.
        policy: of one seed.
    """
    if keep == "small" and rule in NEEDS_NOTHING:
        return sum(x.nbytes for x in jax.tree.leaves(eqx.filter(policy, eqx.is_array))) <= SMALL
    return keep != "none"


def path_of(folder: Path, step: int) -> Path:
    """The file of the policy of one evaluation; `folder` is the seed's."""
    return folder / POLICIES / f"{step:012d}.safetensors"


def kept_steps(folder: Path) -> list[int]:
    """The steps whose policies a seed's folder has, in order."""
    names = (path.stem for path in (folder / POLICIES).glob("*.safetensors"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def begin(folder: Path, seed_folders: Iterable[Path], step: int) -> None:
    """Remove what training that starts, or goes on, at a step makes untrue: later policies, and a selection."""
    (folder / SELECTION).unlink(missing_ok=True)
    for own in seed_folders:
        (own / SELECTED).unlink(missing_ok=True)
        for later in (one for one in kept_steps(own) if one > step):
            path_of(own, later).unlink()


def file_of(folder: Path, step: int) -> Path:
    """The file with a seed's policy of an evaluation: one that was kept, or else the last or the best one.

    Raises:
        CheckpointError: there is none.
    """
    if path_of(folder, step).exists():
        return path_of(folder, step)
    for name in ("policy.safetensors", "policy-best.safetensors"):
        if (folder / name).exists() and load_policy(folder / name)[1].get("step") == step:
            return folder / name
    raise CheckpointError(f"{folder} has no policy of step {step:,}: {MISSING}")


MISSING = (
    "the run kept none of its evaluations. Policies are kept while training, by default those of up to 1 MiB; "
    "--keep-policies all keeps larger ones too. Runs of earlier versions have none: rules `last` and `best` do without"
)


def write(folder: Path, seed_folders: dict[int, Path], steps: dict[int, int], about: dict[str, Any]) -> None:
    """Write each seed's selected policy, and what it was selected by.

    Args:
        folder: of the run.
        seed_folders: of each seed.
        steps: of each seed's policy.
        about: what `selection.json` says beside the steps.
    """
    files = {seed: file_of(seed_folders[seed], step).read_bytes() for seed, step in steps.items()}
    (folder / SELECTION).unlink(missing_ok=True)
    for seed, data in files.items():
        write_atomic(seed_folders[seed] / SELECTED, data)
    write_json(folder / SELECTION, {"steps": steps} | about)


def read(folder: Path) -> dict[str, Any] | None:
    """What the run's selection says; None without one. CheckpointError when the file is damaged."""
    path = folder / SELECTION
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("steps"), dict) or "rule" not in found:
        raise CheckpointError(f"{path} is damaged: it is not a selection")
    return found
