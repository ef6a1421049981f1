"""How far observations move within episodes, and where one episode follows another."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from imitax.datasets.episode import Episode
from imitax.datasets.leaves import STEP

Episodes = tuple[Episode, ...]
FEW = 10
"""Steps within episodes below which no step can be called unusual."""


@dataclass(frozen=True)
class Jumps:
    """Sizes of steps, in standard deviations of the steps within episodes; one for each pair of episodes."""

    first: np.ndarray
    """The first step of the later episode."""
    last: np.ndarray
    """The last step of the earlier one."""
    gap: np.ndarray
    """Between the earlier one's last observation and the later one's first; 0 where they are equal."""
    usual: float
    """The size that one in ten steps within episodes exceeds."""
    largest: float
    """Of the steps within episodes."""

    def recorder(self, wrong: np.ndarray, size: np.ndarray) -> bool:
        """Whether pairs are a fault of the recorder rather than a coincidence, as in a task that is never reset."""
        equal = int((self.gap == 0).sum())
        if equal < 3:
            return bool((wrong & (size > self.largest)).any())
        return bool(wrong.sum() >= 0.5 * equal)


def jumps_of(episodes: Episodes) -> Jumps | None:
    """Sizes of the steps where one episode follows another; None where there are too few steps within episodes."""
    if not all(np.isfinite(e.vectors).all() for e in episodes):
        return None
    with np.errstate(over="ignore"):  # of numbers near the largest there are
        within = [np.diff(e.vectors[1:-1].astype(np.float64), axis=0) for e in episodes]
    inner = np.concatenate(within)
    if len(episodes) < 2 or len(inner) < FEW or not inner.shape[1] or not np.isfinite(inner).all():
        return None
    everything = np.concatenate([e.vectors for e in episodes]).astype(np.float64)
    scale = np.maximum(inner.std(axis=0), 1e-6 * np.abs(everything).max(axis=0))
    scale = np.where(scale > 0, scale, 1.0)

    def size(difference: list[np.ndarray]) -> np.ndarray:
        return np.linalg.norm(np.array(difference, np.float64) / scale, axis=1)

    pairs = list(pairwise(episodes))
    gap = size([b.vectors[0] - a.vectors[-1] for a, b in pairs])
    same = [np.isclose(b.vectors[0], a.vectors[-1], **STEP).all() for a, b in pairs]
    first = size([b.vectors[1] - b.vectors[0] for _, b in pairs])
    last = size([a.vectors[-1] - a.vectors[-2] for a, _ in pairs])
    sizes = np.linalg.norm(inner / scale, axis=1)
    usual, largest = float(np.quantile(sizes, 0.9)), float(sizes.max())
    return Jumps(first, last, np.where(same, 0.0, np.maximum(gap, 1e-12)), usual, largest)
