"""Encoders turn observations, which are pytrees, into the vectors [B, D] that the networks take."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.spaces import ObservationSpace
from imitax.types import Obs


class FlatEncoder(eqx.Module):
    """All numbers of an observation, side by side. It has no parameters."""

    space: ObservationSpace = eqx.field(static=True)

    @property
    def size(self) -> int:
        """D, width of the encoded observation."""
        return self.space.size

    def __call__(self, obs: Obs) -> Float[Array, "*N B D"]:
        """Encode observations with any number of leading axes."""
        leaves = jax.tree.leaves(obs)
        flat = [
            x.reshape(*x.shape[: x.ndim - len(leaf.shape)], -1)
            for x, leaf in zip(leaves, self.space.leaves, strict=True)
        ]
        return flat[0] if len(flat) == 1 else jnp.concatenate(flat, -1)
