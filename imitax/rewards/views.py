"""A learned reward for the eye: a map over two dimensions, along an episode, and by action."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from imitax.datasets.episode import Dataset, Episode
from imitax.networks import Normalizer
from imitax.observations import count, rows
from imitax.spaces import ActionSpace, FiniteActions

Reward = Callable[[Any, np.ndarray, Any, np.ndarray], np.ndarray]
"""Rewards [B] of transitions: observations, actions as the data have them, next observations, ends."""

GRID = 41
"""Points of a map along each axis."""
NEAREST = 15
"""Recorded steps whose mean is a point of the map."""
MOST = 2000
"""Recorded steps that are looked at, from all over the data."""
RANGE, FAR = (0.5, 99.5), (5, 95)
"""Percentiles of the states that a map shows, of the first set and of others, which leave that a third of each axis."""
SPREAD = (10, 90)
"""Percentiles over states that are given beside a mean."""


class Steps(NamedTuple):
    """Recorded transitions."""

    obs: Any
    action: np.ndarray
    """[B, k], as the data have them."""
    next_obs: Any


class Plane(NamedTuple):
    """Two dimensions of flat observations."""

    centre: Float[np.ndarray, "O"]
    onto: Float[np.ndarray, "O 2"]
    """Coordinates of an observation are `(obs - centre) @ onto`."""
    along: Float[np.ndarray, "2 O"]
    """By how much an observation changes where a coordinate grows by 1."""
    names: tuple[str, str]
    about: str
    """What the axes are, in words."""

    def coordinates(self, obs: Float[np.ndarray, "B O"]) -> Float[np.ndarray, "B 2"]:
        """Places of observations in the plane."""
        return (np.asarray(obs, np.float64) - self.centre) @ self.onto


class Map(NamedTuple):
    """A reward over a plane."""

    x: Float[np.ndarray, "G"]
    y: Float[np.ndarray, "G"]
    values: Float[np.ndarray, "G G"]
    """A row for each y."""


class ActionCurve(NamedTuple):
    """How a reward changes with one number of an action, at recorded states."""

    name: str
    values: np.ndarray
    """[V] values of the action: through its range, or all that there are."""
    mean: Float[np.ndarray, "V"]
    """Over states."""
    low: Float[np.ndarray, "V"]
    high: Float[np.ndarray, "V"]
    """`SPREAD` over states."""
    recorded: tuple[float, float]
    """`SPREAD` of the recorded actions."""


def steps_of(data: Dataset, space: ActionSpace, most: int = MOST) -> Steps:
    """Recorded steps, at most `most`, evenly from all of them; without recorded actions, the least ones there are."""
    flat = data.transitions()
    index = np.unique(np.linspace(0, data.transition_count - 1, min(most, data.transition_count)).astype(int))
    return Steps(rows(flat.obs, index), _actions(data, space)[index], rows(flat.next_obs, index))


def _actions(data: Dataset, space: ActionSpace) -> np.ndarray:
    if data.has_actions:
        return data.actions
    least = space.starts if isinstance(space, FiniteActions) else np.asarray(space.low, np.float32)
    return np.tile(least, (data.transition_count, 1))


def chosen(first: int, second: int, size: int) -> Plane:
    """The plane of two dimensions of the observations, of which there are `size`."""
    unit = np.eye(size)[[first, second]]
    names = (f"observation {first} (own unit)", f"observation {second} (own unit)")
    return Plane(np.zeros(size), unit.T, unit, names, f"Axes are observations {first} and {second}, in their own units")


def principal(obs: Float[np.ndarray, "B O"], normalizer: Normalizer) -> Plane:
    """The plane of the first two principal components of normalised observations.

    Components have the sign with which their largest part is positive. Coordinates have the normaliser's unit.
    """
    centre, scale = np.asarray(obs, np.float64).mean(0), np.asarray(normalizer.std, np.float64)
    normalised = (obs - centre) / scale
    enough = np.resize(normalised, (max(len(normalised), 2), len(centre)))  # one step has no second component
    _, size, parts = np.linalg.svd(enough, full_matrices=False)
    parts = parts[:2] * np.sign(parts[[0, 1], np.abs(parts[:2]).argmax(1)])[:, None]
    share = size[:2] ** 2 / max(float((size**2).sum()), 1e-12)
    names = tuple(f"component {i + 1} ({100 * share[i]:.0f} % of variance)" for i in (0, 1))
    most = [" and ".join(map(str, np.argsort(-np.abs(part))[:2])) for part in parts]
    about = (
        "Axes are the first two principal components of the normalised observations, in standard deviations; the first "
        f"is mostly observations {most[0]}, the second {most[1]}"
    )
    return Plane(centre, (parts / scale).T, parts * scale, (names[0], names[1]), about)


def mapped(reward: Reward, steps: Steps, plane: Plane, shown: Sequence[Float[np.ndarray, "_ 2"]]) -> Map:
    """The reward over a plane.

    At a point it is the mean over the `NEAREST` recorded steps, which are moved there within the plane: their other
    dimensions, their actions and what the step changed stay as recorded.

    Args:
        reward: to be shown.
        steps: recorded ones, with flat observations.
        plane: of the map.
        shown: sets of places that the map should show, first of those that matter most.
    """
    bounds = np.array([np.percentile(places, FAR if i else RANGE, axis=0) for i, places in enumerate(shown)])
    first, last = bounds[0]
    low = np.maximum(bounds[:, 0].min(0), 2 * first - last)
    high = np.minimum(bounds[:, 1].max(0), 2 * last - first)
    margin = np.where(high > low, 0.04 * (high - low), 0.5)
    x, y = np.linspace(low - margin, high + margin, GRID).T
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    places = plane.coordinates(steps.obs)
    distance = (((points[:, None] - places[None]) / (high - low + 2 * margin)) ** 2).sum(-1)
    near = min(NEAREST, len(places))
    index = np.argpartition(distance, near - 1, axis=1)[:, :near].ravel()
    moved = ((np.repeat(points, near, 0) - places[index]) @ plane.along).astype(np.float32)
    obs, following = steps.obs[index] + moved, steps.next_obs[index] + moved
    values = np.asarray(reward(obs, steps.action[index], following, np.zeros(len(obs), bool)), np.float64)
    return Map(x, y, values.reshape(GRID, GRID, near).mean(-1))


def along(reward: Reward, episode: Episode, space: ActionSpace) -> Float[np.ndarray, "T"]:
    """The reward of every step of an episode."""
    data = Dataset((episode,))
    flat = data.transitions()
    return np.asarray(reward(flat.obs, _actions(data, space), flat.next_obs, flat.terminated), np.float64)


def by_action(reward: Reward, steps: Steps, space: ActionSpace, count_of: int = 21) -> list[ActionCurve]:
    """How the reward changes with each number of the action, while everything else stays as recorded.

    Of a box, the change from the reward of the recorded action, at `count_of` values through the range; of a finite
    set, the reward of each value.
    """
    finite = isinstance(space, FiniteActions)
    size = count(steps.obs)
    ended = np.zeros(size, bool)
    base = 0.0 if finite else np.asarray(reward(*steps, ended), np.float64)
    found = []
    for j in range(space.columns):
        if finite:
            values = np.arange(space.sizes[j]) + space.starts[j]
        else:
            values = np.linspace(space.low[j], space.high[j], count_of)
        action = np.repeat(steps.action[None], len(values), 0)  # [V, B, k]
        action[:, :, j] = values[:, None]
        index = np.tile(np.arange(size), len(values))
        given = reward(
            rows(steps.obs, index), action.reshape(len(index), -1), rows(steps.next_obs, index), ended[index]
        )
        change = np.asarray(given, np.float64).reshape(len(values), size) - base
        low, high = np.percentile(change, SPREAD, axis=1)
        recorded = np.percentile(steps.action[:, j], SPREAD)
        found.append(ActionCurve(f"action {j}", values, change.mean(1), low, high, (recorded[0], recorded[1])))
    return found
