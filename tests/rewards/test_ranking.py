"""Whether a reward prefers what is better."""

import numpy as np
import pytest

from imitax.rewards import Samples, kendall, learned_returns, margins

EPISODE = np.array([0, 0, 1, 1, 1])


def test_returns_by_hand():
    rewards = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    ends = np.array([False, True, False, False, False])
    assert learned_returns(rewards, EPISODE, ends).tolist() == [3, 12]
    assert learned_returns(rewards, EPISODE, ends, after_end=-2.0).tolist() == [1, 12]  # one step less than the other
    assert learned_returns(rewards, EPISODE, ends, after_end=-2.0, horizon=5).tolist() == [-3, 12]
    assert learned_returns(rewards, EPISODE, ends, after_end=None, horizon=5).tolist() == [3 + 3 * 2, 12]  # its own
    cut = np.zeros(5, bool)
    assert learned_returns(rewards, EPISODE, cut, after_end=-2.0).tolist() == [3, 12]  # nobody ended


def test_kendalls_tau_by_hand():
    assert kendall(np.arange(4.0), 10 * np.arange(4.0)).value == pytest.approx(1)
    assert kendall(np.arange(4.0), np.array([1.0, 2.0, 4.0, 3.0])).value == pytest.approx(4 / 6)
    assert kendall(np.arange(3.0), -np.arange(3.0)).value == pytest.approx(-1)


@pytest.fixture
def demonstrations():
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(400, 1))
    action = np.clip(0.5 * obs, -1, 1)
    return Samples(obs, action, obs, np.zeros(400, bool), np.repeat(np.arange(4), 100))


def test_a_reward_of_the_experts_action_has_a_margin_that_grows_with_the_noise(demonstrations):
    found = margins(demonstrations, lambda obs, action, *_: -((action - 0.5 * obs) ** 2)[:, 0] + obs[:, 0])
    assert [m.noise for m in found] == [0.1, 0.3, 1.0]
    assert all(m.preferred.value > 0.9 for m in found)
    assert 0 < found[0].margin.value < found[1].margin.value < found[2].margin.value


def test_a_reward_of_states_has_none(demonstrations):
    for margin in margins(demonstrations, lambda obs, *_: obs[:, 0]):
        assert margin.preferred.value == margin.margin.value == 0
