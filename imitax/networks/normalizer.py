"""Observation normaliser: fixed statistics that travel with the policy."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.types import AnyArray, Batch, Transition


class Normalizer(eqx.Module):
    """`(obs - mean) / std` with statistics of the training demonstrations; the identity when there are none."""

    mean: Float[Array, "O"]
    std: Float[Array, "O"]

    @classmethod
    def identity(cls, obs_dim: int) -> "Normalizer":
        """The normaliser that changes nothing."""
        return cls(jnp.zeros(obs_dim), jnp.ones(obs_dim))

    def __call__(self, obs: Float[AnyArray, "B O"]) -> Float[Array, "B O"]:
        """Normalise observations."""
        return (obs - self.mean[None]) / self.std[None]

    def batch(self, batch: Batch) -> Batch:
        """Normalise the observations of every part of a batch."""
        return Batch(*(None if part is None else self.transition(part) for part in batch))

    def transition(self, t: Transition) -> Transition:
        """Normalise the observations of transitions."""
        real = 1.0 - t.absorbing[:, None]  # the absorbing state is zero after normalisation too
        return replace(t, obs=self(t.obs) * real, next_obs=self(t.next_obs) * real)
