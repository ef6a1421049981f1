"""The coupled L2 penalty on parameters."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def l2(net: Any) -> Float[Array, ""]:
    """`sum(theta^2) / 2` over all parameters, biases included.

    Coupled: added to the loss with a weight, its gradient passes through Adam's scaling, so that at the post's
    weight of 0.01 it is far stronger than the same number as AdamW's decoupled decay.
    """
    return sum((jnp.sum(p**2) for p in jax.tree.leaves(eqx.filter(net, eqx.is_inexact_array))), jnp.zeros(())) / 2
