"""Transitions on the device: one row each, gathered by index inside the jitted update."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.types import AnyArray, Transition


class Buffer(eqx.Module):
    """Rows `[obs, action, reward, next_obs, terminated]` as float32, so that a batch is one gather.

    Rows 0 to `size` are filled. Writing past the capacity overwrites the oldest. A stacked buffer has a leading axis
    of seeds.
    """

    rows: Float[Array, "*S C W"]
    size: Int[Array, "*S"]
    obs_dim: int = eqx.field(static=True)
    action_dim: int = eqx.field(static=True)

    @classmethod
    def empty(cls, capacity: int, obs_dim: int, action_dim: int) -> "Buffer":
        """An empty ring of `capacity` rows."""
        return cls(jnp.zeros((capacity, 2 * obs_dim + action_dim + 2)), jnp.zeros((), int), obs_dim, action_dim)

    def draw(self, count: int, key: PRNGKeyArray) -> Int[Array, "B"]:
        """`count` row numbers, uniformly with replacement."""
        return jr.randint(key, (count,), 0, self.size)

    def take(self, rows: Int[Array, "B"]) -> Transition:
        """The transitions of some rows."""
        return unpack(self.rows[rows], self.obs_dim, self.action_dim)

    def write(self, rows: Float[Array, "K W"], start: Int[Array, ""] | int) -> "Buffer":
        """Write rows number `start`, `start + 1`, ... of the stream, at their number modulo the capacity."""
        capacity, count = len(self.rows), len(rows)
        at = (start + jnp.arange(count)) % capacity
        size = jnp.minimum(start + count, capacity)
        return Buffer(self.rows.at[at].set(rows), size, self.obs_dim, self.action_dim)


def pack(t: Transition) -> np.ndarray:
    """Rows [N, W] of host transitions."""
    columns = [t.obs, t.action, np.asarray(t.reward)[:, None], t.next_obs, np.asarray(t.terminated)[:, None]]
    return np.concatenate([np.asarray(c, np.float32) for c in columns], axis=1)


def unpack(rows: Float[AnyArray, "N W"], obs_dim: int, action_dim: int) -> Transition:
    """Transitions of rows."""
    a, r = obs_dim, obs_dim + action_dim
    n = r + 1
    return Transition(rows[:, :a], rows[:, a:r], rows[:, r], rows[:, n : n + obs_dim], rows[:, n + obs_dim] > 0.5)


def stack(parts: list[np.ndarray], obs_dim: int, action_dim: int) -> Buffer:
    """One buffer a seed, stacked along a leading axis; shorter ones are padded with rows that are never sampled."""
    capacity = max(map(len, parts))
    rows = np.stack([np.pad(p, ((0, capacity - len(p)), (0, 0))) for p in parts])
    return Buffer(jax.device_put(rows), jnp.asarray([len(p) for p in parts]), obs_dim, action_dim)
