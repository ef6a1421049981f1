"""What an observation and an action are."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imitax.types import Obs


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
    """The spaces of a task: observations, and the box of actions that policies map onto."""

    observation: ObservationSpace = eqx.field(static=True)
    action_low: tuple[float, ...] = eqx.field(static=True)
    action_high: tuple[float, ...] = eqx.field(static=True)

    @classmethod
    def flat(cls, obs_dim: int, action_low: tuple[float, ...], action_high: tuple[float, ...]) -> "Spec":
        """A task with flat observations."""
        return cls(ObservationSpace((Leaf((obs_dim,)),)), action_low, action_high)

    @property
    def obs_dim(self) -> int:
        """Numbers in an observation."""
        return self.observation.size

    @property
    def action_dim(self) -> int:
        """Numbers in an action."""
        return len(self.action_low)

    @property
    def middle(self) -> Float[Array, "A"]:
        """Centre of the action box."""
        return (jnp.asarray(self.action_high) + jnp.asarray(self.action_low)) / 2

    @property
    def half(self) -> Float[Array, "A"]:
        """Half the width of the action box."""
        return (jnp.asarray(self.action_high) - jnp.asarray(self.action_low)) / 2
