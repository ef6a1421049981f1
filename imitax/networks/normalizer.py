"""Observation normaliser: fixed statistics that travel with the policy."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from imitax.spaces import Leaf, ObservationSpace
from imitax.types import Batch, Obs, Transition, scaled

BYTE = 255
"""The largest."""


class Normalizer(eqx.Module):
    """`(obs - mean) / std` with statistics of the training data, leaf by leaf; the identity when there are none.

    Networks see observations through it, so that everything that is computed of them is of one kind: images of bytes
    become numbers from 0 to 1 (mean 0, std 255, or less where the space or the data have small numbers only), and
    categories one-hot vectors. Buffers and files hold neither.
    """

    mean: PyTree[Float[Array, "..."]]
    std: PyTree[Float[Array, "..."]]
    categorical: ObservationSpace | None = eqx.field(static=True, default=None)
    """The space, where some of its leaves are categories."""

    @classmethod
    def identity(cls, space: int | ObservationSpace) -> "Normalizer":
        """The normaliser that standardises nothing, for a space or the size of flat observations."""
        if isinstance(space, int):
            return cls(jnp.zeros(space), jnp.ones(space))
        pairs = [(jnp.zeros(x.shape), jnp.ones(x.shape)) if x.kind == "vector" else _fixed(x) for x in space.leaves]
        mean, std = (jax.tree.unflatten(space.structure, side) for side in zip(*pairs, strict=True))
        return cls.of(space, (mean, std))

    @classmethod
    def of(cls, space: ObservationSpace, statistics: tuple[Any, Any]) -> "Normalizer":
        """The normaliser of a space, with mean and standard deviation of its vectors; those of other leaves are fixed.

        Args:
            space: of the observations.
            statistics: means and standard deviations, pytrees of arrays as observations are; of an image whose space
                allows every byte, the deviation is what it is divided by.
        """
        leaves = zip(space.leaves, *map(jax.tree.leaves, statistics), strict=True)
        fixed = [(jnp.asarray(m), jnp.asarray(s)) if _is_of_data(leaf) else _fixed(leaf) for leaf, m, s in leaves]
        mean, std = (jax.tree.unflatten(space.structure, x) for x in zip(*fixed, strict=True))
        categorical = any(leaf.kind == "categories" for leaf in space.leaves)
        return cls(mean, std, space if categorical else None)

    def __call__(self, obs: Obs) -> Obs:
        """Normalise observations."""
        x = jax.tree.map(lambda x, mean, std: (x - mean[None]) / std[None], obs, self.mean, self.std)
        if self.categorical is None:
            return x
        return jax.tree.map(
            lambda leaf, x: leaf.one_hot(x) if leaf.kind == "categories" else x, self.categorical.tree, x
        )

    def batch(self, batch: Batch) -> Batch:
        """Normalise the observations of every part of a batch."""
        return Batch(*(None if part is None else self.transition(part) for part in batch))

    def transition(self, t: Transition) -> Transition:
        """Normalise the observations of transitions; the absorbing state is zero after it too."""
        mask = 1.0 - t.absorbing  # [B]
        return replace(t, obs=scaled(self(t.obs), mask), next_obs=scaled(self(t.next_obs), mask))


def _is_of_data(leaf: Leaf) -> bool:
    """Whether data decide how a leaf is normalised: of images only where the space says nothing."""
    return leaf.kind == "vector" or (leaf.kind == "image" and leaf.top == BYTE)


def _fixed(leaf: Leaf) -> tuple[Array, Array]:
    """Mean and standard deviation of what is not standardised, with one number for all of it."""
    one = (1,) * len(leaf.shape)
    return jnp.zeros(one), jnp.full(one, float(leaf.top) if leaf.kind == "image" else 1.0)
