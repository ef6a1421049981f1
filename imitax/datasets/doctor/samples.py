"""The rows that the doctor looks at, in float64."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from imitax.datasets.episode import Dataset
from imitax.observations import columns

ROWS = 50_000
"""At most; longer data are cut to their first episodes' worth, drawn evenly."""

VALUES = 64
"""Of integer actions that get a column each, at most."""


@dataclass(frozen=True)
class Rows:
    """Transitions of whole episodes, episode after episode, without images."""

    obs: Float64[np.ndarray, "N O"]
    action: Float64[np.ndarray, "N A"]
    """[N, 0] without actions. Of integers, one column for each value but the first: 1 where it was taken."""
    next_obs: Float64[np.ndarray, "N O"]
    episode: Int[np.ndarray, "N"]
    """Position of the row's episode in the dataset."""
    step: Int[np.ndarray, "N"]
    """Position in its episode."""
    leaves: tuple[str, ...] = ()
    """Names of the observation's columns where it is no single vector, such as "goal 0"."""

    def obs_column(self, d: int) -> str:
        """How messages call a column of the observations: its number, in the leaf of its name."""
        return self.leaves[d] if self.leaves else str(d)

    def named(self) -> dict[str, np.ndarray]:
        """Observations and actions by their name."""
        return {"observations": self.obs, "actions": self.action}

    def scaled_obs(self) -> Float64[np.ndarray, "N O"]:
        """Observations standardised; constant dimensions are 0."""
        return self.scaled(self.obs)

    def scaled(self, obs: Float64[np.ndarray, "N O"]) -> Float64[np.ndarray, "N O"]:
        """Other observations, by the mean and deviation of `obs`."""
        std = self.obs.std(axis=0)
        return (obs - self.obs.mean(axis=0)) / np.where(std > 1e-12, std, np.inf)

    def scaled_action(self) -> Float64[np.ndarray, "N A"]:
        """Actions likewise."""
        std = self.action.std(axis=0)
        return (self.action - self.action.mean(axis=0)) / np.where(std > 1e-12, std, np.inf)


def rows_of(data: Dataset) -> Rows:
    """Rows of all episodes, or of evenly drawn ones where there are too many. Non-finite rows are left out."""
    keep = max(1, int(len(data.episodes) * min(1.0, ROWS / data.transition_count)))
    chosen = np.unique(np.linspace(0, len(data.episodes) - 1, keep).astype(int))
    episodes = [(int(i), data.episodes[i]) for i in chosen]
    obs = np.concatenate([e.vectors[:-1] for _, e in episodes]).astype(np.float64)
    following = np.concatenate([e.vectors[1:] for _, e in episodes]).astype(np.float64)
    none = [np.zeros((len(e), 0)) if e.actions is None else e.actions for _, e in episodes]
    action = np.concatenate(none).astype(np.float64)
    number = np.concatenate([np.full(len(e), i) for i, e in episodes])
    step = np.concatenate([np.arange(len(e)) for _, e in episodes])
    fine = np.isfinite(obs).all(axis=1) & np.isfinite(following).all(axis=1) & np.isfinite(action).all(axis=1)
    if data.has_actions and np.issubdtype(data.actions.dtype, np.integer):
        action = coded(action)
    first = data.episodes[0].observations
    flat = isinstance(first, np.ndarray) and first.ndim == 2
    leaves = () if flat else tuple(name.removeprefix("observation.") for name in columns(first))
    return Rows(obs[fine], action[fine], following[fine], number[fine], step[fine], leaves)


def coded(action: Float64[np.ndarray, "N k"]) -> Float64[np.ndarray, "N A"]:
    """Integers as columns that mean something to a regression; those with many values stay as they are."""
    parts = []
    for column in action.T:
        known = np.unique(column)
        taken = (column[:, None] == known[None, 1:]).astype(np.float64) if len(known) <= VALUES else column[:, None]
        parts.append(taken)
    return np.concatenate(parts, axis=1)
