"""The range of actions that an implicit policy searches, and its unit coordinates."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.spaces import Spec

NARROWEST = 0.01
"""Smallest width of a searched range, as a share of the action box: demonstrations may hold an action still."""


class ActionRange(eqx.Module):
    """An interval of each action dimension, and its unit coordinates."""

    low: Float[Array, "A"]
    high: Float[Array, "A"]

    @classmethod
    def box(cls, spec: Spec) -> "ActionRange":
        """The whole action box."""
        return cls(jnp.asarray(spec.action_low), jnp.asarray(spec.action_high))

    @classmethod
    def nothing(cls, spec: Spec) -> "ActionRange":
        """The range before any action was seen: `seen` makes it that of the actions."""
        return cls(jnp.asarray(spec.action_high), jnp.asarray(spec.action_low))

    def seen(self, action: Float[Array, "B A"]) -> "ActionRange":
        """The range with these actions in it."""
        return ActionRange(jnp.minimum(self.low, action.min(0)), jnp.maximum(self.high, action.max(0)))

    def widened(self, share: float, spec: Spec) -> "ActionRange":
        """The range with a share of its width added at either end, at least `NARROWEST`, within the action box."""
        low, high = jnp.asarray(spec.action_low), jnp.asarray(spec.action_high)
        margin = jnp.maximum(share * (self.high - self.low), NARROWEST * (high - low) / 2)
        return ActionRange(jnp.maximum(self.low - margin, low), jnp.minimum(self.high + margin, high))

    @property
    def middle(self) -> Float[Array, "A"]:
        """Centre."""
        return (self.high + self.low) / 2

    @property
    def half(self) -> Float[Array, "A"]:
        """Half the width."""
        return (self.high - self.low) / 2

    def unit(self, action: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        """Unit coordinates of actions."""
        return (action - self._rows(self.middle, action)) / self._rows(self.half, action)

    def action(self, unit: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        """Actions at unit coordinates."""
        return self._rows(self.middle, unit) + self._rows(self.half, unit) * unit

    def _rows(self, x: Float[Array, "A"], like: Float[Array, "*B A"]) -> Float[Array, "*B A"]:
        return jnp.broadcast_to(x, like.shape)
