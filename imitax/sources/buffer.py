"""Transitions on the device: one row each, gathered by index inside the jitted update."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.types import AnyArray, Transition

ABSORBING = -1
"""Row number that stands for the transition from the absorbing state to itself."""


class Buffer(eqx.Module):
    """Rows `[obs, action, reward, next_obs, terminated]` as float32, so that a batch is one gather.

    Rows 0 to `size` are filled. Writing past the capacity overwrites the oldest. A stacked buffer has a leading axis
    of seeds.

    Where `absorbing_rows` is set, samples contain absorbing transitions as if one followed every termination. All of
    them are alike, so none is stored: `absorbing` is how many there would be.
    """

    rows: Float[Array, "*S C W"]
    size: Int[Array, "*S"]
    absorbing: Float[Array, "*S"]
    obs_dim: int = eqx.field(static=True)
    action_dim: int = eqx.field(static=True)
    absorbing_rows: bool = eqx.field(static=True)

    @classmethod
    def empty(cls, capacity: int, obs_dim: int, action_dim: int, absorbing_rows: bool = False) -> "Buffer":
        """An empty ring of `capacity` rows."""
        rows = jnp.zeros((capacity, 2 * obs_dim + action_dim + 2))
        return cls(rows, jnp.zeros((), int), jnp.zeros(()), obs_dim, action_dim, absorbing_rows)

    def draw(self, count: int, key: PRNGKeyArray) -> Int[Array, "B"]:
        """`count` row numbers, uniformly with replacement; some are ABSORBING where the buffer has such rows."""
        rows = jr.randint(key, (count,), 0, self.size)
        if not self.absorbing_rows:
            return rows
        share = self.absorbing / (self.size + self.absorbing)
        return jnp.where(jr.bernoulli(jr.fold_in(key, 1), share, (count,)), ABSORBING, rows)

    def take(self, rows: Int[Array, "B"]) -> Transition:
        """The transitions of some rows."""
        t = unpack(self.rows[rows], self.obs_dim, self.action_dim)
        if not self.absorbing_rows:
            return t
        absorbing = rows == ABSORBING
        zeroed = [jnp.where(absorbing[:, None], 0, x) for x in (t.obs, t.action, t.next_obs)]
        return Transition(
            obs=zeroed[0],
            action=zeroed[1],
            reward=jnp.where(absorbing, 0, t.reward),
            next_obs=zeroed[2],
            terminated=t.terminated | absorbing,
            absorbing=absorbing,
        )

    def terminations(self, start: Int[Array, ""] | int, count: int) -> Float[Array, ""]:
        """How many rows terminated, in the places of rows number `start`, `start + 1`, ... of the stream."""
        return self.rows[self._places(start, count), -1].sum()

    def write(
        self, rows: Float[Array, "K W"], start: Int[Array, ""] | int, replaced: Float[Array, ""] | None = None
    ) -> "Buffer":
        """Write rows number `start`, `start + 1`, ... of the stream, at their number modulo the capacity.

        Args:
            replaced: the `terminations` of their places so far. A compiled function that is to write in place has to
                be given them: one that reads the places itself copies the whole buffer.
        """
        replaced = self.terminations(start, len(rows)) if replaced is None else replaced
        return Buffer(
            self.rows.at[self._places(start, len(rows))].set(rows),
            jnp.minimum(start + len(rows), len(self.rows)),
            self.absorbing + rows[:, -1].sum() - replaced,
            self.obs_dim,
            self.action_dim,
            self.absorbing_rows,
        )

    def _places(self, start: Int[Array, ""] | int, count: int) -> Int[Array, "K"]:
        return (start + jnp.arange(count)) % len(self.rows)


def columns(t: Transition) -> list[Any]:
    """What a row holds of a transition, in its order: [N, .] each."""
    return [t.obs, t.action, t.reward[:, None], t.next_obs, t.terminated[:, None]]


def pack(t: Transition) -> np.ndarray:
    """Rows [N, W] of host transitions."""
    return np.concatenate([np.asarray(c, np.float32) for c in columns(t)], axis=1)


def unpack(rows: Float[AnyArray, "N W"], obs_dim: int, action_dim: int) -> Transition:
    """Transitions of rows."""
    a, r = obs_dim, obs_dim + action_dim
    n = r + 1
    terminated = rows[:, n + obs_dim] > 0.5
    return Transition(
        rows[:, :a], rows[:, a:r], rows[:, r], rows[:, n : n + obs_dim], terminated, absorbing=terminated & False
    )


def stack(
    parts: list[np.ndarray], obs_dim: int, action_dim: int, absorbing: list[float], absorbing_rows: bool = False
) -> Buffer:
    """One buffer a seed, stacked along a leading axis; shorter ones are padded with rows that are never sampled.

    Args:
        parts: rows of each seed.
        absorbing: absorbing transitions that each seed's samples count with.
    """
    capacity = max(map(len, parts))
    rows = np.stack([np.pad(p, ((0, capacity - len(p)), (0, 0))) for p in parts])
    return Buffer(
        jax.device_put(rows),
        jnp.asarray([len(p) for p in parts]),
        jnp.asarray(absorbing, jnp.float32),
        obs_dim,
        action_dim,
        absorbing_rows,
    )
