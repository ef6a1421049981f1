"""A convolutional network for images, and how the axes of an image are read."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from imitax.networks.mlp import layer_norm


class Layout(NamedTuple):
    """The axes of an image, counted from the end of its shape's front: [H, W], [H, W, C], [C, H, W], or K of these."""

    height: int
    width: int
    channels: tuple[int, ...]
    """Frames and channels, which become the network's channels; none for [H, W]."""

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> "Layout":
        """The layout of a shape: the smaller of the first and the last axis (without frames) are the channels.

        Where both are equal, the last one is.
        """
        if len(shape) == 2:
            return cls(0, 1, ())
        frames = len(shape) - 3
        first, last = frames, frames + 2
        if shape[first] < shape[last]:
            return cls(first + 1, first + 2, (*range(frames), first))
        return cls(first, first + 1, (*range(frames), last))


def channels_last(x: Shaped[Array, "B ..."], shape: tuple[int, ...]) -> Shaped[Array, "B H W C"]:
    """Images [B, *shape] with all channels in the last axis."""
    at = Layout.of(shape)
    x = jnp.transpose(x, (0, *(axis + 1 for axis in (at.height, at.width, *at.channels))))
    return x.reshape(*x.shape[:3], -1)


def output_sides(shape: tuple[int, ...], kernels: tuple[int, ...], strides: tuple[int, ...]) -> list[tuple[int, int]]:
    """Height and width after each layer without padding, `(side - kernel) // stride + 1`; below 1 where none fits."""
    at, sides = Layout.of(shape), []
    height, width = shape[at.height], shape[at.width]
    for kernel, stride in zip(kernels, strides, strict=True):
        height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
        sides.append((height, width))
    return sides


class CNN(eqx.Module):
    """Convolutions with ReLU, then a linear layer, layer normalisation and tanh: `[*N, *shape]` to `[*N, D]`.

    The end is that of SAC-AE (Yarats et al. 2021, arXiv:1910.01741): features within +-1, on the scale of the
    standardised numbers that stand beside them. Weights start uniform in +-1/sqrt(fan_in). Products are computed in
    float32.

    Args:
        shape: of one image.
        channels, kernels, strides: of each convolution; there is no padding.
        features: D.
        key: randomness of the initialisation.
    """

    filters: tuple[Float[Array, "S S I O"], ...]
    biases: tuple[Float[Array, "O"], ...]
    weight: Float[Array, "F D"]
    bias: Float[Array, "D"]
    scale: Float[Array, "D"]
    offset: Float[Array, "D"]
    shape: tuple[int, ...] = eqx.field(static=True)
    strides: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, ...],
        kernels: tuple[int, ...],
        strides: tuple[int, ...],
        *,
        features: int,
        key: PRNGKeyArray,
    ):
        self.shape, self.strides = shape, strides
        keys, (kw, kb) = jr.split(key, len(channels)), jr.split(jr.fold_in(key, 1))
        n_in, filters, biases = 1, [], []
        for axis in Layout.of(shape).channels:
            n_in *= shape[axis]
        for k, n_out, side in zip(keys, channels, kernels, strict=True):
            kf, kc = jr.split(k)
            bound = (side * side * n_in) ** -0.5
            filters.append(jr.uniform(kf, (side, side, n_in, n_out), minval=-bound, maxval=bound))
            biases.append(jr.uniform(kc, (n_out,), minval=-bound, maxval=bound))
            n_in = n_out
        self.filters, self.biases = tuple(filters), tuple(biases)
        height, width = output_sides(shape, kernels, strides)[-1]
        flat = height * width * n_in
        self.weight = jr.uniform(kw, (flat, features), minval=-(flat**-0.5), maxval=flat**-0.5)
        self.bias = jr.uniform(kb, (features,), minval=-(flat**-0.5), maxval=flat**-0.5)
        self.scale, self.offset = jnp.ones(features), jnp.zeros(features)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "*N D"]:
        """Features of images [*N, *shape] with values from 0 to 1."""
        lead = x.shape[: x.ndim - len(self.shape)]
        h = channels_last(x.reshape(-1, *self.shape), self.shape)
        for w, b, stride in zip(self.filters, self.biases, self.strides, strict=True):
            h = convolve(h, w, stride) + b[None, None, None]
            h = jax.nn.relu(h)
        h = h.reshape(len(h), -1) @ self.weight + self.bias[None]
        h = jnp.tanh(layer_norm(h) * self.scale[None] + self.offset[None])
        return h.reshape(*lead, -1)


def convolve(x: Float[Array, "B H W I"], w: Float[Array, "S S I O"], stride: int) -> Float[Array, "B P Q O"]:
    """Convolution without padding."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, w, (stride, stride), "VALID", dimension_numbers=layout)
