"""Seeds whose networks are no longer numbers: told as soon as it shows, and the end of a run that has no others.

Such a seed learns nothing more: a loss that is not a number makes every later gradient the same.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from imitax.errors import TrainingError, TrainingWarning
from imitax.learner import Learner
from imitax.stacking import gathered
from imitax.training.progress import Progress

ADVICE = "smaller learning rates, clipped gradients (the optimizers' lr and clip) or rewards of another scale may help"


def check_networks(state: Any, progress: Progress, seeds: Sequence[int], folder: Path) -> None:
    """Warn of each seed whose networks are not numbers any more, once.

    The networks are looked at where a metric of the last chunk is not finite. Before the first update there is none.

    Raises:
        TrainingError: no other seed is left.
    """
    if all(np.isfinite(x).all() for x in jax.tree.leaves(progress.window[-1:])):
        return
    lost = [seed for seed, nan in zip(seeds, are_nan(gathered(state), len(seeds)), strict=True) if nan]
    for seed in (s for s in lost if s not in progress.lost):
        progress.lost.append(seed)
        told = f"the networks of seed {seed} are not numbers any more by step {progress.step:,}: {ADVICE}"
        if len(lost) == len(seeds):
            raise TrainingError(f"{told}; what was saved before is in {folder}")
        warnings.warn(told, TrainingWarning, stacklevel=2)


def are_nan(state: Any, seeds: int) -> list[bool]:
    """Whether a network of each seed, stacked along the leading axis, has a parameter that is not a number."""
    nan = np.zeros(seeds, bool)
    for part in jax.tree.leaves(state, is_leaf=lambda x: isinstance(x, Learner)):
        if isinstance(part, Learner):
            for x in jax.tree.leaves(eqx.filter(part.net, eqx.is_inexact_array)):
                nan |= np.isnan(x).reshape(seeds, -1).any(1)
    return nan.tolist()
