"""The proximal term of a reward: how far it moves from the one that the policy was trained on."""

from typing import Annotated, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.errors import ConfigError
from imitax.settings import NonNegative, Positive, Range, settings


@settings("proximal")
class Proximal:
    """Penalty on the change of a reward (PIRO, Chen et al. 2025, arXiv:2509.23135, section 5)."""

    kind: Literal["none", "fixed", "adaptive"] = "none"
    """none: no term. fixed: its weight stays at `weight`. adaptive: the weight follows the size of the changes."""
    weight: NonNegative = 3e-4
    """mu at the start, beside a difference of mean rewards."""
    target: Positive = 0.016
    """Change that adaptive weights aim at, in units of the reward (epsilon target)."""
    tolerance: Annotated[float, Range(1.0)] = 1.5
    """The weight moves where the change is more than x times the target, or less than a part of x of it (x)."""
    factor: Annotated[float, Range(1.0)] = 1.5
    """By which it moves (y)."""
    weight_min: Positive = 3e-5
    """Smallest adaptive weight."""
    weight_max: Positive = 0.3
    """Largest adaptive weight."""

    def __post_init__(self):
        if self.weight_min > self.weight_max:
            raise ConfigError(
                f"proximal.weight_min ({self.weight_min}) must not exceed proximal.weight_max ({self.weight_max})"
            )

    def create(self) -> Float[Array, ""]:
        """The weight before the first step."""
        return jnp.asarray(0.0 if self.kind == "none" else self.weight, jnp.float32)

    def update(self, weight: Float[Array, ""], change: Float[Array, ""]) -> Float[Array, ""]:
        """The weight after a turn in which the reward has changed by so much (equation 11)."""
        if self.kind != "adaptive":
            return weight
        up, down = change > self.target * self.tolerance, change < self.target / self.tolerance
        moved = jnp.where(up, weight * self.factor, jnp.where(down, weight / self.factor, weight))
        return jnp.clip(moved, self.weight_min, self.weight_max)


def change(new: Float[Array, "N"], old: Float[Array, "N"]) -> Float[Array, ""]:
    """Root of the mean squared difference of two rewards of the same transitions.

    Where they are equal its gradient is zero, the smallest of its subgradients: the first of several steps is free.
    """
    return jnp.sqrt(((new - old) ** 2).mean() + 1e-12)
