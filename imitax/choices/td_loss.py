"""Loss on temporal-difference errors, and the clip of values in targets."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.errors import ConfigError
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
    clip_learned: bool = False
    """Clip the values that are learned too: Q of the batch's actions has no gradient beyond value_clip (CleanIL)."""

    def __post_init__(self):
        if self.clip_learned and self.value_clip is None:
            raise ConfigError("td_loss.clip_learned needs a bound: give td_loss.value_clip")

    def __call__(self, error: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Loss of each error."""
        if self.kind == "squared":
            return error**2
        size = jnp.abs(error)
        return jnp.where(size <= self.delta, error**2, 2 * self.delta * size - self.delta**2)

    def clip(self, v: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Values as they enter a target."""
        return v if self.value_clip is None else jnp.clip(v, -self.value_clip, self.value_clip)

    def learned(self, q: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Values of the batch's actions as they enter a loss."""
        return self.clip(q) if self.clip_learned else q


def within_rewards(target: Float[Array, "B"], rewards: Float[Array, "K"], gamma: float) -> Float[Array, "B"]:
    """Targets kept between the smallest and the largest of some rewards, received for ever: `r / (1 - gamma)`.

    No value lies beyond, but for bonuses of entropy.
    """
    return jnp.clip(target, rewards.min() / (1 - gamma), rewards.max() / (1 - gamma))
