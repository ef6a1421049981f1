"""Random shifts of images, the augmentation of DrQ (Kostrikov et al. 2021, arXiv:2004.13649)."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, PRNGKeyArray, Shaped

from imitax.networks.convolution import Layout
from imitax.spaces import ObservationSpace
from imitax.types import Batch, Obs, Transition


def shifted(
    images: Shaped[Array, "B ..."], shape: tuple[int, ...], pad: int, offsets: Int[Array, "B 2"]
) -> Shaped[Array, "B ..."]:
    """Images [B, *shape] padded by repeating their edges, and cut out again at offsets of 0 to 2 `pad` pixels.

    An offset of `pad` in both directions is the image itself. All channels and frames of an image move together.
    """
    at = Layout.of(shape)
    widths = [(pad, pad) if axis in (at.height, at.width) else (0, 0) for axis in range(len(shape))]
    padded = jnp.pad(images, [(0, 0), *widths], mode="edge")

    def cut(image: Array, offset: Array) -> Array:
        start = [jnp.zeros((), offset.dtype)] * len(shape)
        start[at.height], start[at.width] = offset[0], offset[1]
        return jax.lax.dynamic_slice(image, start, shape)

    return jax.vmap(cut)(padded, offsets)


def shift_images(space: ObservationSpace, obs: Obs, pad: int, key: PRNGKeyArray) -> Obs:
    """Observations [B, ...] with every image shifted by up to `pad` pixels; other leaves as they are.

    Args:
        space: of the observations.
        obs: as they are stored.
        pad: pixels.
        key: draws the shifts, one for each example and image.
    """
    leaves = jax.tree.leaves(obs)
    for i, leaf in enumerate(space.leaves):
        if leaf.kind == "image":
            offsets = jr.randint(jr.fold_in(key, i), (len(leaves[i]), 2), 0, 2 * pad + 1)
            leaves[i] = shifted(leaves[i], leaf.shape, pad, offsets)
    return jax.tree.unflatten(space.structure, leaves)


def shift_batch(space: ObservationSpace, batch: Batch, pad: int, key: PRNGKeyArray) -> Batch:
    """A batch whose observations and next observations are shifted, each by draws of its own."""

    def moved(t: Transition, key: PRNGKeyArray) -> Transition:
        ko, kn = jr.split(key)
        return replace(t, obs=shift_images(space, t.obs, pad, ko), next_obs=shift_images(space, t.next_obs, pad, kn))

    keys = jr.split(key, len(batch))
    return Batch(*(None if t is None else moved(t, k) for t, k in zip(batch, keys, strict=True)))
