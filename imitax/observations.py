"""Observations on the host: pytrees of NumPy arrays, by the names of their leaves.

This is where observations are taken apart and put together, and where the names of leaves come from: in messages
("observation.pixels") and in files ("observations/pixels"). `observation_spaces` compares them with a space.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool

from imitax.spaces import IMAGE_DIMENSIONS, ObservationSpace

INDEX = "_index_"
"""What Minari's files put in front of the position in a tuple."""
NO_ARRAY = (TypeError, ValueError, OverflowError, RuntimeError)
"""What NumPy raises for what is no array. RuntimeError is PyTorch's, for tensors that have a gradient."""


class Misfit(ValueError):
    """An observation, or a part of one, that is not what its space says.

    Args:
        name: of the leaf.
        what: is wrong, to be read after the name.
    """

    def __init__(self, name: str, what: str):
        super().__init__(f"{name} {what}")
        self.name, self.what = name, what


def named(tree: Any, root: str = "observation", separator: str = ".") -> list[tuple[str, Any]]:
    """The leaves of a pytree with their names, in the order of `jax.tree.leaves`."""
    if isinstance(tree, dict):
        return [pair for k in sorted(tree) for pair in named(tree[k], f"{root}{separator}{k}", separator)]
    if isinstance(tree, tuple):
        mark = INDEX if separator == "/" else ""
        return [pair for i, x in enumerate(tree) for pair in named(x, f"{root}{separator}{mark}{i}", separator)]
    return [(root, tree)]


def nested(arrays: Mapping[str, Any], root: str) -> Any:
    """The pytree whose leaves have such names in a file (`named` with the separator "/"); None where there is none.

    Raises:
        Misfit: a name is both an array and a group, or positions in a tuple are missing.
    """
    below = {name.removeprefix(f"{root}/"): x for name, x in arrays.items() if name.startswith(f"{root}/")}
    if root in arrays and below:
        raise Misfit(root, "is both an array and a group")
    if root in arrays:
        return arrays[root]
    if not below:
        return None
    keys = sorted({name.partition("/")[0] for name in below})
    parts = {key: nested(below, key) for key in keys}
    return as_tuple(parts, root)


def as_tuple(parts: dict[str, Any], name: str) -> Any:
    """The tuple that a group of a file stands for, or the dict itself.

    Raises:
        Misfit: positions are missing.
    """
    if not parts or not all(key.startswith(INDEX) for key in parts):
        return parts
    wanted = [f"{INDEX}{i}" for i in range(len(parts))]
    if set(wanted) != set(parts):
        raise Misfit(name, f"has the positions {', '.join(sorted(parts))}, not {wanted[0]} to {wanted[-1]}")
    return tuple(parts[key] for key in wanted)


def is_image(shape: tuple[int, ...], dtype: Any) -> bool:
    """Whether arrays of bytes [*shape] are images: they stay bytes. Vectors of bytes are numbers like any other."""
    return np.dtype(dtype) == np.uint8 and len(shape) in IMAGE_DIMENSIONS


def rows(tree: Any, index: Any) -> Any:
    """Rows of every leaf."""
    return tree[index] if isinstance(tree, np.ndarray) else jax.tree.map(lambda x: x[index], tree)


def put(tree: Any, index: Any, values: Any) -> None:
    """Write rows into every leaf, in place."""
    if isinstance(tree, np.ndarray):
        tree[index] = values
    else:
        for leaf, value in zip(jax.tree.leaves(tree), jax.tree.leaves(values), strict=True):
            leaf[index] = value


def host_zeros(space: ObservationSpace, *lead: int) -> Any:
    """Observations [*lead, ...] of zeros, as NumPy arrays that can be written to."""
    return jax.tree.unflatten(space.structure, [np.zeros((*lead, *x.shape), x.dtype) for x in space.leaves])


def count(tree: Any) -> int:
    """B of observations [B, ...]."""
    return len(tree) if isinstance(tree, np.ndarray) else len(jax.tree.leaves(tree)[0])


def matrix(tree: Any) -> np.ndarray:
    """The numbers of observations [B, ...] side by side, [B, D], without images; vectors are returned as they are."""
    if isinstance(tree, np.ndarray) and tree.ndim == 2:
        return tree
    leaves = [x for x in jax.tree.leaves(tree) if x.dtype != np.uint8]
    flat = [x.reshape(len(x), -1).astype(np.float32, copy=False) for x in leaves]
    return np.concatenate(flat, axis=1) if flat else np.zeros((count(tree), 0), np.float32)


