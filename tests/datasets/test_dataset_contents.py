import json
from dataclasses import replace

import numpy as np
import pytest

from imitax.datasets import Dataset, Episode, load, normalization, select, summary, validate
from imitax.types import Transition


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


def counted(*lengths, terminated=True):
    """Episodes whose observation t is 100 times the episode's number plus t."""
    return Dataset(
        tuple(
            Episode(100 * i + np.arange(n + 1.0)[:, None], np.zeros((n, 1)), np.arange(float(n)), terminated, False)
            for i, n in enumerate(lengths)
        )
    )


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


def test_selection_is_seeded_disjoint_and_whole():
    dataset = counted(*range(3, 23))
    chosen = select(dataset, episodes=8, validation_episodes=3, seed=5)
    again = select(replace(dataset, name="renamed"), episodes=8, validation_episodes=3, seed=5)
    assert (chosen.train_indices, chosen.validation_indices) == (again.train_indices, again.validation_indices)
    assert chosen.train.hash() == again.train.hash()
    assert len(chosen.train_indices) == 5
    assert len(chosen.validation_indices) == 3
    assert not set(chosen.train_indices) & set(chosen.validation_indices)
    for part, indices in ((chosen.train, chosen.train_indices), (chosen.validation, chosen.validation_indices)):
        assert all(part.episodes[k] is dataset.episodes[i] for k, i in enumerate(indices))
    draws = {select(dataset, episodes=8, seed=seed).train_indices for seed in range(10)}
    assert len(draws) == 10
    assert set().union(*draws) > set(range(8))  # not the first ones
    assert set(select(dataset, episodes=5, seed=5).train_indices) < set(
        select(dataset, episodes=8, seed=5).train_indices
    )


def test_selecting_everything_keeps_the_hash(dataset):
    everything = select(dataset, episodes=None, seed=3)
    assert everything.train.hash() == dataset.hash()
    assert everything.validation is None
    assert select(dataset, episodes=4, seed=9).train.hash() == dataset.hash()


def test_selection_is_stable_across_versions():
    assert select(counted(*[2] * 25), episodes=10, seed=0).train_indices == (1, 2, 4, 5, 6, 7, 9, 12, 15, 16)


def test_normalization_known_answer():
    obs = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 1e-4], [77.0, 77.0, 77.0]])
    mean, std = normalization(load([{"observations": obs, "terminated": True}]))  # the final row starts no transition
    np.testing.assert_allclose(mean, [2, 5, 5e-5], rtol=1e-6)
    np.testing.assert_array_equal(std, np.float32([1, 1, 1]))
    assert mean.dtype == std.dtype == np.float32


def test_normalization_uses_float64():
    obs = np.tile(np.float32([[10000.0], [10000.01]]), (50000, 1))
    flat = Transition(obs, np.zeros((len(obs), 0)), np.zeros(len(obs)), obs, *[np.zeros(len(obs), bool)] * 2)
    mean, std = normalization(flat)
    np.testing.assert_allclose(mean, obs.mean(dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(std, obs.std(dtype=np.float64), rtol=1e-6)


def test_normalization_does_not_blow_up_on_constant_dimensions():
    mean, std = normalization(load([{"observations": np.ones((5, 2)), "terminated": True}]))
    assert np.abs((np.array([3.0, 0.0]) - mean) / std).max() <= 2


def test_summary(dataset):
    numbers = summary(dataset)
    json.dumps(numbers)
    assert (numbers["episodes"], numbers["transitions"], numbers["terminated_share"]) == (4, 17, 0.5)
    assert (numbers["length_min"], numbers["length_max"], numbers["length_mean"]) == (1, 7, 4.25)
    assert numbers["return_mean"] == pytest.approx(dataset.returns.mean())
    assert numbers["return_sd"] == pytest.approx(dataset.returns.std())
    assert (numbers["obs_dim"], numbers["action_dim"], numbers["hash"]) == (4, 2, dataset.hash())
    every = np.concatenate([episode.observations for episode in dataset.episodes])
    assert numbers["obs_max"] == every.max(0).tolist()
    bare = summary(load([{"observations": every, "terminated": False}]))
    assert bare["return_mean"] is bare["action_dim"] is bare["action_max"] is None


def test_a_zero_observation_that_the_task_visits_is_no_damage():
    walk = np.array([[1.0], [0.0], [1.0], [0.0]])
    validate(load([{"observations": walk, "terminated": True}]))
