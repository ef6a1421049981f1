"""Transitions on the device, gathered by index inside the jitted update."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from imitax.spaces import Spec
from imitax.types import AnyArray, Batch, Obs, Transition

ABSORBING = -1
"""Index that stands for the transition from the absorbing state to itself."""


class Stored(NamedTuple):
    """What a buffer stores of transitions: leaves with the axes [*S C ...]."""

    obs: Obs
    action: Float[AnyArray, "*S C A"]
    reward: Float[AnyArray, "*S C"]
    next_obs: Obs
    terminated: Bool[AnyArray, "*S C"]
    uncertainty: Float[AnyArray, "*S C"] | None = None
    recorded: Bool[AnyArray, "*S C H"] | None = None

    @classmethod
    def of(cls, t: Transition) -> "Stored":
        """Transitions without their mark of the absorbing state."""
        return cls(t.obs, t.action, t.reward, t.next_obs, t.terminated, t.uncertainty, t.recorded)

    @classmethod
    def zeros(cls, spec: Spec, count: int, uncertainty: bool = False) -> "Stored":
        """`count` transitions of zeros."""
        obs, zeros = spec.observation.zeros(count), jnp.zeros(count)
        action = jnp.zeros((count, spec.action_dim))
        return cls(obs, action, zeros, obs, zeros > 0, zeros if uncertainty else None)


class Buffer(eqx.Module):
    """A ring of transitions; a stacked buffer has a leading axis of seeds.

    Places 0 to `size` are filled. Writing past the capacity overwrites the oldest.

    Where `samples_absorbing` is set, samples contain absorbing transitions as if one followed every termination. All
    of them are alike, so none is stored: `absorbing` is how many there would be.
    """

    data: Stored
    size: Int[Array, "*S"]
    absorbing: Float[Array, "*S"]
    samples_absorbing: bool = eqx.field(static=True)

    @classmethod
    def empty(cls, capacity: int, spec: Spec, samples_absorbing: bool = False) -> "Buffer":
        """An empty ring of `capacity` places."""
        return cls(Stored.zeros(spec, capacity), jnp.zeros((), int), jnp.zeros(()), samples_absorbing)

    @property
    def capacity(self) -> int:
        """Places of one seed's ring."""
        return self.data.reward.shape[-1]

    def draw(self, count: int, key: PRNGKeyArray) -> Int[Array, "B"]:
        """`count` indices, uniformly with replacement; some are ABSORBING where the buffer samples such transitions."""
        index = self.draw_stored(count, key)
        if not self.samples_absorbing:
            return index
        share = self.absorbing / (self.size + self.absorbing)
        return jnp.where(jr.bernoulli(jr.fold_in(key, 1), share, (count,)), ABSORBING, index)

    def draw_stored(self, count: int, key: PRNGKeyArray) -> Int[Array, "B"]:
        """`count` indices of stored transitions, uniformly with replacement."""
        return jr.randint(key, (count,), 0, self.size)

    def evenly(self, count: int) -> Int[Array, "B"]:
        """`count` evenly spaced indices of stored transitions; of fewer than `count`, some more than once."""
        return jnp.arange(count) * self.size // count

    def take(self, index: Int[Array, "B"]) -> Transition:
        """The transitions at some indices."""
        t = jax.tree.map(lambda x: x[index], self.data)
        absorbing = jnp.zeros(index.shape, bool)
        if self.samples_absorbing:
            absorbing = index == ABSORBING
            t = jax.tree.map(lambda x: jnp.where(absorbing.reshape(-1, *(1,) * (x.ndim - 1)), jnp.zeros_like(x), x), t)
        ended = t.terminated | absorbing
        return Transition(t.obs, t.action, t.reward, t.next_obs, ended, absorbing, t.uncertainty, t.recorded)

    def terminations(self, start: Int[Array, ""] | int, count: int) -> Float[Array, ""]:
        """How many of the `count` places that transition number `start` and its followers go to hold terminations."""
        return self.data.terminated[self._places(start, count)].sum().astype(float)

    def write(self, t: Stored, start: Int[Array, ""] | int, replaced: Float[Array, ""] | None = None) -> "Buffer":
        """Write transitions number `start`, `start + 1`, ... of a stream, at their number modulo the capacity.

        Args:
            t: K transitions.
            start: number of the first.
            replaced: the `terminations` of their places so far. A compiled function that is to write in place has to
                be given them: one that reads the places itself copies the whole buffer.
        """
        count = t.reward.shape[0]
        replaced = self.terminations(start, count) if replaced is None else replaced
        places = self._places(start, count)
        return Buffer(
            jax.tree.map(lambda old, new: old.at[places].set(new), self.data, t),
            jnp.minimum(start + count, self.capacity),
            self.absorbing + t.terminated.sum() - replaced,
            self.samples_absorbing,
        )

    def _places(self, start: Int[Array, ""] | int, count: int) -> Int[Array, "K"]:
        return (start + jnp.arange(count)) % self.capacity


