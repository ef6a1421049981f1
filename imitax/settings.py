"""Settings: frozen dataclasses whose values are checked when they are made."""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

import numpy as np
import tyro

from imitax.errors import ConfigError

T = TypeVar("T")

INLINE = tyro.conf.arg(name="")
"""Marks a part of a configuration whose fields are written without the part's name: `--gamma`, not `--agent.gamma`."""


@dataclass(frozen=True)
class Range:
    """The interval that a number, or each of several, must lie in; a bound is included unless it is open."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, x: float | int | tuple[float | int, ...]) -> bool:
        if isinstance(x, tuple):
            return all(one in self for one in x)
        above = x > self.low if self.open_low else x >= self.low
        return above and (x < self.high if self.open_high else x <= self.high)

    def __str__(self) -> str:
        if self.high == math.inf and self.low == 0:
            return "be positive" if self.open_low else "not be negative"
        if self.high == math.inf:
            return f"be at least {self.low:g}"
        return f"lie in {'[('[self.open_low]}{self.low:g}, {self.high:g}{'])'[self.open_high]}"


Positive = Annotated[float, Range(0.0, open_low=True)]
NonNegative = Annotated[float, Range(0.0)]
Share = Annotated[float, Range(0.0, 1.0)]
ShareAboveZero = Annotated[float, Range(0.0, 1.0, open_low=True)]
ShareBelowOne = Annotated[float, Range(0.0, 1.0, open_high=True)]
Count = Annotated[int, Range(1.0)]
CountOrZero = Annotated[int, Range(0.0)]
Units = Annotated[tuple[int, ...], Range(1.0)]
"""Units of the hidden layers; without any there is no hidden layer."""


LARGEST_SEED = 2**32 - 1
"""JAX would take the last 32 bits of a larger one, so that two seeds were one."""


def check_seed(seed: int, name: str = "seed") -> None:
    """Refuse a seed that is none. Raises ConfigError."""
    if seed < 0:
        raise ConfigError(f"{name} must not be negative, got {seed}")
    if seed > LARGEST_SEED:
        raise ConfigError(f"{name} must be at most {LARGEST_SEED} (32 bits), got {seed}")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def settings(prefix: str = "") -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass that refuses values outside the `Range` or `Literal` of their field.

    Numbers and sequences of NumPy and JAX are taken as the Python ones that they are; other types are refused, and so
    are None where a field does not take it, and numbers that are not finite.

    Args:
        prefix: how messages name the class, as on the command line: `td_loss` for `--td-loss.delta`.
    """

    def make(cls: type[T]) -> type[T]:
        own_checks: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")

        def check(self: Any) -> None:
            where = f"{prefix}." if prefix else ""
            for name, hint in hints(cls).items():
                value = getattr(self, name)
                as_hinted = fitting(value, hint, f"{where}{name}")
                if as_hinted is not value:
                    object.__setattr__(self, name, as_hinted)
            for name, allowed in limits(cls):
                value = getattr(self, name)
                if value is not None and value not in allowed:
                    must = str(allowed) if isinstance(allowed, Range) else f"be one of {', '.join(map(str, allowed))}"
                    raise ConfigError(f"{where}{name} must {must}, got {value!r}")
            for name in numbers(cls):
                value = getattr(self, name)
                if isinstance(value, float) and not math.isfinite(value):
                    raise ConfigError(f"{where}{name} must be finite, got {value!r}")
            if own_checks is not None:
                own_checks(self)

        cls.__post_init__ = check  # type: ignore[attr-defined]
        return dataclass(frozen=True)(cls)

    return make


@cache
def limits(cls: type) -> list[tuple[str, Range | tuple[Any, ...]]]:
    """What the fields of a class may hold, where that is limited."""
    found = []
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        alternatives = typing.get_args(hint) if typing.get_origin(hint) not in (Annotated, Literal) else (hint,)
        for h in alternatives:
            if typing.get_origin(h) is Literal:
                found.append((name, typing.get_args(h)))
            elif typing.get_origin(h) is Annotated:
                found += [(name, r) for r in typing.get_args(h)[1:] if isinstance(r, Range)]
    return found


