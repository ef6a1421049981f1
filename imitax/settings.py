"""Settings: frozen dataclasses whose values are checked when they are made."""

import dataclasses
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

import tyro

from imitax.errors import ConfigError

T = TypeVar("T")

INLINE = tyro.conf.arg(name="")
"""Marks a part of a configuration whose fields are written without the part's name: `--gamma`, not `--agent.gamma`."""


@dataclass(frozen=True)
class Range:
    """The interval that a number must lie in; a bound is included unless it is open."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, x: float | int) -> bool:
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
ShareBelowOne = Annotated[float, Range(0.0, 1.0, open_high=True)]
Count = Annotated[int, Range(1.0)]
CountOrZero = Annotated[int, Range(0.0)]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def settings(prefix: str = "") -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass that refuses values outside the `Range` or `Literal` of their field.

    Args:
        prefix: how messages name the class, as on the command line: `td_loss` for `--td-loss.delta`.
    """

    def make(cls: type[T]) -> type[T]:
        own_checks: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")

        def check(self: Any) -> None:
            for name, allowed in limits(cls):
                value = getattr(self, name)
                if value is not None and value not in allowed:
                    must = str(allowed) if isinstance(allowed, Range) else f"be one of {', '.join(map(str, allowed))}"
                    raise ConfigError(f"{prefix}{'.' * bool(prefix)}{name} must {must}, got {value!r}")
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
