"""Flags and numbers as people store them: read as what they say, or refused."""

import warnings
from typing import Any

import numpy as np

from imitax.errors import DataError
from imitax.observations import NO_ARRAY, unmasked

WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}
"""What text says."""
UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12, "D": 8.64e13, "W": 6.048e14}
"""Nanoseconds in the units of dates; longer ones are no fixed time."""


def flags(array: np.ndarray, name: str) -> np.ndarray:
    """Booleans of the same shape, from booleans, the numbers 0 and 1, or the words for them.

    Raises DataError, with the first row at fault, for anything else: NaN, None, other numbers, other words.
    """
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind in "iuf":
        return _checked(array, (array == 0) | (array == 1), name).astype(bool)
    if array.dtype.kind not in "OSUT":
        raise DataError(f"{name} must be true or false, got {array.dtype}")
    values, inverse = _distinct(array)
    said = [_said(value) for value in values]
    known = np.array([value is not None for value in said])[inverse].reshape(array.shape)
    _checked(array, known, name)
    return np.array([value is True for value in said], bool)[inverse].reshape(array.shape)


def numbers(value: Any, name: str) -> np.ndarray:
    """An array of numbers; text, dates and complex numbers are refused, masked values become NaN."""
    try:
        array = unmasked(value)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except NO_ARRAY as error:  # ragged, or text among them
        raise DataError(f"{name} are not an array of numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} are not an array of numbers: {name} must be numbers, got {array.dtype}")
    return array


def times(value: Any, name: str) -> np.ndarray:
    """Moments [N] as numbers that grow with time: numbers as they are, dates and durations in nanoseconds.

    Raises DataError for gaps, and for what is neither.
    """
    column = unmasked(value)
    if column.dtype.kind in "OSUMm":
        column = _nanoseconds(column, name)
    moments = numbers(column, name).ravel()
    if not np.isfinite(moments).all():
        raise DataError(f"the time column {name} has gaps: row {int((~np.isfinite(moments)).argmax())}")
    return moments


def _nanoseconds(column: np.ndarray, name: str) -> np.ndarray:
    """Dates and durations since the first one; an array of numbers as it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of time zones, which change no difference
            dates = column if column.dtype.kind in "Mm" else column.astype("datetime64[ns]")
    except (TypeError, ValueError):
        return column
    missing = np.isnat(dates)
    if missing.any():
        raise DataError(f"the time column {name} has gaps: row {int(missing.argmax())}")
    since = dates - dates.min()  # in their own unit, as some have no place among nanoseconds of 64 bits
    unit, number = np.datetime_data(since.dtype)
    return since.astype(np.int64).astype(np.float64) * number * UNITS.get(unit, 1.0)


def _checked(array: np.ndarray, known: np.ndarray, name: str) -> np.ndarray:
    if not known.all():
        row = int((~known).reshape(len(array), -1).any(axis=1).argmax())
        value = array[row].tolist() if isinstance(array[row], np.ndarray | np.generic) else array[row]
        raise DataError(
            f"{name} must be true or false in every row; row {row} has {str(value)[:40]!r} ({int((~known).sum())} such "
            "rows). Fill them in: a gap is neither"
        )
    return array


def _distinct(array: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Distinct values by type and value, and for each element the index of its own."""
    index: dict[Any, int] = {}
    inverse = np.empty(array.size, np.intp)
    values: list[Any] = []
    for i, value in enumerate(array.ravel().tolist()):
        key = (type(value), str(value))
        if key not in index:
            index[key] = len(values)
            values.append(value)
        inverse[i] = index[key]
    return values, inverse


def _said(value: Any) -> bool | None:
    """What one value says; None for nothing."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.number):
        return bool(value) if value in (0, 1) else None
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return WORDS.get(text.strip().lower()) if isinstance(text, str) else None
