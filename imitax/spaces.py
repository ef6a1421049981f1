"""What an observation and an action are."""

from dataclasses import dataclass, field
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imitax.action_spaces import (
    JOINT_LIMIT,
    LARGEST_BOUND,
    ActionSpace,
    BoxActions,
    FiniteActions,
    described,
    from_described,
)
from imitax.errors import ConfigError
from imitax.types import AnyArray, Obs

__all__ = [
    "IMAGE_DIMENSIONS",
    "JOINT_LIMIT",
    "LARGEST_BOUND",
    "ActionSpace",
    "BoxActions",
    "FiniteActions",
    "History",
    "Leaf",
    "ObservationSpace",
    "Spec",
    "described",
    "from_described",
]

IMAGE_DIMENSIONS = (2, 3, 4)
"""Of bytes that are an image: [H, W], with channels first or last, or K frames of such."""


@dataclass(frozen=True)
class Leaf:
    """One array of an observation, without the axis of examples."""

    shape: tuple[int, ...]
    kind: Literal["vector", "image", "categories", "binary"] = "vector"
    """vector: numbers, which are standardised. image: bytes, which networks see divided by `top`. categories: whole
    numbers that name classes, which networks see as one-hot vectors. binary: zeros and ones, seen as they are."""
    categories: tuple[int, ...] = ()
    """Of categories, the number of classes of each number."""
    first: tuple[int, ...] = ()
    """Of categories, the lowest value of each number."""
    top: int = field(default=255, compare=False)
    """Of an image, the largest byte that its space allows."""

    @property
    def dtype(self) -> str:
        """In memory and in files."""
        return "uint8" if self.kind == "image" else "float32"

    @property
    def size(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what networks see of it."""
        return (sum(self.categories),) if self.kind == "categories" else self.shape

    def one_hot(self, x: AnyArray) -> Float[Array, "*B C"]:
        """Categories [*B, *shape] as the one-hot vectors of all numbers side by side."""
        flat = jnp.asarray(x).reshape(*x.shape[: x.ndim - len(self.shape)], -1).astype(int)
        parts = zip(self.categories, self.first, strict=True)
        return jnp.concatenate([jax.nn.one_hot(flat[..., i] - low, n) for i, (n, low) in enumerate(parts)], -1)


@dataclass(frozen=True)
class ObservationSpace:
    """A pytree of arrays: a single array, a dict by sorted keys, a tuple, or these in each other."""

    leaves: tuple[Leaf, ...]
    structure: Any = jax.tree.structure(0)
    """As of `jax.tree.structure`."""

    @classmethod
    def of(cls, tree: Any) -> "ObservationSpace":
        """The space of a pytree of `Leaf`. Raises ConfigError where it holds no numbers."""
        leaves, structure = jax.tree.flatten(tree)
        space = cls(tuple(leaves), structure)
        if space.size == 0:
            raise ConfigError("observations hold no numbers: a policy would see nothing")
        return space

    @property
    def tree(self) -> Any:
        """The pytree of `Leaf`."""
        return jax.tree.unflatten(self.structure, self.leaves)

    @property
    def is_array(self) -> bool:
        """Observations are one array of numbers."""
        return len(self.leaves) == 1 and self.structure == jax.tree.structure(0) and self.leaves[0].kind == "vector"

    @property
    def is_flat(self) -> bool:
        """Observations are one vector of numbers."""
        return self.is_array and len(self.leaves[0].shape) == 1

    @property
    def size(self) -> int:
        """Numbers in an observation, over all leaves."""
        return sum(leaf.size for leaf in self.leaves)

    def zeros(self, count: int) -> Obs:
        """`count` observations of zeros, as they are stored."""
        return jax.tree.unflatten(self.structure, [jnp.zeros((count, *x.shape), x.dtype) for x in self.leaves])

    def blank(self, count: int) -> Obs:
        """`count` observations of zeros, as networks see them: the absorbing state."""
        return jax.tree.unflatten(self.structure, [jnp.zeros((count, *x.input_shape)) for x in self.leaves])

    def describe(self) -> Any:
        """The space in the plain data of JSON."""
        return _described(self.tree)

    @classmethod
    def parse(cls, described: Any) -> "ObservationSpace":
        """The space that was described. Raises ValueError for anything else."""
        return cls.of(_parsed(described, 0))


DEPTH = 16
"""Levels of a described space."""


def _described(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {"dict": {key: _described(part) for key, part in tree.items()}}
    if isinstance(tree, tuple):
        return {"tuple": [_described(part) for part in tree]}
    said = {"kind": tree.kind, "shape": list(tree.shape)}
    return said | ({"categories": list(tree.categories), "first": list(tree.first)} if tree.categories else {})


def _parsed(described: Any, depth: int) -> Any:
    if not isinstance(described, dict) or depth > DEPTH:
        raise ValueError("this describes no observation space")
    if isinstance(parts := described.get("dict"), dict):
        return {str(key): _parsed(part, depth + 1) for key, part in parts.items()}
    if isinstance(parts := described.get("tuple"), list):
        return tuple(_parsed(part, depth + 1) for part in parts)
    kind, names = described.get("kind"), ("shape", "categories", "first")
    numbers = {name: tuple(map(int, described.get(name, ()))) for name in names}
    if kind not in ("vector", "image", "categories", "binary") or min(numbers["shape"], default=0) < 0:
        raise ValueError("this describes no observation space")
    return Leaf(numbers["shape"], kind, numbers["categories"], numbers["first"])


@dataclass(frozen=True)
class History:
    """What networks see of the past where they see more than one observation; `imitax.history` puts it together."""

    length: int
    """K, observations, the present one among them."""
    actions: bool
    """Whether the K - 1 actions between them are seen too."""
    single: ObservationSpace

    def __str__(self) -> str:
        return f"the last {self.length} observations{' and actions' * self.actions}"


class Spec(eqx.Module):
    """The spaces of a task: observations, and the actions that policies choose from."""

    observation: ObservationSpace = eqx.field(static=True)
    """As networks see them: stacks of several, where there is a history."""
    action: ActionSpace = eqx.field(static=True)
    history: History | None = eqx.field(static=True, default=None)

    @property
    def single(self) -> ObservationSpace:
        """Of one observation, as the environment shows it."""
        return self.observation if self.history is None else self.history.single

    @classmethod
    def flat(cls, obs_dim: int, action_low: tuple[float, ...], action_high: tuple[float, ...]) -> "Spec":
        """A task with flat observations and a box of actions."""
        return cls(ObservationSpace((Leaf((obs_dim,)),)), BoxActions(action_low, action_high))

    @property
    def obs_dim(self) -> int:
        """Numbers in an observation."""
        return self.observation.size

    @property
    def action_dim(self) -> int:
        """A, numbers in an action: of a finite set, in a one-hot one."""
        return self.action.size

    @property
    def finite(self) -> FiniteActions:
        """The finite set of actions. Raises TypeError where they are a box."""
        if isinstance(self.action, FiniteActions):
            return self.action
        raise TypeError("the actions are a box, not a finite set")

    @property
    def box(self) -> BoxActions:
        """The box of actions. Raises TypeError where they are a finite set."""
        if isinstance(self.action, BoxActions):
            return self.action
        raise TypeError("the actions are a finite set, not a box")

    @property
    def is_finite(self) -> bool:
        """Whether actions are a finite set."""
        return isinstance(self.action, FiniteActions)

    @property
    def is_open(self) -> bool:
        """Whether actions are a box without a bound on some side."""
        return isinstance(self.action, BoxActions) and self.action.is_open

    @property
    def action_low(self) -> tuple[float, ...]:
        """Least values of an action; on an open side, of the range around the recorded ones."""
        return self.action.low

    @property
    def action_high(self) -> tuple[float, ...]:
        """Largest values of an action; on an open side, of the range around the recorded ones."""
        return self.action.high

    @property
    def middle(self) -> Float[Array, "A"]:
        """Centre of the action range."""
        return (jnp.asarray(self.action_high) + jnp.asarray(self.action_low)) / 2

    @property
    def half(self) -> Float[Array, "A"]:
        """Half the width of the action range."""
        return (jnp.asarray(self.action_high) - jnp.asarray(self.action_low)) / 2
