"""What a policy, or a demonstrator, does and where: a sample of state-actions, in which early ends count.

An episode that terminates after t of H steps is followed by H - t steps in a state after the end, H being the length of
the longest episode of all that are compared. So a policy that falls after a second differs from a demonstrator who
walks on, although everything before the fall looks the same. A time limit is no end: nothing follows it.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from imitax.datasets import Dataset, normalization
from imitax.errors import EnvWarning
from imitax.observations import rows
from imitax.seeding import Purpose, generator
from imitax.selection.energy import Sample
from imitax.spaces import Leaf, Spec
from imitax.types import Transition

ROWS = 2_000
"""Transitions that stand for all of a set of episodes: the time of a distance grows with their square."""
LEAST_WIDTH = 0.05
"""Of an action's range, the least share that counts as its standard deviation: where an expert's action is nearly
constant, a small difference is no large one."""


@dataclass(frozen=True)
class Occupancy:
    """A set of episodes, with N of its transitions, drawn at random."""

    drawn: Transition
    """[N], raw; actions as data have them, [N, 0] where there are none."""
    lengths: Int[np.ndarray, "E"]
    ended: Bool[np.ndarray, "E"]
    """Which episodes terminated."""
    last: Transition
    """[K], the terminating transitions of these, raw."""

    @classmethod
    def of(cls, data: Dataset, seed: int) -> "Occupancy":
        """Of recorded episodes; the seed decides which `ROWS` of their transitions are drawn."""
        flat, index = data.transitions(), np.arange(data.transition_count)
        if len(index) > ROWS:
            index = np.sort(generator(seed, Purpose.SELECTION).choice(index, ROWS, replace=False))
        ended = np.array([episode.terminated for episode in data.episodes])
        last = (np.cumsum(data.lengths) - 1)[ended]
        return cls(rows(flat, index), data.lengths, ended, rows(flat, last))

    @property
    def longest(self) -> int:
        """Steps of the longest episode."""
        return int(self.lengths.max())

    def after_end(self, horizon: int) -> float:
        """Share of time after an end, where every episode that ended goes on to the horizon."""
        after = int(self.steps_after(horizon).sum())
        return after / (after + int(self.lengths.sum()))

    def steps_after(self, horizon: int) -> Int[np.ndarray, "K"]:
        """Steps after each end."""
        return (horizon - self.lengths)[self.ended]


def sampler(spec: Spec, demonstrations: Dataset) -> Callable[[Occupancy, int], Sample]:
    """`(occupancy, horizon) -> Sample` in columns that are standardised by the demonstrations.

    Each column of the observations has mean 0 and standard deviation 1 over them, as networks see observations;
    classes are one-hot. So are the actions of a box; those of a finite set are one-hot. Demonstrations without actions
    are compared by their states alone. One more column says whether the episode has ended; the state after the end is 0
    in all others, and as far from the mean of the demonstrations as their states usually are.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EnvWarning)  # training has said it
        statistics = normalization(demonstrations)
    means, stds = map(jax.tree.leaves, statistics)
    moments = list(zip(spec.observation.leaves, means, stds, strict=True))
    mean, width = _action_moments(spec, demonstrations) if demonstrations.has_actions else (None, None)

    def sample(occupancy: Occupancy, horizon: int) -> Sample:
        seen = zip(moments, jax.tree.leaves(occupancy.drawn.obs), strict=True)
        parts = [_columns(leaf, m, s, x) for (leaf, m, s), x in seen]
        if mean is not None:
            parts.append((spec.action.encode(occupancy.drawn.action) - mean) / width)
        live = np.concatenate(parts, axis=1, dtype=np.float64)
        count, size = live.shape
        points = np.zeros((count + 1, size + 1))
        points[:count, :size], points[count, size] = live, np.sqrt(size)
        after = occupancy.after_end(horizon)
        return Sample(points, np.append(np.full(count, (1 - after) / count), after))

    return sample


def _columns(leaf: Leaf, mean: np.ndarray, std: np.ndarray, x: np.ndarray) -> Float[np.ndarray, "N D"]:
    """One leaf of observations [N, ...] as standardised columns."""
    if leaf.kind == "categories":
        flat = x.reshape(len(x), -1).astype(int) - np.asarray(leaf.first)
        return np.concatenate([np.eye(n)[flat[:, i]] for i, n in enumerate(leaf.categories)], axis=1)
    if leaf.kind == "vector":
        x = (x - mean) / std
    return x.reshape(len(x), -1).astype(np.float64)


def _action_moments(spec: Spec, data: Dataset) -> tuple[Any, Any]:
    """Mean and width of each number of an action: 0 and 1 of a finite set."""
    if spec.is_finite:
        return 0.0, 1.0
    actions, ranges = data.actions.astype(np.float64), np.asarray(spec.action.widths)
    std = np.maximum(actions.std(0), np.where(np.isfinite(ranges), LEAST_WIDTH * ranges, 0))
    return actions.mean(0), np.where(std > 0, std, 1.0)
