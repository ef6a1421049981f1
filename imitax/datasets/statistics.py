"""Numbers about a dataset: what the normaliser needs, and what a person wants to see."""

import warnings
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from imitax.datasets.episode import Dataset
from imitax.errors import DataError, EnvWarning
from imitax.observations import named, shape_of
from imitax.types import Transition

CONSTANT_STD = 1e-3
"""An observation dimension that varies less than this share of its largest magnitude counts as constant; of 1, where
its magnitude is larger."""

NOISE_STD = 1e-7
"""A dimension that varies less than this, in the environment's units, counts as constant: zero but for rounding."""

PICTURE = 16
"""The largest byte of a picture is not below it."""

STEPS = 32
"""Distinct values of 32-bit numbers that a standard deviation must span for a dimension to mean anything."""


def normalization(data: Dataset | Transition) -> tuple[Any, Any]:
    """Mean and standard deviation of the observations that transitions start from, [O] or leaf by leaf.

    Images are left alone: their mean is 0 and their deviation 255, which makes bytes numbers from 0 to 1. Where no byte
    reaches `PICTURE` it is a map of small numbers, as of a board, and the largest of them takes the place of 255.

    Both are float32, computed in float64. A dimension that varies little for its own scale gets a deviation of 1:
    demonstrations say nothing about its scale, and dividing by a small number would turn the first deviation at test
    time (a contact force, a pose that no expert took) into an input of thousands. With 1 it is only shifted.

    Warns of dimensions that count as constant although they vary.

    Raises:
        DataError: a dimension lies so far from zero that 32-bit numbers do not show its variation, as time stamps do.
    """
    obs = (data.transitions() if isinstance(data, Dataset) else data).obs
    moments = [
        _bytes(x)
        if x.dtype == np.uint8
        else _moments(x, "observation dimension" if name == "observation" else f"{name}, dimension")
        for name, x in named(obs)
    ]
    mean, std = (jax.tree.unflatten(jax.tree.structure(obs), list(x)) for x in zip(*moments, strict=True))
    return mean, std


def _bytes(image: UInt8[np.ndarray, "N ..."]) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """0, and what bytes are divided by."""
    top, one = int(image.max()), (1,) * (image.ndim - 1)
    return np.zeros(one, np.float32), np.full(one, top if 0 < top < PICTURE else 255, np.float32)


def _moments(leaf: Shaped[np.ndarray, "N ..."], name: str) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Mean and standard deviation of a leaf's numbers; `name` is what messages call one of them."""
    obs = np.asarray(leaf, np.float64).reshape(len(leaf), -1)
    mean, std = obs.mean(axis=0), obs.std(axis=0)
    largest = np.abs(obs).max(axis=0)
    constant = std < np.maximum(CONSTANT_STD * np.minimum(largest, 1), NOISE_STD)
    _check_resolution(mean, std, largest, name)
    hidden = np.flatnonzero(constant & (std > 0) & (std > STEPS * np.spacing(largest.astype(np.float32))))
    if len(hidden):
        named = ", ".join(f"{i} ({mean[i]:.6g} +- {std[i]:.2g})" for i in hidden[:5].tolist())
        warnings.warn(
            f"{name}s that vary little count as constant, so a policy hardly sees them: {named}"
            f"{' and more' if len(hidden) > 5 else ''}; if they mean something, subtract the offset or change the "
            "unit, in the data and in the environment",
            EnvWarning,
            stacklevel=2,
        )
    std = np.where(constant, 1.0, std)
    shape = leaf.shape[1:]
    return mean.astype(np.float32).reshape(shape), std.astype(np.float32).reshape(shape)


def _check_resolution(mean: np.ndarray, std: np.ndarray, largest: np.ndarray, name: str) -> None:
    """Refuse dimensions beyond the integers of 32-bit numbers that vary by a few of their steps."""
    spacing = np.spacing(largest.astype(np.float32)).astype(np.float64)
    for i in np.flatnonzero((spacing > 1) & (std < STEPS * spacing)).tolist():
        raise DataError(
            f"{name} {i} lies near {mean[i]:.4g} and varies by {std[i]:.2g}, where 32-bit numbers are "
            f"{spacing[i]:g} apart (a time stamp?): subtract its offset or leave it out, in the data and in the "
            "environment"
        )


def summary(dataset: Dataset) -> dict[str, Any]:
    """What `imitax datasets show` prints; plain numbers, text, lists and None, ready for JSON.

    Returns are undiscounted and `return_sd` is their population standard deviation over episodes; they are None
    without rewards, as the action's entries are without actions. Ranges are lists with one number a dimension;
    `obs_min` and `obs_max` leave images out, and `observations` names the leaves of dicts and tuples.
    """
    flat = dataset.transitions()
    lengths = dataset.lengths
    returns = dataset.returns if dataset.has_rewards else None
    actions = np.asarray(flat.action) if dataset.has_actions else None
    obs = np.concatenate([episode.vectors for episode in dataset.episodes])
    first = dataset.episodes[0].observations
    leaves = {name: list(shape) for name, (shape, _) in shape_of(first).items()}
    return {
        "name": dataset.name,
        "env_id": dataset.env_id,
        "env_kwargs": dataset.env_kwargs,
        "hash": dataset.hash(),
        "episodes": len(dataset.episodes),
        "transitions": dataset.transition_count,
        "return_mean": None if returns is None else float(returns.mean()),
        "return_sd": None if returns is None else float(returns.std()),
        "return_min": None if returns is None else float(returns.min()),
        "return_max": None if returns is None else float(returns.max()),
        "length_mean": float(lengths.mean()),
        "length_min": int(lengths.min()),
        "length_max": int(lengths.max()),
        "terminated_share": float(np.mean([episode.terminated for episode in dataset.episodes])),
        "obs_dim": dataset.obs_dim,
        **({} if isinstance(first, np.ndarray) and first.ndim == 2 else {"observations": leaves}),
        "obs_min": obs.min(axis=0).tolist(),
        "obs_max": obs.max(axis=0).tolist(),
        "action_dim": dataset.action_dim,
        "action_min": None if actions is None else actions.min(axis=0).tolist(),
        "action_max": None if actions is None else actions.max(axis=0).tolist(),
        "attributes": dataset.attributes,
    }
