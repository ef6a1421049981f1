"""Actions that are points of a box, whose sides may be open."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Shaped

from imitax.errors import ConfigError

Bound = tuple[float, ...] | np.ndarray
"""One side of a box [A]."""


LARGEST_BOUND = 1e9
"""Bounds of a box from here on mean "none": some simulators declare the largest number of float32."""


@dataclass(frozen=True)
class BoxActions:
    """A range [low, high] in every dimension, with no more actions beyond it, unless a side of it is open.

    Networks have no use for an infinite number, so `low` and `high` are always finite: of an open side they say where
    actions are to be expected, and `limits` has infinity.
    """

    error_of: ClassVar = "the action range"
    """What errors are shares of, in words."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    open_low: tuple[bool, ...] = ()
    """Which dimensions have no least value. Empty: all have one."""
    open_high: tuple[bool, ...] = ()
    """Which dimensions have no largest value. Empty: all have one."""
    shape: tuple[int, ...] = (-1,)
    """Of an action in the environment; (-1,) is that of a vector."""
    dtype: str = field(default="float32", compare=False)
    """Of an action that the environment is given."""

    def __post_init__(self):
        if not self.low:
            raise ConfigError("actions hold no numbers: there is nothing to decide")
        if self.shape == (-1,):
            object.__setattr__(self, "shape", (len(self.low),))
        if math.prod(self.shape) != len(self.low):
            raise ConfigError(f"an action of shape {self.shape} has no {len(self.low)} numbers")
        for name in ("open_low", "open_high"):
            if not any(getattr(self, name)):
                object.__setattr__(self, name, ())

    @classmethod
    def of(cls, low: Bound, high: Bound, shape: tuple[int, ...] = (-1,), dtype: str = "float32") -> "BoxActions":
        """The box with these bounds, of which infinite ones and those beyond `LARGEST_BOUND` are none.

        On an open side the range is a guess, at least 2 wide, until somebody knows better.

        Raises:
            ConfigError: a lower bound is not below the upper one.
        """
        low, high = (tuple(float(x) for x in side) for side in (low, high))
        if any(not a < b for a, b in zip(low, high, strict=True)):
            same = ", ".join(str(i) for i, (a, b) in enumerate(zip(low, high, strict=True)) if a == b)
            do = f": dimension {same} never changes, leave it out of actions" if same else ""
            raise ConfigError(f"action bounds must be low < high, got {_in_words((low, high))}{do}")
        open_low, open_high = (tuple(not abs(x) < LARGEST_BOUND for x in side) for side in (low, high))
        ranges = list(map(_guess, low, high, open_low, open_high))
        return cls(tuple(a for a, _ in ranges), tuple(b for _, b in ranges), open_low, open_high, shape, dtype)

    def __str__(self) -> str:
        return f"Box({_in_words(self.limits)})"

    @property
    def is_open(self) -> bool:
        """Whether a side of a dimension has no bound."""
        return bool(self.open_low or self.open_high)

    @property
    def limits(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Least and largest values, infinite where there are none."""
        low = (-math.inf if none else x for x, none in zip(self.low, self.open_low or repeat(False), strict=False))
        high = (math.inf if none else x for x, none in zip(self.high, self.open_high or repeat(False), strict=False))
        return tuple(low), tuple(high)

    @property
    def closed(self) -> "BoxActions":
        """The range alone, as a box."""
        return replace(self, open_low=(), open_high=())

    @property
    def size(self) -> int:
        """A, numbers in an action."""
        return len(self.low)

    @property
    def columns(self) -> int:
        """k, numbers in an action of the data."""
        return len(self.low)

    def encode(self, columns: Shaped[np.ndarray, "*B k"]) -> Float32[np.ndarray, "*B A"]:
        """Actions of the data as imitax has them."""
        return np.asarray(columns, np.float32)

    def decode(self, action: Float[Array, "*B A"]) -> Shaped[Array, "*B k"]:
        """The inverse of `encode`, inside jit too."""
        return action

    def env(self, columns: Shaped[np.ndarray, "*B k"]) -> np.ndarray:
        """Actions of the data as the environment takes them, [*B, *shape], in an array of their own.

        Rounding brings none out of the box: a bound that `dtype` has only beyond it, such as 0.1 in float32, becomes
        the number before.
        """
        least, most = self._within
        own = np.minimum(np.maximum(np.asarray(columns, self.dtype), least), most)
        return own.reshape((*own.shape[:-1], *self.shape))

    @cached_property
    def _within(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest numbers of `dtype` within the bounds; infinite where there are none."""
        low, high = (np.array(side, np.float64) for side in self.limits)
        least, most = low.astype(self.dtype), high.astype(self.dtype)
        up, down = np.array([np.inf, -np.inf], self.dtype)
        return (
            np.where(least < low, np.nextafter(least, up), least),
            np.where(most > high, np.nextafter(most, down), most),
        )

    def at(self, share: Float[np.ndarray, "*B A"]) -> Shaped[np.ndarray, "*B k"]:
        """Actions at shares in [0, 1) of the range."""
        low, high = np.asarray(self.low, np.float32), np.asarray(self.high, np.float32)
        return low + (high - low) * share

    @property
    def widths(self) -> tuple[float, ...]:
        """The largest difference of two actions in each column [k]."""
        return tuple((np.asarray(self.high) - np.asarray(self.low)).tolist())

    def differences(self, first: Float[Array, "B A"], second: Float[Array, "B A"]) -> Float[Array, "B k"]:
        """Absolute differences of two actions in each column."""
        return jnp.abs(first - second)

    def error(self, first: Float[Array, "B A"], second: Float[Array, "B A"]) -> Float[Array, ""]:
        """Mean absolute difference."""
        return self.differences(first, second).mean()


def _guess(low: float, high: float, open_low: bool, open_high: bool) -> tuple[float, float]:
    """A finite range within the bounds of one dimension."""
    if open_low and open_high:
        return -1.0, 1.0
    if open_low:
        return high - max(2.0, abs(high)), high
    return low, low + max(2.0, abs(low)) if open_high else high


def _in_words(sides: Iterable[Iterable[float]]) -> str:
    return ", ".join(str([float(f"{x:g}") for x in side]) for side in sides)
