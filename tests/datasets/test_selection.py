"""Demonstrations among recorded episodes."""

from dataclasses import replace

import pytest

from imitax.datasets import pool


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
