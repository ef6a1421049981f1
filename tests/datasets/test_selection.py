"""Which episodes a seed draws."""

from dataclasses import replace

import pytest
from toy_datasets import counted

from imitax.datasets import select
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