@cache
def hints(cls: type) -> dict[str, Any]:
    """The types of the fields of a class."""
    return typing.get_type_hints(cls)


@cache
def numbers(cls: type) -> dict[str, Any]:
    """The fields of a class that hold a number or several, and int, float, tuple[int, ...] or tuple[float, ...]."""
    options = {name: _options(hint) for name, hint in hints(cls).items()}
    return {name: kinds[0] for name, kinds in options.items() if len(kinds) == 1 and kinds[0] in NUMBERS}


NUMBERS = (int, float, tuple[int, ...], tuple[float, ...])
"""The types of fields that hold a number or several."""


def _options(hint: Any) -> list[Any]:
    """The types that a field may have, beside None."""
    return [h for h in typing.get_args(hint) if h is not type(None)] if _is_union(hint) else [hint]


def fitting(value: Any, hint: Any, name: str) -> Any:
    """A value as its field holds it: numbers and booleans of NumPy and JAX as Python's.

    Args:
        value: of the field.
        hint: its type. Numbers, booleans, text and parts, which are dataclasses, are checked; other types are not.
        name: of the setting, for messages.

    Raises:
        ConfigError: it is something else.
    """
    options = _options(hint)
    if value is None and (type(None) in typing.get_args(hint) or Any in options or type(None) in options):
        return None
    if len(options) == 1 and options[0] in NUMBERS:
        found = number(value, options[0], name)
        if found is None:
            raise ConfigError(
                f"{name} must be {options[0].__name__ if options[0] in (int, float) else 'a list'}, got None"
            )
        return found
    if options == [bool] and not isinstance(value, bool):
        with suppress(ValueError):  # of lists within lists
            array = np.asarray(value)
            value = bool(array) if array.ndim == 0 and array.dtype == np.bool_ else value
    known = tuple(h for h in options if h in (bool, str) or (isinstance(h, type) and dataclasses.is_dataclass(h)))
    if len(known) == len(options) and not isinstance(value, known):
        said = "; its own settings are changed by their names" if dataclasses.is_dataclass(known[0]) else ""
        raise ConfigError(f"{name} must be {' or '.join(h.__name__ for h in known)}, got {value!r}{said}")
    if value is None and all(typing.get_origin(h) is Literal for h in options):
        raise ConfigError(f"{name} must be one of {', '.join(map(str, typing.get_args(options[0])))}, got None")
    return value


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def number(value: Any, kind: Any, name: str) -> Any:
    """A value as the number, or the tuple of numbers, that it is; None stays None.

    Args:
        value: of Python, NumPy or JAX; sequences may be lists, ranges, arrays or generators of numbers.
        kind: int, float, tuple[int, ...] or tuple[float, ...].
        name: of the setting, for messages.

    Raises:
        ConfigError: it is something else, such as text, or a number with decimals for a count.
    """
    if value is None or type(value) is kind or (kind is float and type(value) is int):
        return value
    if kind not in (int, float):
        item = typing.get_args(kind)[0]
        if isinstance(value, str | bytes | Mapping | Set) or not isinstance(value, Iterable):
            raise ConfigError(f"{name} must be a list, got {value!r}")
        return tuple(number(v, item, name) for v in value)
    with suppress(ValueError):  # of lists within lists
        array = np.asarray(value)
        if array.ndim == 0 and array.dtype.kind in ("iu" if kind is int else "iuf"):
            return kind(array.item())
    raise ConfigError(f"{name} must be {kind.__name__}, got {value!r}")


def check_parts(cfg: Any, where: str = "") -> None:
    """Refuse a part of a configuration whose class is not the one of its field, such as a subclass of it.

    Raises:
        ConfigError: a part would be recorded, and trained, as something else.
    """
    for f in dataclasses.fields(cfg):
        value, hint = getattr(cfg, f.name), hints(type(cfg))[f.name]
        known = [h for h in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(h)]
        if known and value is not None and type(value) not in known:
            names = " or ".join(h.__name__ for h in known)  # type: ignore[union-attr]
            raise ConfigError(f"{where}{f.name} must be a {names}, got a {type(value).__name__}: its own fields count")
        if known and value is not None:
            check_parts(value, f"{where}{f.name}.")
