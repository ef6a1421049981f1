"""Which episodes a seed draws, and demonstrations among recorded ones."""

from dataclasses import replace

import pytest
from toy_datasets import counted

from imitax.datasets import pool, select
from imitax.errors import DataError


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"episodes": 5, "seed": 0}, "5 episodes are wanted, but demo has too few: 4"),
        ({"episodes": 0, "seed": 0}, "episodes must be at least 1, got 0"),
        ({"episodes": 3, "seed": -1}, "seed must be at least 0"),
        ({"episodes": 3, "validation_episodes": 3, "seed": 0}, "below the 3 episodes drawn"),
        ({"episodes": 3, "validation_episodes": -1, "seed": 0}, "validation_episodes must be at least 0"),
    ],
)
def test_bad_selection(dataset, arguments, message):
    with pytest.raises(DataError, match=message):
        select(replace(dataset, name="demo"), **arguments)


@pytest.mark.parametrize("copies", [0, 1, 3])
def test_recorded_episodes_come_before_the_copies_of_demonstrations(copies, demos):
    recorded = replace(demos, episodes=demos.episodes[:2], name="recorded")
    shown = replace(demos, episodes=demos.episodes[2:5])
    both = pool(recorded, shown, copies)
    assert both.name == "recorded"
    assert both.episodes == recorded.episodes + shown.episodes * copies
    bare = replace(shown, episodes=tuple(replace(e, rewards=None) for e in shown.episodes))
    for mix in (pool(recorded, bare, copies), pool(bare, recorded, copies)):
        assert len(mix.episodes) in (2 + 3 * copies, 3 + 2 * copies)
        assert all(e.rewards is None for e in mix.episodes)
