"""The types that every other room shares, and the one definition of `terminated`."""

from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

if TYPE_CHECKING:
    AnyArray = Any  # NumPy's and JAX's arrays share no base class
else:
    AnyArray = Array | np.ndarray
"""An array on the host or on the device."""

Metrics = dict[str, Any]
"""Named scalars that a loss or an update reports; the loop averages them over a chunk."""


class Transition(eqx.Module):
    """A batch of environment steps.

    `terminated` means that the MDP ended at `next_obs`. A time limit is never in it: at a time limit the
    episode stops, but the value of `next_obs` still counts. `next_obs` is always the true next observation,
    also at the end of an episode.
    """

    obs: Float[AnyArray, "*B O"]
    action: Float[AnyArray, "*B A"]
    reward: Float[AnyArray, "*B"]
    next_obs: Float[AnyArray, "*B O"]
    terminated: Bool[AnyArray, "*B"]


class Batch(NamedTuple):
    """What one update learns from; an algorithm declares which fields it needs, the others are None."""

    expert: Transition | None = None
    replay: Transition | None = None


class Spec(eqx.Module):
    """The shape of a task: observation and action sizes and the action box that policies map onto."""

    obs_dim: int = eqx.field(static=True)
    action_dim: int = eqx.field(static=True)
    action_low: tuple[float, ...] = eqx.field(static=True)
    action_high: tuple[float, ...] = eqx.field(static=True)

    @property
    def middle(self) -> Float[Array, "A"]:
        """Centre of the action box."""
        return (jnp.asarray(self.action_high) + jnp.asarray(self.action_low)) / 2

    @property
    def half(self) -> Float[Array, "A"]:
        """Half the width of the action box."""
        return (jnp.asarray(self.action_high) - jnp.asarray(self.action_low)) / 2
