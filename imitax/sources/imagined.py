"""The imagined source: a ring on the device of what policies went through in their learned models."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from imitax.compiled import jit
from imitax.sources.buffer import Buffer, columns
from imitax.stacking import over_seeds
from imitax.types import Spec, Transition


class ImaginedBuffer(eqx.Module):
    """A ring of imagined transitions with their uncertainty; a stacked one has a leading axis of seeds."""

    buffer: Buffer
    uncertainty: Float[Array, "*S C"]
    written: Int[Array, "*S"]
    """Rows that were written, less whole turns of a full ring: it must not outgrow its integer."""

    @classmethod
    def empty(cls, capacity: int, spec: Spec, absorbing_rows: bool = False) -> "ImaginedBuffer":
        """A ring of `capacity` rows."""
        buffer = Buffer.empty(capacity, spec.obs_dim, spec.action_dim, absorbing_rows)
        return cls(buffer, jnp.zeros(capacity), jnp.zeros((), int))

    def draw(self, count: int, key: PRNGKeyArray) -> Int[Array, "B"]:
        """Row numbers, as `Buffer.draw`."""
        return self.buffer.draw(count, key)

    def take(self, rows: Int[Array, "B"]) -> Transition:
        """The transitions of some rows."""
        return replace(self.buffer.take(rows), uncertainty=jnp.where(rows < 0, 0.0, self.uncertainty[rows]))

    def write(self, t: Transition, valid: Bool[Array, "B"]) -> "ImaginedBuffer":
        """Append the valid rows, over the oldest ones."""
        capacity = self.buffer.rows.shape[0]
        number = self.written + jnp.cumsum(valid) - 1
        total = self.written + valid.sum()
        kept = valid & (number >= total - capacity)  # more rows than there are places: the newest stay
        at = jnp.where(kept, number % capacity, capacity)
        rows = self.buffer.rows.at[at].set(jnp.concatenate(columns(t), axis=1), mode="drop")
        assert t.uncertainty is not None
        size, ends = jnp.minimum(total, capacity).astype(self.buffer.size.dtype), rows[:, -1].sum()
        written = jnp.where(total < 2 * capacity, total, capacity + total % capacity)
        old = self.buffer
        return ImaginedBuffer(
            Buffer(rows, size, ends, old.obs_dim, old.action_dim, old.absorbing_rows),
            self.uncertainty.at[at].set(t.uncertainty, mode="drop"),
            written.astype(self.written.dtype),
        )


class ImaginedSource:
    """Rolls every seed's policy out in its model and remembers what happened.

    Args:
        imagination: when, from where and how far; its `rollouts` are called.
        pessimism: measures how unsure the model is.
        spec: of the task.
        seeds: how many run side by side.
        absorbing_rows: samples contain absorbing transitions, as `Buffer` has them.
    """

    def __init__(self, imagination: Any, pessimism: Any, spec: Spec, seeds: int, absorbing_rows: bool):
        self.imagination, self.pessimism, self.seeds = imagination, pessimism, seeds
        empty = ImaginedBuffer.empty(imagination.keep, spec, absorbing_rows)
        self.buffer: ImaginedBuffer = jax.tree.map(lambda x: jnp.stack([x] * seeds), empty)
        self.compiled: dict[int, Callable[..., Any]] = {}

    def advance(self, dynamics: Any, policies: Any, buffers: Any, keys: Key[Array, "S"], step: int) -> dict[str, Any]:
        """Roll out once, and write what counts; returns metrics [S].

        Args:
            dynamics, policies: of all seeds, stacked.
            buffers: the real data that rollouts start from.
            keys: of the seeds; the step is folded in.
            step: of training.
        """
        horizon = self.imagination.horizon_at(step)
        given, static = eqx.partition((dynamics, policies), eqx.is_array)
        if horizon not in self.compiled:
            self.compiled[horizon] = self._compile(static, horizon)
        self.buffer, metrics = self.compiled[horizon](self.buffer, given, buffers, keys, jnp.asarray(step))
        return metrics

    def _compile(self, static: Any, horizon: int) -> Callable[..., Any]:
        def one(ring: ImaginedBuffer, given: Any, buffers: Any, key: PRNGKeyArray, step: Array) -> Any:
            dynamics, policy = eqx.combine(given, static)
            ks, kr = jr.split(jr.fold_in(key, step))
            starts = self.imagination.start_states(buffers, self.imagination.starts, ks)
            rows = self.imagination.rollouts(dynamics, policy, self.pessimism, starts, horizon, kr)
            t, valid = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tuple(rows))
            count = jnp.maximum(valid.sum(), 1)
            metrics = {
                "imagined_length": valid.sum() / len(starts),
                "imagined_terminated": (t.terminated & valid).sum() / len(starts),
                "imagined_uncertainty": (t.uncertainty * valid).sum() / count,
            }
            return ring.write(t, valid), metrics

        return jit(over_seeds(one, self.seeds, shared=1), donate_argnums=0)
