"""What an action is: a point of a box, or a member of a finite set.

Inside of imitax every action is a float32 vector [A]. Of a box it is the environment's own; of a finite set (Discrete,
MultiDiscrete, MultiBinary) it is one-hot, one after the other for each of its factors, so that replays, rewards and
gradient penalties are the same code for both. Data, files and environments have integers, k columns of them; they are
converted here and nowhere else.
"""

import itertools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Shaped

from imitax.action_box import LARGEST_BOUND, BoxActions
from imitax.errors import ConfigError, DataError

__all__ = ["JOINT_LIMIT", "LARGEST_BOUND", "ActionSpace", "BoxActions", "FiniteActions", "described", "from_described"]

JOINT_LIMIT = 1024
"""Joint actions of a finite set that critics and energies have one output or one pass each for."""


@dataclass(frozen=True)
class FiniteActions:
    """A finite set: k factors of n values each; one factor is Discrete, factors of two are MultiBinary.

    Args:
        sizes: n of each factor.
        starts: least integer of each factor.
        shape: of an action in the environment; () for Discrete.
        dtype: of an action in the environment.

    Raises:
        ConfigError: there is only one action.
    """

    error_of: ClassVar = "the actions"
    """What errors are shares of, in words."""

    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    shape: tuple[int, ...] = ()
    dtype: str = "int64"

    def __post_init__(self):
        if self.joint_count < 2:
            raise ConfigError("there is only one action, so that there is nothing to learn")

    def __str__(self) -> str:
        if self.shape == ():
            return f"Discrete({self.sizes[0]}{f', start={self.starts[0]}' * (self.starts[0] != 0)})"
        return f"MultiDiscrete({list(self.sizes)}{f', start={list(self.starts)}' * any(self.starts)})"

    @property
    def size(self) -> int:
        """A, numbers in a one-hot action."""
        return sum(self.sizes)

    @property
    def columns(self) -> int:
        """k, integers in an action of the data."""
        return len(self.sizes)

    @property
    def joint_count(self) -> int:
        """K, all combinations of the factors' values."""
        return math.prod(self.sizes)

    @property
    def low(self) -> tuple[float, ...]:
        """Least values of one-hot actions."""
        return (0.0,) * self.size

    @property
    def high(self) -> tuple[float, ...]:
        """Largest values of one-hot actions."""
        return (1.0,) * self.size

    def encode(self, columns: Shaped[np.ndarray, "*B k"]) -> Float32[np.ndarray, "*B A"]:
        """Integers as one-hot actions.

        Raises:
            DataError: a number is outside of the set.
        """
        index = np.asarray(columns) - np.asarray(self.starts)
        if (outside := self.outside(columns)).any():
            bad = np.argwhere(outside)[0].tolist()
            raise DataError(f"action {np.asarray(columns)[tuple(bad)]:g} (place {bad}) is not in {self}")
        whole = index.astype(np.int64)
        return np.concatenate([np.eye(n, dtype=np.float32)[whole[..., i]] for i, n in enumerate(self.sizes)], axis=-1)

    def outside(self, columns: Shaped[np.ndarray, "*B k"]) -> Shaped[np.ndarray, "*B k"]:
        """Which numbers of the data are no action."""
        index = np.asarray(columns) - np.asarray(self.starts)
        return ~((index >= 0) & (index < np.asarray(self.sizes)) & (index == np.floor(index)))

    def decode(self, action: Float[Array, "*B A"]) -> Shaped[Array, "*B k"]:
        """The inverse of `encode`, inside jit too."""
        factors = zip(self.factors(action), self.starts, strict=True)
        return jnp.stack([x.argmax(-1) + start for x, start in factors], axis=-1)

    def env(self, columns: Shaped[np.ndarray, "*B k"]) -> np.ndarray:
        """Integers as the environment takes them, [*B, *shape]."""
        columns = np.asarray(columns)
        return columns.astype(self.dtype).reshape((*columns.shape[:-1], *self.shape))

    def at(self, share: Float[np.ndarray, "*B A"]) -> Shaped[np.ndarray, "*B k"]:
        """Integers at shares in [0, 1) of each factor's values; the first k shares count."""
        sizes = np.asarray(self.sizes)
        index = np.minimum((share[..., : self.columns] * sizes).astype(np.int64), sizes - 1)
        return index + np.asarray(self.starts)

    @property
    def widths(self) -> tuple[float, ...]:
        """The largest of `differences` in each column [k]."""
        return (1.0,) * self.columns

    def differences(self, first: Float[Array, "B A"], second: Float[Array, "B A"]) -> Float[Array, "B k"]:
        """For each factor, 1 where two actions differ and 0 where they do not."""
        parts = (jnp.abs(x).sum(-1) / 2 for x in self.factors(first - second))
        return jnp.stack(list(parts), axis=-1)

    def error(self, first: Float[Array, "B A"], second: Float[Array, "B A"]) -> Float[Array, ""]:
        """Share of the factors in which two actions differ."""
        return self.differences(first, second).mean()

    def factors(self, x: Shaped[Array, "*B A"]) -> list[Array]:
        """The parts [*B, n] of a vector that belong to the factors."""
        return jnp.split(x, np.cumsum(self.sizes)[:-1].tolist(), axis=-1)

    def joint(self) -> Float32[np.ndarray, "K A"]:
        """All joint actions, one-hot; the last factor varies first."""
        index = np.array(list(itertools.product(*map(range, self.sizes))))
        return self.encode(index + np.asarray(self.starts))

    def combined(self, x: Float[Array, "*B A"], operation: Callable[[Array, Array], Array]) -> Float[Array, "*B K"]:
        """A value of each joint action, made of the values of its factors by `operation`, such as `jnp.add`."""
        first, *others = self.factors(x)
        for factor in others:
            first = operation(first[..., :, None], factor[..., None, :])
            first = first.reshape(*first.shape[:-2], -1)
        return first


