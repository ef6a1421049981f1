"""Episodes and datasets of them: sizes, hashes, transitions."""

from dataclasses import replace

import numpy as np
import pytest
from toy_datasets import OBS, counted

from imitax.datasets import Dataset, Episode, load
from imitax.errors import DataError


def test_episode_is_float32_and_frozen():
    observations = np.arange(6.0).reshape(3, 2)
    episode = Episode(observations, np.ones((2, 1)), np.array([1e8, 1.0]), False, False)
    observations[0] = 9
    assert episode.observations.dtype == episode.actions.dtype == episode.rewards.dtype == np.float32
    assert episode.observations[0].tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        episode.observations[0] = 9
    assert len(episode) == 2
    assert episode.ret == 100000001.0  # float32 would say 1e8
    assert episode.truncated  # it did not terminate


def test_sizes(dataset):
    assert (dataset.obs_dim, dataset.action_dim, dataset.has_actions, dataset.has_rewards) == (4, 2, True, True)
    assert dataset.lengths.tolist() == [5, 7, 1, 4]
    assert dataset.transition_count == 17
    assert dataset.returns.dtype == np.float64
    assert dataset.returns.tolist() == [episode.ret for episode in dataset.episodes]


def test_hash_covers_the_content_and_nothing_else(dataset):
    first, *rest = dataset.episodes
    same = replace(dataset, name="other", attributes={}, action_low=None, action_high=None)
    assert same.hash() == replace(dataset, env_kwargs=dict(reversed(dataset.env_kwargs.items()))).hash()
    assert same.hash() == dataset.hash()
    changed = first.actions.copy()
    changed[0, 0] = np.nextafter(changed[0, 0], np.float32(2))
    others = [
        replace(dataset, env_id="Hopper-v4"),
        replace(dataset, env_kwargs={}),
        replace(dataset, episodes=(*rest, first)),
        replace(dataset, episodes=(replace(first, actions=changed), *rest)),
        replace(dataset, episodes=(replace(first, terminated=False), *rest)),
        replace(dataset, episodes=(replace(first, truncated=True), *rest)),
        replace(dataset, episodes=tuple(replace(e, rewards=None) for e in dataset.episodes)),
    ]
    assert len({dataset.hash(), *(other.hash() for other in others)}) == 8


def test_hash_is_stable_across_versions():
    """Published scores name it, so a change here breaks them."""
    episode = Episode(np.ones((2, 1)), np.zeros((1, 1)), np.zeros(1), True, False)
    expected = "ea0981921f78ed91d53956cafb084e6ca1f95e02fe724338445578ed5dab355b"
    assert Dataset((episode,), env_id="Toy-v0", env_kwargs={"a": 1}).hash() == expected


def test_subsample_keeps_every_kth_transition_from_a_random_offset():
    dataset = counted(10, 3)
    whole = dataset.transitions()
    assert whole.obs[:, 0].tolist() == [*range(10), 100, 101, 102]
    assert whole.terminated.tolist() == [False] * 9 + [True, False, False, True]
    offsets = set()
    for seed in range(40):
        part = dataset.transitions(4, seed)
        rows = part.obs[:, 0]
        first, second = int(rows[0]), int(rows[-1]) - 100
        offsets.add((first, second))
        assert rows.tolist() == [*range(first, 10, 4), 100 + second]
        np.testing.assert_array_equal(part.next_obs[:, 0], rows + 1)
        np.testing.assert_array_equal(part.reward, rows % 100)
        np.testing.assert_array_equal(part.terminated, np.isin(rows, [9, 102]))
    assert {first for first, _ in offsets} == {0, 1, 2, 3}
    assert {second for _, second in offsets} == {0, 1, 2}
    np.testing.assert_array_equal(dataset.transitions(4, 7).obs, dataset.transitions(4, 7).obs)


def test_a_truncated_episode_never_terminates():
    assert not counted(5, 5, terminated=False).transitions().terminated.any()


def test_other_bad_arguments(dataset):
    with pytest.raises(DataError, match="subsample must be at least 1"):
        dataset.transitions(0)
    with pytest.raises(DataError, match="numbers, text, lists and dicts only"):
        replace(dataset, env_kwargs={"a": object()}).hash()
    with pytest.raises(DataError, match="bounds have 3 dimensions, the actions 2"):
        replace(dataset, action_low=(0.0, 0.0, 0.0))
    with pytest.raises(DataError, match="no rewards"):
        _ = load([{"observations": OBS, "terminated": True}]).returns


def test_integer_actions_stay_integers_and_have_the_hash_of_their_floats():
    whole = counted_with(np.array([[1], [0]]))
    assert whole.episodes[0].actions.dtype == np.int64
    assert whole.actions.tolist() == [[1], [0]]
    assert whole.transitions().action.dtype == np.float32
    assert whole.hash() == counted_with(np.array([[1.0], [0.0]])).hash()
    with pytest.raises(DataError, match="no actions"):
        _ = counted_with(None).actions


def counted_with(actions):
    return Dataset((Episode(np.zeros((3, 1)), actions, None, True, False),))


def test_actions_of_several_dimensions_are_flattened():
    """As the environment's MultiDiscrete([[2, 3], [4, 2]]) takes them."""
    actions = np.arange(12).reshape(3, 2, 2)
    episode = Episode(np.zeros((4, 1)), actions, None, True, False)
    assert episode.actions.tolist() == actions.reshape(3, 4).tolist()
