"""What an observation and an action are."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imitax.action_spaces import (
    JOINT_LIMIT,
    ActionSpace,
    BoxActions,
    FiniteActions,
    described,
    from_described,
)
from imitax.types import Obs

__all__ = [
    "JOINT_LIMIT",
    "ActionSpace",
    "BoxActions",
    "FiniteActions",
    "Leaf",
    "ObservationSpace",
    "Spec",
    "described",
    "from_described",
]


@dataclass(frozen=True)
class Leaf:
    """One array of an observation, without the axis of examples."""

    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class ObservationSpace:
    """A pytree of arrays; a flat Box is a single array."""

    leaves: tuple[Leaf, ...]
    structure: Any = jax.tree.structure(0)
    """As of `jax.tree.structure`."""

    @property
    def size(self) -> int:
        """Numbers in an observation, over all leaves."""
        return sum(int(np.prod(leaf.shape)) for leaf in self.leaves)

    def zeros(self, count: int) -> Obs:
        """`count` observations of zeros."""
        return jax.tree.unflatten(self.structure, [jnp.zeros((count, *x.shape), x.dtype) for x in self.leaves])


class Spec(eqx.Module):
    """The spaces of a task: observations, and the actions that policies choose from."""

    observation: ObservationSpace = eqx.field(static=True)
    action: ActionSpace = eqx.field(static=True)

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
    def is_finite(self) -> bool:
        """Whether actions are a finite set."""
        return isinstance(self.action, FiniteActions)

    @property
    def action_low(self) -> tuple[float, ...]:
        """Least values of an action."""
        return self.action.low

    @property
    def action_high(self) -> tuple[float, ...]:
        """Largest values of an action."""
        return self.action.high

    @property
    def middle(self) -> Float[Array, "A"]:
        """Centre of the action box."""
        return (jnp.asarray(self.action_high) + jnp.asarray(self.action_low)) / 2

    @property
    def half(self) -> Float[Array, "A"]:
        """Half the width of the action box."""
        return (jnp.asarray(self.action_high) - jnp.asarray(self.action_low)) / 2
