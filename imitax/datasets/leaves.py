"""The observations of recorded episodes: checked when they are made, described, and hashed leaf by leaf."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from imitax.datasets.rows import shape_name
from imitax.errors import DataError
from imitax.observations import Misfit, is_row, named, nested, shape_of, stored

STEP = {"rtol": 1e-5, "atol": 1e-6, "equal_nan": True}
"""How closely next_observations[t] repeats observations[t + 1] within an episode; both may have been rounded."""


def as_observations(value: Any) -> Any:
    """Observations as an episode holds them. Raises DataError when they are none."""
    try:
        tree = stored(value)
    except Misfit as error:
        name = "observations" if error.name == "observation" else error.name
        raise DataError(f"{name} {error.what}") from error
    leaves = named(tree)
    if not leaves:
        raise DataError("observations hold no arrays")
    lengths = {name: len(x) if x.ndim else 0 for name, x in leaves}
    for name, x in leaves:
        if x.ndim == 0 or (name == "observation" and x.ndim == 1 and x.dtype.kind == "f"):
            what = "observations" if name == "observation" else name
            raise DataError(f"{what} must have shape [time, size], got {list(x.shape)}")
        if lengths[name] != lengths[leaves[0][0]]:
            raise DataError(f"lengths differ: {lengths[leaves[0][0]]} {leaves[0][0]}, {lengths[name]} {name}")
    return tree


def check_agreement(observations: Sequence[Any]) -> None:
    """Refuse the observations of episodes that differ in their leaves, shapes or types. Raises DataError."""
    first = shape_of(observations[0])
    for index, tree in enumerate(observations):
        other = shape_of(tree)
        for name in (*first, *other):
            if first.get(name) != other.get(name):
                what = "observations" if name == "observation" else name
                raise DataError(
                    f"episodes disagree: {what} are {described(other.get(name))} in episode {index} and "
                    f"{described(first.get(name))} in episode 0; load them as separate datasets"
                )


def described(leaf: tuple[tuple[int, ...], str] | None) -> str:
    """Shape and type of a leaf, as of `shape_of`, in words."""
    if leaf is None or (leaf[1] == "float32" and len(leaf[0]) == 1):
        return shape_name(None if leaf is None else leaf[0])
    return f"{leaf[1]} of shape {list(leaf[0])}"


def summary_of(observations: Any) -> str:
    """Names, shapes and, of images, the type of all leaves."""
    said = [
        f"{name.removeprefix('observation').removeprefix('.')} {list(shape)}{' bytes' * (dtype == 'uint8')}".strip()
        for name, (shape, dtype) in shape_of(observations).items()
    ]
    return ", ".join(said)


def content_hash(head: list[Any], episodes: Sequence[Any]) -> str:
    """SHA-256 of the environment's name and of the content of episodes."""
    digest = hashlib.sha256(json.dumps(head).encode())
    for episode in episodes:
        others = [None if x is None else x.astype(np.float32, copy=False) for x in (episode.actions, episode.rewards)]
        named_arrays = [*named(episode.observations, ""), *(("", x) for x in others)]
        for name, array in named_arrays:
            if array is None:
                digest.update(b"null")
            else:
                kind = array.dtype.newbyteorder("<").str
                digest.update(json.dumps([*([name] if name else []), kind, array.shape]).encode())
                digest.update(array.astype(kind, copy=False).tobytes())
        digest.update(bytes([episode.terminated, episode.truncated]))
    return digest.hexdigest()


def grouped(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with those of names such as `observations/pixels` as dicts and tuples."""
    found = {name: x for name, x in fields.items() if "/" not in str(name)}
    try:
        for root in dict.fromkeys(str(name).partition("/")[0] for name in fields if "/" in str(name)):
            found[root] = nested({str(name): x for name, x in fields.items()}, root)
    except Misfit as error:
        raise DataError(str(error)) from error
    return found


def is_pytree(value: Any) -> bool:
    """Whether observations are no single array: dicts, tuples of arrays, or lists of such rows.

    A tuple of vectors of floats is rows of one array.
    """
    if isinstance(value, Mapping):
        return True
    if isinstance(value, list):
        return bool(value) and (isinstance(value[0], Mapping) or (isinstance(value[0], tuple) and is_row(value[0])))
    if not isinstance(value, tuple) or any(not isinstance(x, Mapping | tuple) and np.ndim(x) == 0 for x in value):
        return False
    return any(isinstance(x, Mapping | tuple) or np.ndim(x) > 1 or np.asarray(x).dtype.kind in "iu" for x in value)


def same_rows(first: Any, second: Any) -> np.ndarray:
    """Which rows of two observations are equal up to rounding; images exactly."""
    pairs = zip(named(first), named(second), strict=True)
    same = [a == b if a.dtype == np.uint8 else np.isclose(a, b, **STEP) for (_, a), (_, b) in pairs]
    return np.all([x.all(axis=tuple(range(1, x.ndim))) for x in same], axis=0)


def check_alike(observations: Any, following: Any) -> None:
    """Refuse next observations of other shapes."""
    ours, theirs = shape_of(observations), shape_of(following)
    if isinstance(observations, np.ndarray) and isinstance(following, np.ndarray):
        if following.shape != observations.shape:
            raise DataError(f"next_observations have shape {following.shape}, observations {observations.shape}")
    elif {k: v[0] for k, v in ours.items()} != {k: v[0] for k, v in theirs.items()}:
        raise DataError(f"next_observations have the parts {theirs}, observations {ours}")


def check_known(observations: Any, following: Any, jumps: np.ndarray, order: np.ndarray) -> None:
    """Refuse what is no jump to another observation but a gap. Raises DataError, with its place in `order`."""
    for key, tree, shift in (("observations", observations, 1), ("next_observations", following, 0)):
        gaps = ~np.all([np.isfinite(x).all(axis=tuple(range(1, x.ndim))) for _, x in named(tree)], axis=0)
        found = gaps[shift : shift + len(jumps)] & jumps
        if found.any():
            row = order[int(found.argmax()) + shift]
            raise DataError(
                f"{key}[{row}] has a gap: a number in it is NaN, infinite or masked ({int(gaps.sum())} such rows); "
                "fill it in, or drop its episode"
            )


def check_final(observations: Any, final: Any, episodes: int) -> None:
    """Refuse final observations that are not one row of each leaf for each episode."""
    wanted = {name: (episodes, *shape) for name, (shape, _) in shape_of(observations).items()}
    got = {name: x.shape for name, x in named(final)}
    if wanted != got:
        alone = list(wanted) == list(got) == ["observation"]
        raise DataError(
            f"final_observations must have shape {wanted['observation'] if alone else wanted}, one row for each "
            f"episode, got {got['observation'] if alone else got}"
        )
