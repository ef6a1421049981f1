"""Observations and their spaces: what Gymnasium's spaces are here, and whether what somebody gives fits."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import jax
import numpy as np

from imitax.errors import ConfigError
from imitax.observations import INDEX, Misfit, is_image, kind_of, named
from imitax.spaces import Leaf, ObservationSpace


def of_space(space: gym.Space, name: str = "observation") -> ObservationSpace:
    """The observation space of a Gymnasium space.

    Raises:
        ConfigError: with the leaf that cannot be observed, and what to do.
    """
    if isinstance(space, gym.spaces.Box) and space.shape == ():
        raise ConfigError(
            f"{name} is one number without an axis, which a recording takes for a class: give it shape (1,), "
            "for instance with gymnasium.wrappers.ReshapeObservation(env, (1,))"
        )
    tree = _leaves(space, name)
    names = Counter(leaf for leaf, _ in named(tree, name))
    if twice := [leaf for leaf, count in names.items() if count > 1]:
        raise ConfigError(f"two parts of the observation are called {twice[0]}: rename a key, or leave its dot out")
    return ObservationSpace.of(tree)


def _leaves(space: gym.Space, name: str) -> Any:
    if isinstance(space, gym.spaces.Dict):
        if not space.spaces or not all(map(is_key, space.spaces)):
            raise ConfigError(
                f"{name}: the keys of a Dict must be text without slashes, and not begin with {INDEX}, which stands "
                f"for a place in a tuple, got {list(space.spaces)}"
            )
        return {key: _leaves(space.spaces[key], f"{name}.{key}") for key in sorted(space.spaces)}
    if isinstance(space, gym.spaces.Tuple):
        return tuple(_leaves(part, f"{name}.{i}") for i, part in enumerate(space.spaces))
    if isinstance(space, gym.spaces.Box):
        shape = tuple(space.shape)
        return Leaf(shape, "image", top=int(max(space.high.max(), 1))) if is_image(shape, space.dtype) else Leaf(shape)
    if isinstance(space, gym.spaces.Discrete):
        return Leaf((), "categories", (int(space.n),), (int(space.start),))
    if isinstance(space, gym.spaces.MultiDiscrete):
        counts, starts = (tuple(map(int, np.ravel(x))) for x in (space.nvec, space.start))
        return Leaf(tuple(space.nvec.shape), "categories", counts, starts)
    if isinstance(space, gym.spaces.MultiBinary):
        return Leaf(tuple(space.shape), "binary")
    raise ConfigError(
        f"{name} is a {type(space).__name__} space; observations are Box, Discrete, MultiDiscrete, MultiBinary, and "
        "Dict and Tuple of these: leave it out, or encode it in one of them with a wrapper "
        "(gymnasium.wrappers.TransformObservation)"
    )


def is_key(key: object) -> bool:
    """Whether a key of a Dict can name an array in a file."""
    return isinstance(key, str) and bool(key) and "/" not in key and not key.startswith(INDEX)


def parts(tree: Any, obs: Any, name: str = "observation") -> Iterator[tuple[str, Leaf, Any]]:
    """Name, description and value of each leaf of an observation, in the order of the space.

    Args:
        tree: of the space (`ObservationSpace.tree`).
        obs: an observation of any kind.
        name: of the whole.

    Raises:
        Misfit: keys or positions are missing, or there are others.
    """
    if isinstance(tree, dict):
        if not isinstance(obs, Mapping):
            raise Misfit(name, f"is {kind_of(obs)}, not a dict with {', '.join(tree)}")
        if odd := [*(key for key in tree if key not in obs), *(key for key in obs if key not in tree)]:
            said = "is missing" if odd[0] in tree else f"is not in its space, which has {', '.join(tree)}"
            raise Misfit(f"{name}.{odd[0]}", said)
        for key, part in tree.items():
            yield from parts(part, obs[key], f"{name}.{key}")
    elif isinstance(tree, tuple):
        if not isinstance(obs, tuple | list) or len(obs) != len(tree):
            raise Misfit(name, f"is {kind_of(obs)}, not a tuple of {len(tree)}")
        for i, (part, value) in enumerate(zip(tree, obs, strict=True)):
            yield from parts(part, value, f"{name}.{i}")
    else:
        yield name, tree, obs


def checked(leaf: Leaf, value: Any, name: str) -> np.ndarray:
    """Values [*B, *shape] of a leaf as they are stored: float32, images uint8.

    Raises:
        Misfit: they have another shape, or are not what the leaf's kind says.
    """
    try:
        array = np.asarray(value)
        numeric = array.dtype.kind in "biuf"
    except Exception:  # any class: the object decides what its conversion raises
        numeric, array = False, np.zeros(0)
    if not numeric:
        raise Misfit(name, f"is {kind_of(value)}, not an array of numbers")
    lead = array.ndim - len(leaf.shape)
    if lead < 0 or array.shape[lead:] != leaf.shape:
        raise Misfit(name, f"has shape {array.shape}, its space {leaf.shape}")
    if leaf.kind == "image":
        return _bytes(array, name)
    with np.errstate(over="ignore"):
        stored = np.asarray(array, np.float32)
    if not np.isfinite(stored).all():
        place = np.argwhere(~np.isfinite(stored))[0].tolist()
        raise Misfit(name, f"is {array[tuple(place)]:g} at {place}")
    if leaf.kind == "categories":
        _check_categories(leaf, array, name)
    if leaf.kind == "binary" and not ((stored == 0) | (stored == 1)).all():
        raise Misfit(name, "must be zeros and ones")
    return stored


def _bytes(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iu" or (array.size and not (array.min() >= 0 and array.max() <= 255)):
        ends = f" from {array.min():g} to {array.max():g}" if array.size else ""
        raise Misfit(name, f"is {array.dtype}{ends}, not bytes (uint8, 0 to 255)")
    return array.astype(np.uint8)


def _check_categories(leaf: Leaf, array: np.ndarray, name: str) -> None:
    low = np.reshape(leaf.first, leaf.shape)
    high = low + np.reshape(leaf.categories, leaf.shape) - 1
    bad = np.argwhere((array != np.round(array)) | (array < low) | (array > high))
    if len(bad):
        at = tuple(bad[0].tolist())
        i = at[array.ndim - len(leaf.shape) :]
        raise Misfit(name, f"is {array[at]:g}, which is none of its classes, {low[i]} to {high[i]}")


def recorded(space: ObservationSpace, obs: Any) -> Any:
    """Observations [T, ...] of rollouts as datasets hold them: numbers that name classes are whole ones."""
    if space.is_array:
        return obs
    pairs = zip(jax.tree.leaves(obs), space.leaves, strict=True)
    whole = [x.astype(np.int32) if leaf.kind == "categories" else x for x, leaf in pairs]
    return jax.tree.unflatten(space.structure, whole)


def as_batch(space: ObservationSpace, obs: Any) -> tuple[Any, bool]:
    """Observations [B, ...] in the form of the space from one observation or several, and whether it was one.

    Raises:
        Misfit: they do not fit the space.
    """
    found = [(name, leaf, checked(leaf, value, name)) for name, leaf, value in parts(space.tree, obs)]
    leads = {name: x.shape[: x.ndim - len(leaf.shape)] for name, leaf, x in found}
    first, lead = next(iter(leads.items()))
    for name, other in leads.items():
        if len(other) > 1:
            raise Misfit(name, f"has {len(other)} axes of examples; give one observation or a batch [B, ...]")
        if other != lead:
            raise Misfit(name, f"holds {other or 'one observation'}, {first} {lead or 'one observation'}")
    rows = [x if lead else x[None] for *_, x in found]
    return jax.tree.unflatten(space.structure, rows), not lead
