"""Keyword arguments of environments in files: JSON has no infinity, an interval without an end does."""

import math
from typing import Any

KEY = "float"


def written(value: Any) -> Any:
    """The value in the types that JSON knows, every number that is not finite as {"float": "inf"}."""
    if isinstance(value, dict):
        return {str(key): written(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [written(entry) for entry in value]
    if (tolist := getattr(value, "tolist", None)) is not None:  # arrays and scalars of NumPy
        return written(tolist())
    return {KEY: str(value)} if isinstance(value, float) and not math.isfinite(value) else value


def read(value: Any) -> Any:
    """What `written` was given, with tuples and arrays as lists."""
    if isinstance(value, dict):
        if set(value) == {KEY} and isinstance(value[KEY], str):
            return float(value[KEY])
        return {key: read(entry) for key, entry in value.items()}
    return [read(entry) for entry in value] if isinstance(value, list) else value