class RolloutBuffer(eqx.Module):
    """A ring of model transitions, written without those that do not count."""

    buffer: Buffer
    written: Int[Array, "*S"]
    """Transitions that were written, less whole turns of a full ring: it must not outgrow its integer."""

    @classmethod
    def empty(cls, capacity: int, spec: Spec, samples_absorbing: bool = False) -> "RolloutBuffer":
        """A ring of `capacity` places."""
        data = Stored.zeros(spec, capacity, uncertainty=True)
        return cls(Buffer(data, jnp.zeros((), int), jnp.zeros(()), samples_absorbing), jnp.zeros((), int))

    def draw(self, count: int, key: PRNGKeyArray) -> Int[Array, "B"]:
        """Indices, as `Buffer.draw`."""
        return self.buffer.draw(count, key)

    def take(self, index: Int[Array, "B"]) -> Transition:
        """The transitions at some indices."""
        return self.buffer.take(index)

    def write(self, t: Stored, mask: Bool[Array, "B"]) -> "RolloutBuffer":
        """Append the transitions whose mask is True, over the oldest ones."""
        capacity = self.buffer.capacity
        number = self.written + jnp.cumsum(mask) - 1
        total = self.written + mask.sum()
        kept = mask & (number >= total - capacity)  # more transitions than places: the newest stay
        at = jnp.where(kept, number % capacity, capacity)
        data = jax.tree.map(lambda old, new: old.at[at].set(new, mode="drop"), self.buffer.data, t)
        size = jnp.minimum(total, capacity).astype(self.buffer.size.dtype)
        written = jnp.where(total < 2 * capacity, total, capacity + total % capacity)
        ends = data.terminated.sum().astype(self.buffer.absorbing.dtype)
        buffer = Buffer(data, size, ends, self.buffer.samples_absorbing)
        return RolloutBuffer(buffer, written.astype(self.written.dtype))


class Buffers(NamedTuple):
    """The data that batches are drawn from, with a leading axis of seeds outside jit; None where not needed."""

    expert: Buffer | None = None
    replay: Buffer | None = None
    initial: Buffer | None = None
    offline: Buffer | None = None
    rollouts: RolloutBuffer | None = None
    recent: Buffer | None = None
    """The latest transitions of the replay, which turns draw from; no batch has them."""
    held_out: Buffer | None = None
    """Transitions of demonstrations that are not learned from, for turns that compare; no batch has them."""

    def draw(self, count: int, key: PRNGKeyArray) -> tuple[Int[Array, "B"] | None, ...]:
        """Indices of a batch of `count` transitions of each kind (one seed's buffers, inside jit)."""
        drawn = self[: len(Batch._fields)]
        keys = [*jr.split(key, 2), *(jr.fold_in(key, i) for i in range(2, len(drawn)))]
        return tuple(None if b is None else b.draw(count, k) for b, k in zip(drawn, keys, strict=True))

    def take(self, index: tuple[Int[Array, "B"] | None, ...]) -> Batch:
        """The transitions at drawn indices."""
        pairs = zip(self[: len(Batch._fields)], index, strict=True)
        return Batch(*(None if b is None or i is None else b.take(i) for b, i in pairs))


def stack_data(parts: list[Stored], absorbing: list[float], samples_absorbing: bool = False) -> Buffer:
    """One buffer per seed, stacked along a leading axis; shorter ones are padded with transitions never sampled.

    Args:
        parts: host transitions of each seed.
        absorbing: absorbing transitions that each seed's samples count with.
        samples_absorbing: samples contain absorbing transitions.
    """
    capacity = max(len(p.reward) for p in parts)

    def stack(*leaves: np.ndarray) -> Array:
        padded = [np.pad(x, ((0, capacity - len(x)), *((0, 0),) * (x.ndim - 1))) for x in leaves]
        return jax.device_put(np.stack(padded))

    sizes = jnp.asarray([len(p.reward) for p in parts])
    return Buffer(jax.tree.map(stack, *parts), sizes, jnp.asarray(absorbing, jnp.float32), samples_absorbing)
