"""One judgement over several sets of episodes."""

from dataclasses import replace

import numpy as np
import pytest
from walks import SETS

from imitax.datasets import Dataset, Episode
from imitax.errors import DataError
from imitax.rewards import judge, samples_of


def test_the_truth_agrees_with_itself():
    found = judge(lambda obs, action, *_: 5 * action[:, 0] + 1, SETS, expert="expert")
    for row in (*found["sets"].values(), found["all"]):
        assert row["pearson"].value == pytest.approx(1)
        assert row["spearman"].value == pytest.approx(1)
        assert row["starc"].value < 0.05
        assert row["kendall"].value == pytest.approx(1)
    assert found["sets"]["expert"]["episodes"] == 6
    assert found["sets"]["expert"]["transitions"] == 180
    assert found["sets"]["expert"]["return"] == pytest.approx(SETS["expert"].returns.mean(), rel=1e-5)
    assert len(found["margins"]) == 3


def test_a_reward_that_ranks_upside_down():
    found = judge(lambda obs, action, *_: -action[:, 0], SETS)
    assert found["all"]["kendall"].value == pytest.approx(-1)
    assert found["all"]["starc"].value > 0.9
    assert found["margins"] == []


def test_what_cannot_be_judged():
    with pytest.raises(DataError, match="at least one set"):
        judge(lambda *_: None, {})
    with pytest.raises(DataError, match="expert: 180 of 180 rewards are not finite"):
        judge(lambda obs, *_: np.full(len(obs), np.nan), SETS)
    with pytest.raises(DataError, match=r"expert: a reward function returns one number .* not \(180, 1\)"):
        judge(lambda obs, *_: obs[:, :1], SETS)
    with pytest.raises(DataError, match="unknown set 'best'"):
        judge(lambda obs, *_: obs[:, 0], SETS, expert="best")
    blind = Dataset(tuple(Episode(e.observations, e.actions, None, False, True) for e in SETS["bad"].episodes))
    with pytest.raises(DataError, match="actions and recorded rewards"):
        samples_of(blind)


def test_of_a_large_set_whole_episodes_are_taken(monkeypatch):
    monkeypatch.setattr("imitax.rewards.judging.MOST", 100)
    samples, rewards = samples_of(SETS["expert"])
    assert samples.episode.max() + 1 == 3
    assert len(rewards) == 90


@pytest.mark.parametrize("level", [-5.0, 0.0, 2.0])
def test_a_level_that_goes_on_after_the_end_changes_nothing(level):
    """Every step has it, those after the end too: policies are preferred as without it."""
    episodes = [replace(e, terminated=i % 2 == 0, truncated=i % 2 == 1) for i, e in enumerate(SETS["expert"].episodes)]
    data = {"some": Dataset(tuple(episodes))}
    found = judge(lambda obs, action, *_: action[:, 0] + level, data, after_end=level)
    assert found["all"]["starc"].value < 1e-3

    def stays(obs, action, following, terminated):  # where every end has its own reward, here all the same
        return np.where(terminated, level, action[:, 0] + level)

    truth = judge(lambda *given: np.where(given[3], 0, given[1][:, 0]), data)
    again = judge(stays, data, after_end=None)
    assert again["sets"]["some"]["kendall"].value == pytest.approx(truth["sets"]["some"]["kendall"].value)
    assert again["all"]["starc"].value == pytest.approx(truth["all"]["starc"].value, abs=1e-3)


def test_a_reward_of_states_has_no_margins_and_one_episode_no_ranks():
    one = Dataset(SETS["expert"].episodes[:1])
    found = judge(lambda obs, *_: obs[:, 0], {"one": one}, expert="one")
    assert found["margins"] == []
    assert np.isnan(found["all"]["kendall"].value)
