"""Numbers about a dataset: what the normaliser needs, and what a person wants to see."""

from typing import Any

import numpy as np
from jaxtyping import Float

from imitax.datasets.episode import Dataset
from imitax.types import Transition

CONSTANT_STD = 1e-3
"""An observation dimension that varies less than this, in the environment's units, counts as constant."""


def normalization(
    data: Dataset | Transition,
) -> tuple[Float[np.ndarray, "O"], Float[np.ndarray, "O"]]:
    """Mean and standard deviation [O] of the observations that transitions start from.

    Both are float32, computed in float64. A dimension whose deviation is below CONSTANT_STD gets 1: demonstrations
    say nothing about its scale, and dividing by a small number would turn the first deviation at test time (a
    contact force, a pose that no expert took) into an input of thousands. With 1 it is only shifted.
    """
    obs = (data.transitions() if isinstance(data, Dataset) else data).obs
    obs = np.asarray(obs, np.float64).reshape(-1, obs.shape[-1])
    std = obs.std(axis=0)
    return obs.mean(axis=0).astype(np.float32), np.where(std < CONSTANT_STD, 1.0, std).astype(np.float32)


def summary(dataset: Dataset) -> dict[str, Any]:
    """What `imitax datasets show` prints; plain numbers, text, lists and None, ready for JSON.

    Returns are undiscounted and `return_sd` is their population standard deviation over episodes; they are None
    without rewards, as the action's entries are without actions. Ranges are lists with one number a dimension.
    """
    flat = dataset.transitions()
    lengths = dataset.lengths
    returns = dataset.returns if dataset.has_rewards else None
    actions = np.asarray(flat.action) if dataset.has_actions else None
    obs = np.concatenate([episode.observations for episode in dataset.episodes])
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
        "obs_min": obs.min(axis=0).tolist(),
        "obs_max": obs.max(axis=0).tolist(),
        "action_dim": dataset.action_dim,
        "action_min": None if actions is None else actions.min(axis=0).tolist(),
        "action_max": None if actions is None else actions.max(axis=0).tolist(),
        "attributes": dataset.attributes,
    }
