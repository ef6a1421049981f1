"""Loss on temporal-difference errors, and the clip of values in targets."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.settings import Positive, settings


@settings("td_loss")
class TdLoss:
    """How a temporal-difference error becomes a loss."""

    kind: Literal["squared", "huber"] = "squared"
    """squared: e^2. huber: e^2 for |e| <= delta and 2 delta |e| - delta^2 beyond, so that delta -> infinity is the
    squared loss (PyTorch's SmoothL1 is half of this at delta = 1)."""
    delta: Positive = 1.0
    """Error at which huber turns from quadratic to linear, in units of the value."""
    value_clip: Positive | None = None
    """Targets bootstrap from next values clipped to [-value_clip, value_clip]; None does not clip."""

    def __call__(self, error: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Loss of each error."""
        if self.kind == "squared":
            return error**2
        size = jnp.abs(error)
        return jnp.where(size <= self.delta, error**2, 2 * self.delta * size - self.delta**2)

    def clip(self, v: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Values as they enter a target."""
        return v if self.value_clip is None else jnp.clip(v, -self.value_clip, self.value_clip)
