"""Rings of transitions: what is written, overwritten, drawn and counted."""

import counting
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.buffers import ABSORBING, Buffer, Buffers, RolloutBuffer, Stored, stack_data
from imitax.sources import online
from imitax.spaces import Spec
from imitax.stacking import stack
from imitax.types import part


def test_the_replay_counts_terminations_as_they_are_overwritten():
    rng = np.random.default_rng(0)
    ended = rng.random(40) < 0.3
    ended[36] = True
    ones = np.ones(40, np.float32)
    data = Stored(np.ones((40, 2), np.float32), ones[:, None], ones, np.ones((40, 2), np.float32), ended)
    write = jax.jit(Buffer.write)
    buffer, start = Buffer.empty(7, Spec.flat(2, (-1.0,), (1.0,)), samples_absorbing=True), 0
    assert float(buffer.absorbing) == 0
    for count in (3, 4, 2, 7, 1, 5, 6, 7, 5):
        buffer = write(buffer, part(data, start, start + count), start)
        start += count
        assert float(buffer.absorbing) == ended[max(0, start - 7) : start].sum()
        assert int(buffer.size) == min(start, 7)
    share = float(buffer.absorbing / (buffer.absorbing + 7))
    t = buffer.take(buffer.draw(40_000, jr.key(1)))
    assert float(t.absorbing.mean()) == pytest.approx(share, abs=0.01)
    assert share > 0


def test_the_replay_is_written_in_place():
    spec = Spec.flat(3, (-1.0, -1.0), (1.0, 1.0))
    buffer = stack([Buffer.empty(10_000, spec)])
    data, at = stack([Stored.zeros(spec, 5)]), jnp.asarray(0)
    compiled = online._write.lower(buffer, data, at, online._terminations(buffer, at, 5)).compile()
    size = sum(x.nbytes for x in jax.tree.leaves(buffer.data))
    assert compiled.memory_analysis().temp_size_in_bytes < size / 100


def test_the_absorbing_index_is_a_transition_of_zeros():
    buffer = Buffer.empty(3, Spec.flat(2, (-1.0,), (1.0,)), samples_absorbing=True)
    ones = Stored(jnp.ones((3, 2)), jnp.ones((3, 1)), jnp.ones(3), jnp.ones((3, 2)), jnp.zeros(3, bool))
    t = buffer.write(ones, 0).take(jnp.array([1, ABSORBING]))
    for x in (t.obs, t.action, t.reward, t.next_obs):
        assert (np.asarray(x)[0] == 1).all()
        assert (np.asarray(x)[1] == 0).all()
    assert t.terminated.tolist() == t.absorbing.tolist() == [False, True]


def counted(values, uncertainty=0.5):
    """Steps from each number to the next; every third ends."""
    x = jnp.asarray(values, jnp.float32)
    n = len(x)
    ended = x % 3 == 0
    return Stored(x[:, None], x[:, None], x, x[:, None] + 1, ended, jnp.full(n, uncertainty) * x)


def test_the_ring_keeps_the_newest_transitions_that_count():
    ring = RolloutBuffer.empty(5, counting.SPEC)
    ring = ring.write(counted(range(6)), jnp.array([True, False, True, True, False, True]))  # 0 2 3 5
    assert (int(ring.written), int(ring.buffer.size)) == (4, 4)
    assert np.asarray(ring.buffer.data.obs[:4, 0]).tolist() == [0, 2, 3, 5]
    assert float(ring.buffer.absorbing) == 2  # 0 and 3 ended
    ring = ring.write(counted([7, 8, 9]), jnp.array([True, True, True]))
    assert (int(ring.written), int(ring.buffer.size)) == (7, 5)
    assert np.asarray(ring.buffer.data.obs[:, 0]).tolist() == [8, 9, 3, 5, 7]
    assert float(ring.buffer.absorbing) == 2  # 3 and 9
    taken = ring.take(jnp.array([0, 4]))
    assert np.asarray(taken.uncertainty).tolist() == [4.0, 3.5]
    assert np.asarray(taken.next_obs[:, 0]).tolist() == [9, 8]
    ring = ring.write(counted(range(20, 32)), jnp.ones(12, bool))  # more than there are places
    assert sorted(np.asarray(ring.buffer.data.obs[:, 0])) == [27, 28, 29, 30, 31]
    assert set(np.asarray(ring.draw(100, jr.key(0)))) == set(range(5))


def test_a_full_ring_can_be_written_for_ever():
    ring = RolloutBuffer.empty(5, counting.SPEC)
    for first in range(0, 40, 4):
        ring = ring.write(counted(range(first, first + 4)), jnp.ones(4, bool))
        assert int(ring.written) < 10
        newest = range(max(first - 1, 0), first + 4)
        assert {int(x): int(at) for at, x in enumerate(ring.buffer.data.obs[: len(newest), 0])} == {
            i: i % 5 for i in newest
        }


def test_shorter_buffers_are_padded_and_not_sampled():
    parts = [jax.tree.map(np.asarray, counted(values)._replace(uncertainty=None)) for values in ([1, 2, 4], [7])]
    both = stack_data(parts, [0.0, 0.0])
    assert both.size.tolist() == [3, 1]
    np.testing.assert_array_equal(both.data.obs[..., 0], [[1, 2, 4], [7, 0, 0]])
    second = jax.tree.map(lambda x: x[1], both)
    assert set(np.asarray(second.take(second.draw(50, jr.key(0))).reward)) == {7}


def test_a_batch_has_the_kinds_that_there_are():
    """Each kind is drawn by a key of its own, whatever else there is."""
    x, y = counting.buffer(range(50)), counting.buffer(range(100, 150))
    both = Buffers(expert=x, offline=y)
    batch = both.take(both.draw(20, jr.key(1)))
    assert batch.replay is batch.initial is batch.rollouts is None
    assert 0 <= float(batch.expert.obs.min()) <= float(batch.expert.obs.max()) < 50
    assert 100 <= float(batch.offline.obs.min()) <= float(batch.offline.obs.max()) < 150
    assert not np.array_equal(batch.expert.obs + 100, batch.offline.obs)
    assert len(both.draw(20, jr.key(1))) == len(batch)
    alone = Buffers(offline=y, recent=x)  # which is for turns
    np.testing.assert_array_equal(alone.take(alone.draw(20, jr.key(1))).offline.obs, batch.offline.obs)
