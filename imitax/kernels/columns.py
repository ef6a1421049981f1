"""Ensembles that hold their examples as columns between the hidden layers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.kernels.products import product
from imitax.networks.mlp import ACTIVATIONS, MLP


def forward(mlp: MLP, x: Float[Array, "*N B I"]) -> Float[Array, "M B O"]:
    """`mlp(x)`, with columns where there are at least as many examples as a layer has units.

    XLA's kernels like a last axis of 256 more than one of 200: on two cores, fit and rollouts of seven members of 200
    units take a tenth less; on one core, as long.
    """
    widest, last = max(w.shape[-1] for w in mlp.weights), len(mlp.weights) - 1
    if mlp.norms or mlp.spectral_norm or x.shape[-2] < widest:
        return mlp(x)
    for i, (w, b) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        columns = (0 < i < last, i < last - 1)
        h: Array = product(x, w, mlp.precision, columns)  # type: ignore[assignment]
        x = add_to_columns(h, b) if columns[1] else h + b[..., None, :]  # [M O B] or [M B O]
        x = ACTIVATIONS[mlp.activation](x) if i < last else x
    return x


@jax.custom_vjp
def add_to_columns(h: Float[Array, "*N O B"], b: Float[Array, "*N O"]) -> Float[Array, "*N O B"]:
    """`h + b` whose gradient for b is a product with ones: at 7 x 200 x 256, 29 us instead of 189 for a sum."""
    return h + b[..., None]


def _add_forward(h: Array, b: Array) -> tuple[Array, None]:
    return add_to_columns(h, b), None


def _add_backward(_: None, g: Array) -> tuple[Array, Array]:
    return g, jnp.matmul(g, jnp.ones((*g.shape[:-2], g.shape[-1], 1)))[..., 0]


add_to_columns.defvjp(_add_forward, _add_backward)
