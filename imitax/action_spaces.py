"""What an action is: a point of a box, or a member of a finite set.

Inside of imitax every action is a float32 vector [A]. Of a box it is the environment's own; of a finite set (Discrete,
MultiDiscrete, MultiBinary) it is one-hot, one after the other for each of its factors, so that replays, rewards and
gradient penalties are the same code for both. Data, files and environments have integers, k columns of them; they are
converted here and nowhere else.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Shaped

from imitax.errors import ConfigError, DataError

JOINT_LIMIT = 1024
"""Joint actions of a finite set that critics and energies have one output or one pass each for."""


@dataclass(frozen=True)
class BoxActions:
    """A box [low, high] in every dimension."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def size(self) -> int:
        """A, numbers in an action."""
        return len(self.low)

    @property
    def columns(self) -> int:
        """k, numbers in an action of the data."""
        return len(self.low)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an action in the environment."""
        return (len(self.low),)

    @property
    def dtype(self) -> str:
        """Of an action that the environment is given."""
        return "float32"

    def encode(self, columns: Shaped[np.ndarray, "*B k"]) -> Float32[np.ndarray, "*B A"]:
        """Actions of the data as imitax has them."""
        return np.asarray(columns, np.float32)

    def decode(self, action: Float[Array, "*B A"]) -> Shaped[Array, "*B k"]:
        """The inverse of `encode`, inside jit too."""
        return action

    def env(self, columns: Shaped[np.ndarray, "*B k"]) -> np.ndarray:
        """Actions of the data as the environment takes them, [*B, *shape]."""
        return np.asarray(columns, self.dtype)

    def at(self, share: Float[np.ndarray, "*B A"]) -> Shaped[np.ndarray, "*B k"]:
        """Actions at shares in [0, 1) of the range."""
        low, high = np.asarray(self.low, np.float32), np.asarray(self.high, np.float32)
        return low + (high - low) * share

    def error(self, first: Float[Array, "B A"], second: Float[Array, "B A"]) -> Float[Array, ""]:
        """Mean absolute difference."""
        return jnp.abs(first - second).mean()


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

    sizes: tuple[int, ...]
    starts: tuple[int, ...]
    shape: tuple[int, ...] = ()
    dtype: str = "int64"

    def __post_init__(self):
        if self.joint_count < 2:
            raise ConfigError("the environment has only one action, so that there is nothing to learn")

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

    def error(self, first: Float[Array, "B A"], second: Float[Array, "B A"]) -> Float[Array, ""]:
        """Share of the factors in which two actions differ."""
        return jnp.abs(first - second).sum() / (2 * self.columns * len(first))

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


def infer_action_space(actions: Shaped[np.ndarray, "N k"]) -> ActionSpace:
    """The action space of data that come without an environment.

    Integers are members of a finite set, from the least to the largest value of each column, or from 0 where the least
    is not negative. Other numbers are points of a box, the range of each column.

    Raises:
        DataError: a column never changes, is not finite, or there are no actions.
    """
    if actions.size == 0:
        raise DataError("there are no actions to tell the action space from")
    low, high = actions.min(axis=0), actions.max(axis=0)
    if np.issubdtype(actions.dtype, np.integer):
        starts = np.minimum(low, 0)
        sizes = high - starts + 1
        shape = () if len(low) == 1 else (len(low),)
        return FiniteActions(tuple(sizes.tolist()), tuple(starts.tolist()), shape)
    if not (np.isfinite([low, high]).all() and (low < high).all()):
        raise DataError("a box of actions cannot be told from data that are not finite, or in which an action is still")
    return BoxActions(tuple(low.astype(float).tolist()), tuple(high.astype(float).tolist()))


def described(space: ActionSpace) -> dict[str, Any]:
    """An action space as plain data, for files."""
    if isinstance(space, BoxActions):
        return {"action_dim": space.size, "action_low": space.low, "action_high": space.high}
    return {
        "action_dim": space.size,
        "action_sizes": space.sizes,
        "action_starts": space.starts,
        "action_shape": space.shape,
        "action_dtype": space.dtype,
    }


def from_described(about: dict[str, Any]) -> ActionSpace:
    """The inverse of `described`."""
    if "action_sizes" not in about:
        return BoxActions(tuple(about["action_low"]), tuple(about["action_high"]))
    sizes, starts, shape = (tuple(map(int, about[f"action_{name}"])) for name in ("sizes", "starts", "shape"))
    return FiniteActions(sizes, starts, shape, np.dtype(about["action_dtype"]).name)
