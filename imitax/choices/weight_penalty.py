"""The coupled L2 penalty on parameters."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.types import parameters


def l2(net: Any) -> Float[Array, ""]:
    """`sum(theta^2) / 2` over all parameters, biases included.

    Coupled: added to the loss with a weight, its gradient passes through Adam's scaling, so that at the post's
    weight of 0.01 it is far stronger than the same number as AdamW's decoupled decay.
    """
    return sum((jnp.sum(p**2) for p in jax.tree.leaves(parameters(net))), jnp.zeros(())) / 2
