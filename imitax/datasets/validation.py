"""Everything that can be wrong with a dataset's values, found before training and reported at once."""

from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from imitax.datasets.bounds import out_of_set
from imitax.datasets.environment import bare, columns, finite
from imitax.datasets.episode import Dataset, kwargs_json
from imitax.datasets.faults import zeroed_ends
from imitax.envs.guard import LARGEST_REWARD
from imitax.errors import ConfigError, DataError
from imitax.observation_spaces import checked, of_space, parts
from imitax.observations import Misfit, kind_of, named

SHOWN = 5
"""How many places of one problem a message names."""


def validate(
    dataset: Dataset,
    *,
    observation_space: gym.Space | None = None,
    action_space: gym.Space | None = None,
    env_id: str | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    need_actions: bool = False,
    need_rewards: bool = False,
    action_tolerance: float = 1e-4,
) -> None:  # keywords, as users call it
    """Check a dataset, and that it fits an environment where one is given.

    Shapes, lengths and emptiness need no check here: an `Episode` or `Dataset` that gets them wrong cannot be made.

    Args:
        dataset: what to check.
        observation_space: the environment's; every leaf must be there in its shape, images as bytes.
        action_space: the environment's; size, and bounds or set, must match. Without it the dataset's own bounds
            are used.
        env_id: the environment's; must match where the dataset names one.
        env_kwargs: the environment's, compared along with env_id.
        need_actions: whether missing actions are a problem.
        need_rewards: whether missing rewards are a problem.
        action_tolerance: how far beyond the bounds an action may lie, in the action's units (rounding).

    Raises one DataError that lists every problem with its episodes and rows (counted from 0) and what to do.
    """
    problems = [
        *_missing(dataset, need_actions, need_rewards),
        *_environment(dataset, observation_space, action_space, env_id, env_kwargs),
        *_not_finite(dataset),
        *_huge_rewards(dataset),
        *_zeroed_ends(dataset),
        *_out_of_bounds(dataset, action_space, action_tolerance),
    ]
    if problems:
        raise DataError("\n- ".join([f"{dataset.name} cannot be used as it is:", *problems]))


def _missing(dataset: Dataset, need_actions: bool, need_rewards: bool) -> Iterator[str]:
    if need_actions and not dataset.has_actions:
        yield "it has no actions, which this algorithm needs; use an algorithm that learns from states only"
    if need_rewards and not dataset.has_rewards:
        yield "it has no rewards, which are needed here; record them with the episodes"


def _environment(
    dataset: Dataset,
    observation_space: gym.Space | None,
    action_space: gym.Space | None,
    env_id: str | None,
    env_kwargs: Mapping[str, Any] | None,
) -> Iterator[str]:
    origin = f"the environment's id and kwargs (the dataset says {dataset.env_id}, {kwargs_json(dataset.env_kwargs)})"
    if observation_space is not None:
        yield from (f"{problem}; check {origin}" for problem in _observations(dataset, observation_space))
    if action_space is not None:
        try:
            env_size = columns(action_space)
            if dataset.action_dim not in (None, env_size):
                yield f"its actions have {dataset.action_dim} dimensions, the environment's {env_size}; check {origin}"
        except DataError as error:
            yield str(error)
    if env_id is None or dataset.env_id is None:
        return
    if bare(env_id) != bare(dataset.env_id):
        yield f"it was recorded in {dataset.env_id}, not in {env_id}; its versions differ, so do not mix them"
    elif env_kwargs is not None and kwargs_json(env_kwargs) != kwargs_json(dataset.env_kwargs):
        yield (
            f"it was recorded with env_kwargs {kwargs_json(dataset.env_kwargs)}, the environment has "
            f"{kwargs_json(env_kwargs)}; use the same, or pass env_kwargs to load if the recorded ones are wrong"
        )


