"""Observation normaliser: fixed statistics that travel with the policy."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from imitax.types import Batch, Obs, Transition, scaled


class Normalizer(eqx.Module):
    """`(obs - mean) / std` with statistics of the training data; the identity when there are none."""

    mean: PyTree[Float[Array, "..."]]
    std: PyTree[Float[Array, "..."]]

    @classmethod
    def identity(cls, obs_dim: int) -> "Normalizer":
        """The normaliser that changes nothing, for flat observations."""
        return cls(jnp.zeros(obs_dim), jnp.ones(obs_dim))

    def __call__(self, obs: Obs) -> Obs:
        """Normalise observations."""
        return jax.tree.map(lambda x, mean, std: (x - mean[None]) / std[None], obs, self.mean, self.std)

    def batch(self, batch: Batch) -> Batch:
        """Normalise the observations of every part of a batch."""
        return Batch(*(None if part is None else self.transition(part) for part in batch))

    def transition(self, t: Transition) -> Transition:
        """Normalise the observations of transitions; the absorbing state is zero after it too."""
        mask = 1.0 - t.absorbing  # [B]
        return replace(t, obs=scaled(self(t.obs), mask), next_obs=scaled(self(t.next_obs), mask))
