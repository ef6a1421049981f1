"""Encoders turn observations, which are pytrees, into the vectors [B, D] that the networks take."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.errors import ConfigError
from imitax.networks.convolution import CNN, output_sides
from imitax.settings import Count, settings
from imitax.spaces import Leaf, ObservationSpace
from imitax.types import Obs

FLAT_LIMIT = 4096
"""Numbers of an image that may enter a network side by side."""


@settings("encoder")
class EncoderConfig:
    """How a network reads observations. Only images have settings: everything else is flattened."""

    kind: Literal["auto", "flat", "cnn"] = "auto"
    """auto: every image goes through a convolutional network of its own, or is flattened where it is too small for the
    kernels; what is no image is flattened; all of it side by side (Stable-Baselines3's CombinedExtractor). flat: small
    images are flattened too. cnn: as auto, but every image must suit the kernels, and there must be one."""
    channels: tuple[int, ...] = (32, 64, 64)
    """Output channels of each convolution. Channels, kernels and strides are NatureCNN's (Mnih et al. 2015)."""
    kernels: tuple[int, ...] = (8, 4, 3)
    """Side of each kernel, in pixels; there is no padding."""
    strides: tuple[int, ...] = (4, 2, 1)
    """Stride of each convolution, in pixels."""
    features: Count = 128
    """Width of an image's features (Stable-Baselines3's features_dim)."""

    def __post_init__(self):
        if not self.channels or not len(self.channels) == len(self.kernels) == len(self.strides):
            raise ConfigError(
                f"encoder.channels, encoder.kernels and encoder.strides must have one number a layer, got "
                f"{self.channels}, {self.kernels} and {self.strides}"
            )
        if min(*self.channels, *self.kernels, *self.strides) < 1:
            raise ConfigError("encoder.channels, encoder.kernels and encoder.strides must be at least 1")

    def fits(self, leaf: Leaf) -> bool:
        """Whether an image is large enough for all convolutions."""
        return min(map(min, output_sides(leaf.shape, self.kernels, self.strides))) >= 1

    def convolves(self, leaf: Leaf) -> bool:
        """Whether a leaf goes through a convolutional network."""
        return leaf.kind == "image" and self.kind != "flat" and self.fits(leaf)

    def check(self, leaves: list[tuple[str, Leaf]]) -> None:
        """Refuse observations that this encoder cannot take, given with their names.

        Raises:
            ConfigError: with what to do.
        """
        pictures = [(name, leaf) for name, leaf in leaves if leaf.kind == "image"]
        if self.kind == "cnn" and not pictures:
            raise ConfigError(
                "encoder.kind=cnn is for images (uint8 boxes), and there are none among "
                f"{', '.join(name for name, _ in leaves)}: use auto or flat"
            )
        for name, leaf in pictures:
            if self.kind == "cnn" and not self.fits(leaf):
                raise ConfigError(
                    f"{name} {list(leaf.shape)} is too small for encoder.kernels={self.kernels} with "
                    f"encoder.strides={self.strides}: give smaller ones, such as 3 3 with 2 1, or encoder.kind=auto"
                )
            if not self.convolves(leaf) and leaf.size > FLAT_LIMIT:
                raise ConfigError(
                    f"{name} {list(leaf.shape)} is an image of {leaf.size} numbers, too many to flatten (at most "
                    f"{FLAT_LIMIT}): use encoder.kind=auto with kernels that fit, or make the image smaller"
                )


class FlatEncoder(eqx.Module):
    """All numbers of an observation, side by side. It has no parameters."""

    space: ObservationSpace = eqx.field(static=True)

    @property
    def size(self) -> int:
        """D, width of the encoded observation."""
        return sum(_width(leaf) for leaf in self.space.leaves)

    def __call__(self, obs: Obs) -> Float[Array, "*N B D"]:
        """Encode observations with any number of leading axes."""
        flat = [_flat(x, leaf) for x, leaf in zip(jax.tree.leaves(obs), self.space.leaves, strict=True)]
        return flat[0] if len(flat) == 1 else jnp.concatenate(flat, -1)


class CombinedEncoder(eqx.Module):
    """The features of images and all other numbers, side by side in the order of the leaves."""

    images: tuple[CNN | None, ...]
    """Of each leaf; None for those that are flattened."""
    space: ObservationSpace = eqx.field(static=True)

    @property
    def size(self) -> int:
        """D, width of the encoded observation."""
        pairs = zip(self.images, self.space.leaves, strict=True)
        return sum(_width(leaf) if cnn is None else cnn.bias.shape[0] for cnn, leaf in pairs)

    def __call__(self, obs: Obs) -> Float[Array, "*N B D"]:
        """Encode observations with any number of leading axes."""
        parts = zip(jax.tree.leaves(obs), self.images, self.space.leaves, strict=True)
        return jnp.concatenate([_flat(x, leaf) if cnn is None else cnn(x) for x, cnn, leaf in parts], -1)


Encoder = FlatEncoder | CombinedEncoder
"""From observations as the normaliser gives them."""


def make_encoder(space: ObservationSpace, cfg: EncoderConfig, key: PRNGKeyArray) -> Encoder:
    """The encoder of a network.

    Args:
        space: of the observations.
        cfg: of the encoder.
        key: of the network, which goes on to use it: the encoder folds a number of its own into it.
    """
    if not any(map(cfg.convolves, space.leaves)):
        return FlatEncoder(space)
    keys = jr.split(jr.fold_in(key, len(space.leaves)), len(space.leaves))
    shapes = cfg.channels, cfg.kernels, cfg.strides
    images = tuple(
        CNN(leaf.shape, *shapes, features=cfg.features, key=k) if cfg.convolves(leaf) else None
        for leaf, k in zip(space.leaves, keys, strict=True)
    )
    return CombinedEncoder(images, space)


def _width(leaf: Leaf) -> int:
    width = 1
    for side in leaf.input_shape:
        width *= side
    return width


def _flat(x: Array, leaf: Leaf) -> Float[Array, "*N B D"]:
    return x.reshape(*x.shape[: x.ndim - len(leaf.input_shape)], -1)