def _observations(dataset: Dataset, observation_space: gym.Space) -> Iterator[str]:
    """Leaves that are missing, or of another shape, or hold other values than the space."""
    first = dataset.episodes[0].observations
    try:
        space = of_space(observation_space)
        if space.is_flat and isinstance(first, np.ndarray) and first.ndim == 2:
            if first.shape[1] != space.size:
                yield f"its observations have {first.shape[1]} dimensions, the environment's {space.size}"
            return
        for index, episode in enumerate(dataset.episodes):
            for name, leaf, x in parts(space.tree, episode.observations):
                if not isinstance(x, np.ndarray):
                    raise Misfit(name, f"is {kind_of(x)}, the environment's an array of shape {list(leaf.shape)}")
                if x.shape[1:] != leaf.shape:
                    raise Misfit(name, f"has shape {list(x.shape[1:])}, the environment's {list(leaf.shape)}")
                if leaf.kind != "vector":
                    with_episode = f" (episode {index})"
                    try:
                        checked(leaf, x, name)
                    except Misfit as error:
                        raise Misfit(name, error.what + with_episode) from error
                elif x.dtype == np.uint8:
                    raise Misfit(name, f"holds bytes, the environment's numbers of type {observation_space.dtype}")
    except Misfit as error:
        table = isinstance(first, np.ndarray) and first.ndim == 2
        yield f"its {error}{_layout(observation_space) if table else ''}"
    except ConfigError as error:
        yield str(error)


def _layout(space: gym.Space) -> str:
    """How observations of a space are to be given, where arrays of numbers are often given in their place."""
    if isinstance(space, gym.spaces.Tuple):
        return ": give a tuple of arrays, one for each part, with a row for each step"
    if isinstance(space, gym.spaces.Discrete):
        return (
            ": give its classes as integers of shape [time], in arrays; of a table, "
            '{"observations": table["obs"].to_numpy(), ...}'
        )
    return ""


def _not_finite(dataset: Dataset) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    for index, episode in enumerate(dataset.episodes):
        arrays = [*named(episode.observations), ("actions", episode.actions), ("rewards", episode.rewards)]
        for name, array in arrays:
            if array is not None and not np.isfinite(array).all():
                rows = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
                place = f"episode {index} row {rows[0]}" + (f" ({len(rows)} rows)" if len(rows) > 1 else "")
                places.setdefault("observations" if name == "observation" else name, []).append(place)
    for name, found in places.items():
        yield f"{name} hold NaN or infinity: {_list(found)}; repair or drop these episodes"


def _huge_rewards(dataset: Dataset) -> Iterator[str]:
    huge = [
        np.abs(e.rewards[np.isfinite(e.rewards)]) > LARGEST_REWARD for e in dataset.episodes if e.rewards is not None
    ]
    if found := sum(int(rows.sum()) for rows in huge):
        limit = f"±{LARGEST_REWARD:g}"
        yield f"{found} rewards are beyond {limit}, whose squares 32-bit numbers do not hold; scale them down"


def _zeroed_ends(dataset: Dataset) -> Iterator[str]:
    """Final observations that a loader has overwritten with zeros, as TorchRL's D4RL loader does.

    Where zero is also met on the way, it is a state of the task and no sign of damage.
    """
    places = [f"episode {index} row {len(dataset.episodes[index])}" for index in zeroed_ends(dataset.episodes)]
    if places:
        yield (
            f"final next observations are all zero: {_list(places)}; a loader has overwritten them, so export the "
            "data again with the true ones, or without next_observations; repair=True (--repair) takes them as unknown"
        )


def _out_of_bounds(dataset: Dataset, action_space: gym.Space | None, tolerance: float) -> Iterator[str]:
    if dataset.has_actions and action_space is not None and (space := finite(action_space)) is not None:
        for problem in out_of_set(dataset, space) if dataset.action_dim == space.columns else ():
            yield (
                f"actions are not in the environment's set in {problem}; record the integers that the environment takes"
            )
        return
    if isinstance(action_space, gym.spaces.Box) and action_space.low.size == dataset.action_dim:
        low, high = action_space.low.ravel(), action_space.high.ravel()
    else:
        low, high = dataset.action_low, dataset.action_high
    if not dataset.has_actions or low is None or high is None:
        return
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    actions = dataset.transitions().action
    excess = np.nan_to_num(np.maximum(low - actions, actions - high), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    first_rows = np.r_[0, np.cumsum(dataset.lengths)]
    for dim in np.flatnonzero(excess.max(axis=0) > tolerance):
        worst = int(excess[:, dim].argmax())
        index = int(np.searchsorted(first_rows, worst, side="right")) - 1
        yield (
            f"actions lie outside the bounds in dimension {dim}: {np.sum(excess[:, dim] > tolerance)} rows, the worst "
            f"{actions[worst, dim]:g} at episode {index} row {worst - first_rows[index]}, bounds "
            f"[{low[dim]:g}, {high[dim]:g}]; rescale the actions to the environment's units, or clip them if the "
            "environment clipped them too"
        )


def _list(places: list[str]) -> str:
    more = len(places) - SHOWN
    return ", ".join(places[:SHOWN]) + (f" and {more} more" if more > 0 else "")