def columns(tree: Any) -> list[str]:
    """Names of the columns of `matrix`, such as "observation 3" and "observation.goal 0"."""
    return [f"{name} {i}" for name, x in named(tree) if x.dtype != np.uint8 for i in range(int(np.prod(x.shape[1:])))]


def images(tree: Any) -> list[tuple[str, np.ndarray]]:
    """The leaves that are images, by name."""
    return [(name, x) for name, x in named(tree) if x.dtype == np.uint8]


def stored(value: Any, name: str = "observation") -> Any:
    """Observations [T, ...] as datasets hold them: dicts, tuples and read-only arrays of their own.

    Images of bytes stay bytes; whole numbers [T], which name classes, become int32; all other numbers float32. Dicts
    and tuples may also be given row by row, as a list of T of them. A tuple of arrays is a tuple of leaves.

    Raises:
        Misfit: a leaf is no array of numbers.
    """
    if isinstance(value, list) and value and (isinstance(value[0], Mapping) or is_row(value[0])):
        value = by_leaf(value, name)
    if isinstance(value, Mapping):
        return {str(key): stored(value[key], f"{name}.{key}") for key in sorted(value, key=str)}
    if isinstance(value, tuple):
        return tuple(stored(part, f"{name}.{i}") for i, part in enumerate(value))
    try:
        array = unmasked(value)
        if array.dtype.kind not in "biuf":
            array = np.asarray(array, np.float32)  # raises where it is no array of numbers
        if is_image(array.shape[1:], array.dtype):
            kept = np.uint8
        else:
            kept = np.int32 if array.ndim == 1 and array.dtype.kind in "iu" else np.float32
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, and validation reports that
            array = np.array(array, kept, order="C")
    except NO_ARRAY as error:
        do = "leave them out, or encode them as numbers"
        raise Misfit(name, f"are not an array of numbers: {error}; {do}") from error
    array.setflags(write=False)
    return array


def unmasked(value: Any) -> np.ndarray:
    """An array with gaps where its values are masked: NaN among numbers, None among others."""
    if not isinstance(value, np.ma.MaskedArray) or not np.ma.is_masked(value):
        return np.asarray(value)
    array = np.array(value.data, np.float64 if value.dtype.kind in "biuf" else object)
    array[np.ma.getmaskarray(value)] = np.nan if value.dtype.kind in "biuf" else None
    return array


def by_leaf(rows: list[Any], name: str) -> Any:
    """The leaves of observations that are given row by row.

    Raises:
        Misfit: rows differ in their keys or lengths.
    """
    first = rows[0]
    if isinstance(first, Mapping):
        if odd := next((i for i, row in enumerate(rows) if not isinstance(row, Mapping) or set(row) != set(first)), 0):
            raise Misfit(name, f"has the keys {', '.join(map(str, first))} in row 0, and others in row {odd}")
        return {key: by_leaf([row[key] for row in rows], f"{name}.{key}") for key in first}
    if is_row(first):
        if odd := next((i for i, row in enumerate(rows) if len(row) != len(first)), 0):
            raise Misfit(name, f"has {len(first)} parts in row 0, {len(rows[odd])} in row {odd}")
        return tuple(by_leaf([row[i] for row in rows], f"{name}.{i}") for i in range(len(first)))
    try:
        return np.asarray(rows)
    except NO_ARRAY as error:
        raise Misfit(name, f"are not an array of numbers: {error}") from error


def is_row(value: Any) -> bool:
    """Whether a value is one observation of a tuple: parts with axes of their own, or dicts."""
    return isinstance(value, tuple) and any(isinstance(x, Mapping) or np.ndim(x) > 0 for x in value)


def occupied(tree: Any) -> Bool[np.ndarray, "B"]:
    """Which of the observations [B, ...] have anything but zeros."""
    return np.logical_or.reduce([x.reshape(len(x), -1).any(axis=1) for x in jax.tree.leaves(tree)])


def joined(*trees: Any) -> Any:
    """Observations one after the other."""
    return jax.tree.map(lambda *x: np.concatenate(x), *trees)


def shape_of(tree: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape of a row and type of each leaf of observations [B, ...], by name."""
    return {name: (x.shape[1:], str(x.dtype)) for name, x in named(tree)}


def kind_of(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, Mapping):
        return "a dict"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)} values"
    if isinstance(value, str | int | float | bool | None):
        return repr(value)[:40]
    return f"a {type(value).__name__}"