ActionSpace = BoxActions | FiniteActions


def described(space: ActionSpace) -> dict[str, Any]:
    """An action space as plain data, for files."""
    if isinstance(space, BoxActions):
        sides = {"action_open_low": space.open_low, "action_open_high": space.open_high}
        box = {"action_dim": space.size, "action_low": space.low, "action_high": space.high}
        form = {"action_shape": space.shape} if len(space.shape) != 1 else {}
        form |= {"action_dtype": space.dtype} if space.dtype != "float32" else {}
        return box | (sides if space.is_open else {}) | form
    return {
        "action_dim": space.size,
        "action_sizes": space.sizes,
        "action_starts": space.starts,
        "action_shape": space.shape,
        "action_dtype": space.dtype,
    }


def from_described(about: dict[str, Any]) -> ActionSpace:
    """The inverse of `described`.

    Raises:
        ConfigError, KeyError, TypeError, ValueError: it describes none.
    """
    if "action_sizes" not in about:
        low, high = (tuple(map(float, about[f"action_{name}"])) for name in ("low", "high"))
        sides = [tuple(map(bool, about.get(f"action_open_{name}", ()))) for name in ("low", "high")]
        if any(side and len(side) != len(low) for side in sides):
            raise ValueError("its open sides have another number of dimensions than its bounds")
        shape, dtype = about.get("action_shape", (len(low),)), np.dtype(about.get("action_dtype", "float32"))
        if dtype.kind != "f":
            raise ValueError(f"a box of {dtype.name} is none of fractions")
        return BoxActions(low, high, *sides, shape=tuple(map(operator.index, shape)), dtype=dtype.name)
    sizes, starts, shape = (
        tuple(map(operator.index, about[f"action_{name}"])) for name in ("sizes", "starts", "shape")
    )
    dtype = np.dtype(about["action_dtype"])
    if not sizes or min(sizes) < 1 or not len(sizes) == len(starts) == math.prod(shape) or dtype.kind not in "iu":
        raise ValueError(f"sizes {sizes}, starts {starts}, shape {shape} and type {dtype.name} are no set of actions")
    return FiniteActions(sizes, starts, shape, dtype.name)
