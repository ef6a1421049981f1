"""Spaces in Minari's metadata: read without making them, and written for what a dataset holds."""

from typing import Any

import gymnasium as gym
import numpy as np

from imitax.datasets.bounds import spans
from imitax.datasets.episode import Dataset
from imitax.datasets.limits import json_object, short
from imitax.errors import DataError

OBSERVED = ("Box", "Discrete", "MultiDiscrete", "MultiBinary")


def check_observations(metadata: dict[str, Any]) -> bool:
    """Refuse observations that cannot be arrays, and images that Minari has compressed.

    Returns whether they are one vector.

    Raises:
        DataError: with the leaf.
    """
    if not isinstance(metadata.get("observation_space"), str):
        raise DataError("its metadata have no observation_space")
    space = json_object(metadata["observation_space"], "observation_space")
    jpeg = metadata.get("jpeg_encoding") in (True, 1, "true", "True")
    _check(space, "observation", jpeg)
    shape = space.get("shape")
    return space.get("type") == "Box" and isinstance(shape, list) and len(shape) == 1


def _check(space: Any, name: str, jpeg: bool) -> None:
    kind, inner = (space.get("type"), space.get("subspaces")) if isinstance(space, dict) else (None, None)
    if kind == "Dict" and isinstance(inner, dict):
        for key, part in inner.items():
            _check(part, f"{name}.{key}", jpeg)
    elif kind == "Tuple" and isinstance(inner, list):
        for i, part in enumerate(inner):
            _check(part, f"{name}.{i}", jpeg)
    elif kind not in OBSERVED:
        raise DataError(
            f"{short(name)} is a {short(kind)} space; {', '.join(OBSERVED)}, and Dict and Tuple of these, are read: "
            'leave it out, with columns={"observations": [...]} that names the vectors to join'
        )
    elif jpeg and space.get("dtype") == "uint8" and len(space.get("shape") or ()) == 3:
        raise DataError(
            f"{short(name)} holds JPEG images, which are not read from files. Load it with Minari and pass the object: "
            "imitax.load(minari.load_dataset(ID))"
        )


def unbounded_space(observations: Any) -> gym.Space:
    """The space of observations [T, ...] as a dataset holds them, which says nothing of bounds."""
    if isinstance(observations, dict):
        return gym.spaces.Dict({key: unbounded_space(part) for key, part in observations.items()})
    if isinstance(observations, tuple):
        return gym.spaces.Tuple([unbounded_space(part) for part in observations])
    if observations.dtype == np.uint8:
        return gym.spaces.Box(0, 255, observations.shape[1:], np.uint8)
    limit = np.iinfo(np.int32) if observations.dtype == np.int32 else None
    low, high = (-np.inf, np.inf) if limit is None else (limit.min, limit.max)
    return gym.spaces.Box(low, high, observations.shape[1:], observations.dtype.type)


def recorded_action_space(dataset: Dataset) -> gym.Space:
    """The space that Minari is told: of integers, as large as the data show."""
    actions = dataset.actions
    if np.issubdtype(actions.dtype, np.integer):
        sizes, starts = spans(actions)
        if len(sizes) == 1:
            return gym.spaces.Discrete(sizes[0], start=starts[0])
        return gym.spaces.MultiDiscrete(list(sizes), start=list(starts))
    unbounded = (np.inf,) * actions.shape[1]
    low = np.array(dataset.action_low or np.negative(unbounded), np.float32)
    high = np.array(dataset.action_high or unbounded, np.float32)
    return gym.spaces.Box(low, high, dtype=np.float32)
