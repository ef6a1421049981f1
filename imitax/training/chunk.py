"""Compiled pieces of training: chunks of updates, and the slow turns between them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key, PRNGKeyArray

from imitax.algorithm import Algorithm, Turn
from imitax.buffers import Buffers
from imitax.compiled import jit, shared
from imitax.stacking import over_seeds
from imitax.types import Batch, Metrics

AUGMENTATION = 2**31 - 1
"""Folded into an update's key for its augmentation."""

Run = Callable[..., tuple[Any, Metrics]]


Augment = Callable[[Batch, PRNGKeyArray], Batch]
"""What is done to a batch before an update learns from it."""


@shared
def make_chunk(
    algorithm: Algorithm, cfg: Any, static: Any, seeds: int, devices: int = 1, augment: Augment | None = None
) -> Run:
    """One jitted, donated scan over `count` updates that samples its batches on the device.

    `(arrays, buffers, keys [S], step, count) -> (arrays, metrics [S])`, metrics averaged over the updates.
    """
    batch_size = algorithm.schedule(cfg).batch_size

    @partial(jit, donate_argnums=0, static_argnums=4)
    def run_chunk(
        arrays: Any, buffers: Buffers, keys: Key[Array, "S"], step: Int[Array, ""], count: int
    ) -> tuple[Any, Metrics]:
        def one(arrays: Any, buffers: Buffers, key: PRNGKeyArray, step: Int[Array, ""]) -> tuple[Any, Metrics]:
            # Keys and indices of the whole chunk in one go: inside the scan, each draw would cost a dozen tiny kernels.
            steps = step + jnp.arange(count)
            key_pairs = jax.vmap(lambda i: jr.split(jr.fold_in(key, i)))(steps)  # [K 2]
            index = jax.vmap(lambda k: buffers.draw(batch_size, k))(key_pairs[:, 0])  # [K B]

            def body(arrays: Any, x: tuple[Any, PRNGKeyArray]) -> tuple[Any, Metrics]:
                index, k_update = x
                batch = buffers.take(index)
                if augment is not None:
                    batch = augment(batch, jr.fold_in(k_update, AUGMENTATION))
                state, metrics = algorithm.updated(eqx.combine(arrays, static), batch, cfg, k_update)
                return eqx.filter(state, eqx.is_array), metrics

            arrays, metrics = jax.lax.scan(body, arrays, (index, key_pairs[:, 1]))
            return arrays, jax.tree.map(lambda m: m.mean(0), metrics)

        return over_seeds(one, seeds, shared=1, devices=devices)(arrays, buffers, keys, step)

    return run_chunk


@shared
def make_turn(turn: Turn, index: int, cfg: Any, static: Any, seeds: int, devices: int = 1) -> Run:
    """A jitted, donated turn of an algorithm's slow work: `(arrays, buffers, keys, step) -> (arrays, metrics [S])`.

    The index of the turn gives it a stream of random numbers of its own.
    """

    def one(arrays: Any, buffers: Buffers, key: PRNGKeyArray, step: Int[Array, ""]) -> tuple[Any, Metrics]:
        state, metrics = turn(eqx.combine(arrays, static), buffers, cfg, jr.fold_in(jr.fold_in(key, step), index))
        return eqx.filter(state, eqx.is_array), metrics

    return jit(over_seeds(one, seeds, shared=1, devices=devices), donate_argnums=0)
