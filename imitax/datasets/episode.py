"""Demonstrations in memory: whole episodes, each with its true final observation."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real

from imitax.datasets.leaves import as_observations, check_agreement, content_hash, summary_of
from imitax.datasets.rows import as_rows, row_shape, shape_name
from imitax.errors import DataError, printable
from imitax.notebooks import html_table
from imitax.observations import count, joined, matrix, rows, shape_of
from imitax.seeding import Purpose, generator
from imitax.types import Transition


@dataclass(frozen=True, eq=False)
class Episode:
    """One whole episode of T >= 1 transitions. Arrays are copied, read-only, as float32; images of bytes stay bytes,
    integer actions integers.

    Observations are an array, or dicts and tuples of arrays (`observations.stored` says what may be given).

    `observations[t + 1]` is the true next observation of transition t, also of the last one; storing them once
    leaves no room for a next observation that disagrees with the following row. Episodes stop for a reason: one
    that did not terminate was truncated, so `truncated` is set where neither flag is.

    Raises DataError when an array is not numeric, has the wrong number of dimensions or the wrong length.
    """

    observations: Any
    """[T+1, ...] of each leaf, in the environment's units; the last row is what the last action led to."""
    actions: np.ndarray | None
    """Float32 or int64 [T, k], in the environment's units; None for state-only demonstrations."""
    rewards: np.ndarray | None
    """Float32 [T]; None when unknown."""
    terminated: bool
    """The MDP ended at the final observation. A time limit is never in it."""
    truncated: bool
    """The episode was cut, by a time limit or by the end of the recording."""

    def __post_init__(self):
        object.__setattr__(self, "observations", as_observations(self.observations))
        for key, ndim in (("actions", 2), ("rewards", 1)):
            if (value := getattr(self, key)) is not None:
                object.__setattr__(self, key, as_rows(value, key, ndim))
        steps = count(self.observations) - 1  # len() would refuse to be negative
        if steps < 1:
            raise DataError("the episode is empty: it needs at least one transition, so two observations")
        for key in ("actions", "rewards"):
            if (value := getattr(self, key)) is not None and len(value) != steps:
                raise DataError(
                    f"{steps + 1} observations need {steps} {key}, got {len(value)}: an episode holds one observation "
                    f"more than {key}, the last being the true final observation"
                )
        object.__setattr__(self, "terminated", bool(self.terminated))
        object.__setattr__(self, "truncated", bool(self.truncated) or not self.terminated)

    def __len__(self) -> int:
        return count(self.observations) - 1

    @property
    def vectors(self) -> Float[np.ndarray, "N D"]:
        """The numbers of the observations side by side, without images; flat observations as they are."""
        return matrix(self.observations)

    @property
    def ret(self) -> float:
        """Undiscounted return, summed in float64. Raises DataError without rewards."""
        if self.rewards is None:
            raise DataError("the episode has no rewards, so its return is unknown")
        return float(self.rewards.sum(dtype=np.float64))


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Episodes of one task that agree in their sizes and in what they record.

    Raises DataError when there are no episodes, or when they differ in observation size, action size or in having
    actions or rewards at all.
    """

    episodes: tuple[Episode, ...]
    env_id: str | None = None
    """Gymnasium id of the environment, None when unknown."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """What `gymnasium.make` needs beside the id."""
    name: str = "dataset"
    """For messages and records; not part of the content."""
    action_low: tuple[float, ...] | None = None
    """Lower bound [A] of the actions, where the file says so."""
    action_high: tuple[float, ...] | None = None
    """Upper bound [A] of the actions, where the file says so."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Provenance, free form; not part of the content."""
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a table, the names of the columns of observations and of actions, in their order; not part of the content."""

    def __post_init__(self):
        object.__setattr__(self, "name", printable(self.name))
        shown = {printable(key): printable(value, keep="\n\t") for key, value in self.attributes.items()}
        object.__setattr__(self, "attributes", shown)
        object.__setattr__(self, "columns", {key: tuple(map(printable, n)) for key, n in self.columns.items()})
        if not self.episodes:
            raise DataError("the dataset is empty: it has no episodes")
        check_agreement([episode.observations for episode in self.episodes])
        for key in ("actions", "rewards"):
            first = row_shape(self.episodes[0], key)
            for index, episode in enumerate(self.episodes):
                if (shape := row_shape(episode, key)) != first:
                    raise DataError(
                        f"episodes disagree: {key} are {shape_name(shape)} in episode {index} and {shape_name(first)} "
                        "in episode 0; load them as separate datasets"
                    )
        for bound in (self.action_low, self.action_high):
            if bound is not None and self.action_dim not in (None, len(bound)):
                raise DataError(f"the action bounds have {len(bound)} dimensions, the actions {self.action_dim}")

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}): {'; '.join(f'{name} {value}' for name, value in self._facts().items())}"

    def _repr_html_(self) -> str:
        return html_table({"dataset": self.name, **self._facts()})

    def _facts(self) -> dict[str, str]:
        facts = {"episodes": f"{len(self.episodes):,}", "transitions": f"{self.transition_count:,}"}
        actions = "none" if self.action_dim is None else f"[{self.action_dim}]"
        facts |= {"observations": summary_of(self.episodes[0].observations), "actions": actions} | (
            {"env": self.env_id} if self.env_id else {}
        )
        return facts | ({"mean return": f"{self.returns.mean():,.4g}"} if self.has_rewards else {})

    @property
    def obs_dim(self) -> int:
        """Numbers in an observation, O; pixels included."""
        return sum(int(np.prod(shape)) for shape, _ in shape_of(self.episodes[0].observations).values())

    @property
    def action_dim(self) -> int | None:
        """Action size A; None when the dataset is state-only."""
        actions = self.episodes[0].actions
        return None if actions is None else actions.shape[1]

    @property
    def actions(self) -> Real[np.ndarray, "N k"]:
        """Actions of all transitions, integers where they were recorded as such. Raises DataError without actions."""
        if not self.has_actions:
            raise DataError("the dataset has no actions")
        return np.concatenate([np.asarray(episode.actions) for episode in self.episodes])

    @property
    def has_actions(self) -> bool:
        """Whether the episodes record actions."""
        return self.episodes[0].actions is not None

    @property
    def has_rewards(self) -> bool:
        """Whether the episodes record rewards."""
        return self.episodes[0].rewards is not None

    @property
    def returns(self) -> Float[np.ndarray, "E"]:
        """Undiscounted return of each episode, float64. Raises DataError without rewards."""
        return np.array([episode.ret for episode in self.episodes])

    @property
    def lengths(self) -> Int[np.ndarray, "E"]:
        """Transitions in each episode."""
        return np.array([len(episode) for episode in self.episodes])

    @property
    def transition_count(self) -> int:
        """Transitions in all episodes together."""
        return int(self.lengths.sum())

    def hash(self) -> str:
        """SHA-256 in hex of what the episodes hold, in their order, and of the environment's id and kwargs.

        It covers type, shape and bits of every array, the names of the leaves of dicts and tuples, and both flags; it
        does not depend on the file format, the name, the action bounds, the attributes or the columns' names.
        """
        return content_hash([self.env_id, kwargs_json(self.env_kwargs)], self.episodes)

    def transitions(self, subsample: int = 1, seed: int = 0) -> Transition:
        """All transitions as NumPy arrays, float32 but for images of bytes, episode after episode.

        Args:
            subsample: K keeps every K-th transition of each episode, from an offset drawn uniformly below K (below
                the episode's length, if that is shorter, so that every episode keeps at least one transition).
                A kept transition keeps its own next observation, the one after a single step.
            seed: draws the offsets, by `seeding.generator(seed, Purpose.SUBSAMPLING)`; unused for K = 1.

        Returns:
            N transitions. Without actions, `action` has shape [N, 0]; without rewards, `reward` is zero.
            `terminated` is True only in the last row of a terminated episode.

        Raises DataError when subsample is below 1 or seed below 0.
        """
        if subsample < 1 or seed < 0:
            raise DataError(f"subsample must be at least 1 and seed at least 0, got {subsample} and {seed}")
        rng = generator(seed, Purpose.SUBSAMPLING)
        parts = []
        for episode in self.episodes:
            steps = len(episode)
            kept = np.arange(rng.integers(min(subsample, steps)), steps, subsample)
            actions = np.zeros((steps, 0)) if episode.actions is None else episode.actions
            rewards = np.zeros(steps, np.float32) if episode.rewards is None else episode.rewards
            parts.append(
                (
                    rows(episode.observations, kept),
                    actions[kept].astype(np.float32),
                    rewards[kept],
                    rows(episode.observations, kept + 1),
                    (kept == steps - 1) & episode.terminated,
                    np.zeros(len(kept), bool),
                )
            )
        return Transition(*joined(*parts))


def kwargs_json(kwargs: Mapping[str, Any]) -> str:
    """The environment's kwargs as canonical JSON: keys sorted, tuples and arrays as lists, infinity kept.

    Raises DataError for what JSON cannot hold.
    """
    try:
        return json.dumps(kwargs, sort_keys=True, default=lambda value: value.tolist())
    except (TypeError, AttributeError) as error:
        raise DataError(f"env_kwargs must hold numbers, text, lists and dicts only, got {dict(kwargs)!r}") from error


@contextmanager
def located(where: str) -> Iterator[None]:
    """Puts `where` in front of the message of a DataError that the block raises."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{printable(where)}: {error}") from error
