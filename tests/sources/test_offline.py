"""Recorded episodes on the device, and their share of absorbing transitions."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.datasets import Dataset, Episode, pool
from imitax.sources import episode_buffer, initial_buffer
from imitax.spaces import BoxActions, FiniteActions


def box(size):
    return BoxActions((-1.0,) * size, (1.0,) * size)


def episode(steps, terminated):
    return Episode(np.ones((steps + 1, 2)), np.ones((steps, 1)), np.ones(steps), terminated, not terminated)


def dataset(*ends):
    return Dataset(tuple(episode(n, terminated) for n, terminated in ends))


@pytest.mark.parametrize("subsample", [1, 4, 10])
def test_the_experts_absorbing_share(subsample):
    """DAC: absorbing transitions are never dropped, and weigh 1 / k: two of 40 steps, whatever is kept of these."""
    data = [dataset((20, True), (10, False), (10, True)), dataset((40, False))]
    buffer = episode_buffer(data, (0, 1), box(1), subsample, samples_absorbing=True)
    np.testing.assert_allclose(buffer.absorbing, [2 / subsample, 0])
    if subsample in (1, 10):  # which divide all lengths
        share = buffer.absorbing / (buffer.size + buffer.absorbing)
        np.testing.assert_allclose(share, [2 / 42, 0], rtol=1e-6)
    first = jax.tree.map(lambda x: x[0], buffer)
    t = first.take(first.draw(40_000, jr.key(0)))
    exact = 2 / subsample / (int(first.size) + 2 / subsample)
    assert float(t.absorbing.mean()) == pytest.approx(exact, abs=0.004)
    ended = np.asarray(t.absorbing)
    assert np.asarray(t.terminated)[ended].all()
    for x in (t.obs, t.action, t.next_obs, t.reward):
        assert (np.asarray(x)[ended] == 0).all()
        assert (np.asarray(x)[~ended] == 1).all()


def test_buffers_without_absorbing_transitions_draw_none():
    buffer = jax.tree.map(lambda x: x[0], episode_buffer([dataset((3, True))], (0,), box(1)))
    index = buffer.draw(500, jr.key(0))
    assert int(index.min()) == 0
    assert not buffer.take(index).absorbing.any()


def test_offsets_of_subsampling_do_not_depend_on_absorbing_transitions():
    data = [dataset((20, True))]
    plain, with_ends = (episode_buffer(data, (3,), box(1), 4, flag) for flag in (False, True))
    for left, right in zip(plain.data[:5], with_ends.data[:5], strict=True):
        np.testing.assert_array_equal(left, right)


def test_demonstrations_join_the_data_as_often_as_they_are_told(demos):
    def of(copies):
        return episode_buffer([pool(demos, demos, copies)], (0,), box(2), samples_absorbing=True)

    assert [int(of(c).size[0]) for c in (0, 1, 3)] == [demos.transition_count * (1 + c) for c in (0, 1, 3)]
    ends = sum(e.terminated for e in demos.episodes)
    assert float(of(3).absorbing[0]) == 4 * ends


def test_the_first_transitions_of_episodes():
    """Observations tell the episode and the step."""
    episodes = tuple(
        Episode(100 * i + np.arange(n + 1.0)[:, None], np.full((n, 2), i), np.ones(n), terminated=False, truncated=True)
        for i, n in enumerate((3, 1, 2))
    )
    buffer = initial_buffer([Dataset(episodes), Dataset(episodes[1:])], box(2))
    assert buffer.size.tolist() == [3, 2]
    np.testing.assert_array_equal(buffer.data.obs[:, :, 0], [[0, 100, 200], [100, 200, 0]])
    np.testing.assert_array_equal(buffer.data.next_obs[0, :, 0], [1, 101, 201])
    np.testing.assert_array_equal(buffer.data.action[0, :, 1], [0, 1, 2])


def test_episodes_without_actions_have_zeros():
    bare = Dataset((Episode(np.ones((4, 2)), None, np.ones(3), terminated=False, truncated=True),))
    buffer = episode_buffer([bare], (0,), box(3))
    np.testing.assert_array_equal(buffer.data.action, np.zeros((1, 3, 3)))
    assert buffer.data.reward.dtype == jnp.float32


def test_integers_are_stored_one_hot():
    data = Dataset((Episode(np.ones((4, 2)), np.array([[1], [-1], [0]]), None, terminated=False, truncated=True),))
    buffer = episode_buffer([data], (0,), FiniteActions((3,), (-1,)))
    np.testing.assert_array_equal(buffer.data.action[0], [[0, 0, 1], [1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("subsample", [1, 2])
def test_the_next_actions_end_with_the_episode(subsample):
    """Steps are not subsampled inside of a chunk; what follows the last action repeats it, and does not count."""
    episodes = tuple(
        Episode(np.zeros((n + 1, 1)), np.arange(10 * n, 10 * n + n)[:, None] / 100, None, False, True) for n in (4, 2)
    )
    buffer = episode_buffer([Dataset(episodes)], (0,), box(1), subsample, horizon=3)
    actions = np.round(np.asarray(buffer.data.action[0]) * 100).astype(int).tolist()
    recorded = np.asarray(buffer.data.recorded[0]).astype(int).tolist()
    whole = {40: [40, 41, 42], 41: [41, 42, 43], 42: [42, 43, 43], 43: [43, 43, 43], 20: [20, 21, 21], 21: [21, 21, 21]}
    there = {40: [1, 1, 1], 41: [1, 1, 1], 42: [1, 1, 0], 43: [1, 0, 0], 20: [1, 1, 0], 21: [1, 0, 0]}
    assert len(actions) == {1: 6, 2: 3}[subsample]
    for row, mask in zip(actions, recorded, strict=True):
        assert (row, mask) == (whole[row[0]], there[row[0]])


def test_the_next_actions_of_a_finite_set():
    data = Dataset((Episode(np.zeros((3, 1)), np.array([[-1], [1]]), None, True, False),))
    buffer = episode_buffer([data], (0,), FiniteActions((3,), (-1,)), horizon=2)
    np.testing.assert_array_equal(buffer.data.action[0], [[1, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 1]])
    np.testing.assert_array_equal(buffer.data.recorded[0], [[True, True], [True, False]])
