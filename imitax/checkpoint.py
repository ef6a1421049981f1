"""Save, load and resume: pytrees as safetensors, checkpoints as folders that are whole or absent."""

import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from imitax.errors import CheckpointError
from imitax.files import load_arrays, read_json, save_arrays, sha256, write_json
from imitax.types import Carried, of_iterated

T = TypeVar("T")

KEEP = 2
"""Checkpoints that stay: the newest, and the one before it in case the newest is damaged."""


def tree_arrays(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a pytree by their path."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def fill_tree(template: T, arrays: dict[str, np.ndarray], what: str) -> T:
    """The template with its arrays replaced by saved ones.

    Files from before networks carried arrays lack these: they are computed from the parameters, as was done then.

    Raises:
        CheckpointError: names, shapes or types differ, so the file belongs to another configuration.
    """
    expected = {
        jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(template, eqx.is_array))
    }
    absent = carried_arrays(template) - set(arrays)
    expected = {name: leaf for name, leaf in expected.items() if name not in absent}
    for name in sorted(set(expected) ^ set(arrays)):
        raise CheckpointError(f"{what}: {'has no' if name in expected else 'has an unexpected'} array {name}")
    for name, leaf in expected.items():
        saved = arrays[name]
        if saved.shape != leaf.shape or saved.dtype != leaf.dtype:
            raise CheckpointError(
                f"{what}: {name} is {saved.dtype}{list(saved.shape)}, expected {leaf.dtype}{list(leaf.shape)}"
            )

    def replace(path: Any, leaf: Any) -> Any:
        name = jax.tree_util.keystr(path)
        return jnp.asarray(arrays[name]) if eqx.is_array(leaf) and name not in absent else leaf

    filled = jax.tree_util.tree_map_with_path(replace, template)
    return of_iterated(lambda part: part.restarted(), filled) if absent else filled


def carried_arrays(tree: Any) -> set[str]:
    """Paths of the arrays that networks carry from step to step."""
    nodes = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda x: isinstance(x, Carried))
    return {f"{jax.tree_util.keystr(path)}.value" for path, node in nodes if isinstance(node, Carried)}


@dataclass(frozen=True)
class Checkpoint:
    """A training state at a step, with what resuming needs beside it."""

    step: int
    arrays: dict[str, np.ndarray]
    extra: dict[str, Any]


def save_checkpoint(folder: Path, step: int, state: Any, extra: dict[str, Any]) -> None:
    """Write `folder/step-N`: state arrays, then a manifest with their hash, then rename; old checkpoints go last."""
    final = folder / f"step-{step:09d}"
    temporary = folder / f".{final.name}.{secrets.token_hex(4)}.tmp"
    temporary.mkdir(parents=True)
    digest = save_arrays(temporary / "state.safetensors", tree_arrays(state))
    write_json(temporary / "manifest.json", {"step": step, "sha256": digest, "extra": extra})
    if final.exists():  # a resumed run that passes a checkpoint found damaged
        shutil.rmtree(final)
    os.replace(temporary, final)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    for old in checkpoints(folder)[:-KEEP]:
        shutil.rmtree(old)
    for leftover in folder.glob(".step-*.tmp"):
        shutil.rmtree(leftover)


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first."""
    return sorted(p for p in folder.glob("step-*") if re.fullmatch(r"step-\d+", p.name))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and verify one checkpoint folder.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    manifest = read_json(path / "manifest.json")
    try:
        step, digest, extra = manifest["step"], manifest["sha256"], manifest["extra"]
    except (KeyError, TypeError) as e:
        raise CheckpointError(f"{path / 'manifest.json'} is damaged: {e} is missing") from e
    if sha256(path / "state.safetensors") != digest:
        raise CheckpointError(f"{path / 'state.safetensors'} is damaged: its hash is not the manifest's")
    arrays, _ = load_arrays(path / "state.safetensors")
    return Checkpoint(step, arrays, extra)
