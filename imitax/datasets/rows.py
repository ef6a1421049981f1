"""Arrays of an episode: their type, and how messages call their shape."""

from typing import Any

import numpy as np

from imitax.errors import DataError
from imitax.observations import NO_ARRAY, unmasked


def as_rows(value: Any, name: str, ndim: int) -> np.ndarray:
    """A read-only copy as float32; integer actions stay integers. Raises DataError for what is no such array.

    Actions [time, ...] of several dimensions become [time, size].
    """
    try:
        given = unmasked(value)
        whole = name == "actions" and given.dtype.kind in "iub"
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, and validation reports that
            array = np.array(given, dtype=np.int64 if whole else np.float32, order="C")
    except NO_ARRAY as error:
        raise DataError(f"{name} are not an array of numbers: {error}") from error
    if name == "actions" and array.ndim > 2:  # of a space of several dimensions, in the order of its numbers
        array = array.reshape(len(array), -1)
    if array.ndim != ndim:
        raise DataError(f"{name} must have shape {'[time, size]' if ndim == 2 else '[time]'}, got {list(array.shape)}")
    array.setflags(write=False)
    return array


def row_shape(episode: Any, key: str) -> tuple[int, ...] | None:
    """Shape of a row; None without such rows."""
    array = getattr(episode, key)
    return None if array is None else array.shape[1:]


def shape_name(shape: tuple[int, ...] | None) -> str:
    """A shape in words."""
    return "missing" if shape is None else "of size " + ("1" if shape == () else str(shape[0]))
