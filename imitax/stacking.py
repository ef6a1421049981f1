"""Several seeds as one pytree: arrays stacked along a leading axis, and functions mapped over it."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


def stack(trees: Sequence[Any]) -> Any:
    """Pytrees of one structure with their arrays stacked along a new leading axis."""
    arrays = [eqx.filter(t, eqx.is_array) for t in trees]
    static = eqx.filter(trees[0], eqx.is_array, inverse=True)
    return eqx.combine(jax.tree.map(lambda *x: jnp.stack(x), *arrays), static)


def unstack(tree: Any, index: int) -> Any:
    """One seed's pytree of a stacked one."""
    return jax.tree.map(lambda x: x[index] if eqx.is_array(x) else x, tree)


def over_seeds(f: Callable[..., Any], seeds: int, shared: int = 0) -> Callable[..., Any]:
    """`f` for arguments that carry a leading axis of seeds, but for the last `shared` ones.

    Several seeds run as a vmap. One seed runs as it is: a batch of one would turn its products into batched ones.
    """

    def alone(*args: Any) -> Any:
        own, common = args[: len(args) - shared], args[len(args) - shared :]
        out = f(*jax.tree.map(lambda x: x[0], own), *common)
        return jax.tree.map(lambda x: x[None], out)

    def together(*args: Any) -> Any:
        return jax.vmap(f, in_axes=(0,) * (len(args) - shared) + (None,) * shared)(*args)

    return alone if seeds == 1 else together
