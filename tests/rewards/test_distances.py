"""Distances between rewards: what shaping and scale change, and what they do not."""

import numpy as np
import pytest

from imitax.errors import ConfigError, DataError
from imitax.rewards import Samples, canonical, epic, pearson, pearson_distance, spearman, starc, starc_distance

GAMMA = 0.9


@pytest.fixture(scope="module")
def walk():
    """Twenty episodes of a random walk, half of which end by themselves."""
    rng = np.random.default_rng(0)
    episodes, steps = 20, 50
    action = rng.uniform(-1, 1, (episodes, steps, 1))
    path = 0.3 * np.cumsum(np.concatenate([np.zeros((episodes, 1, 1)), action], 1), 1)
    obs = np.concatenate([path, np.sin(3 * path)], 2)
    end = np.zeros((episodes, steps), bool)
    end[::2, -1] = True
    flat = [x.reshape(episodes * steps, -1) for x in (obs[:, :-1], action, obs[:, 1:])]
    return Samples(flat[0], flat[1], flat[2], end.ravel(), np.repeat(np.arange(episodes), steps))


def goal(obs, action, next_obs, terminated):
    return -((obs[:, 0] - 1) ** 2) - 0.1 * action[:, 0] ** 2


def shaped(obs, action, next_obs, terminated):
    after = np.where(terminated, 0.0, np.cos(next_obs[:, 0]))
    return 3 * goal(obs, action, next_obs, terminated) + GAMMA * after - np.cos(obs[:, 0])


def unrelated(obs, action, next_obs, terminated):
    return np.sin(7 * action[:, 0])


def opposite(*transition):
    return -goal(*transition)


def vector(*values):
    return np.array(values, float)


def test_correlations_by_hand():
    assert pearson(vector(1, 2, 4), vector(2, 4, 8)) == pytest.approx(1)
    assert pearson(vector(1, 2, 3), vector(1, 3, 2)) == pytest.approx(0.5)
    assert spearman(vector(1, 2, 30), vector(5, 6, 6.5)) == pytest.approx(1)
    assert spearman(vector(1, 2, 3, 4), vector(1, 2, 4, 3)) == pytest.approx(0.8)
    assert np.isnan(pearson(vector(1, 1, 1), vector(1, 2, 3)))
    assert np.isnan(spearman(vector(1, 2, 3), np.full(3, 0.1 + 1e9)))
    assert pearson_distance(vector(1, 2, 3), vector(3, 2, 1)) == pytest.approx(1)
    assert pearson_distance(vector(1, 2, 3), vector(1, 3, 2)) == pytest.approx(0.5)


def test_starc_distance_by_hand():
    assert starc_distance(vector(1.0, 0.0), vector(5.0, 0.0)) == 0
    assert starc_distance(vector(1.0, 0.0), vector(-2.0, 0.0)) == 1
    assert starc_distance(vector(1.0, 0.0), vector(0.0, 3.0)) == pytest.approx(np.sqrt(2) / 2)
    assert starc_distance(vector(0.0, 0.0), vector(0.0, 0.0)) == 0
    assert starc_distance(vector(0.0, 0.0), vector(0.0, 3.0)) == 0.5


def test_a_canonical_reward_has_no_constant_and_little_of_a_potential(walk):
    rewards = walk.under(goal)
    c = canonical(walk, rewards, GAMMA)
    still = walk._replace(terminated=np.zeros(len(rewards), bool))
    assert np.abs(canonical(still, np.ones(len(rewards)), GAMMA)).max() < 0.01
    difference = canonical(walk, walk.under(shaped), GAMMA) / 3 - c
    assert np.sqrt((difference**2).mean()) < 0.02 * np.sqrt((c**2).mean())


@pytest.mark.parametrize("kind", ["starc", "epic"])
def test_equivalent_opposite_and_unrelated(kind, walk):
    def distance(first, second):
        if kind == "starc":
            return starc(walk, walk.under(first), walk.under(second), GAMMA)
        return epic(walk, first, second, GAMMA)

    same, against, other = (distance(goal, second) for second in (shaped, opposite, unrelated))
    assert same.value < 0.02
    assert against.value == pytest.approx(1)
    assert 0.6 < other.value < 0.8
    for estimate in (same, against, other):
        assert estimate.low <= estimate.value + 1e-9
        assert estimate.value <= estimate.high + 1e-9
    assert distance(goal, shaped) == same  # the same seed draws the same


def test_shaping_spoils_the_correlation_and_epic_mends_it(walk):
    def much(obs, action, next_obs, terminated):
        return goal(obs, action, next_obs, terminated) + 30 * (GAMMA * np.cos(next_obs[:, 0]) - np.cos(obs[:, 0]))

    endless = walk._replace(terminated=np.zeros(len(walk.obs), bool))
    assert pearson_distance(walk.under(goal), walk.under(much)) > 0.3
    assert epic(endless, goal, much, GAMMA).value < 1e-6


def test_few_episodes_have_no_interval(walk):
    few = Samples(*(x[:100] for x in walk))
    assert np.isnan(starc(few, few.under(goal), few.under(goal), GAMMA).low)


def test_rewards_that_are_not_finite(walk):
    broken = walk.under(goal)
    broken[3] = np.inf
    with pytest.raises(DataError, match="1 of 1000 rewards are not finite"):
        starc(walk, broken, walk.under(goal), GAMMA)
    with pytest.raises(DataError, match="not finite"):
        epic(walk, lambda obs, *_: np.full(len(obs), np.nan), goal, GAMMA)


@pytest.mark.parametrize("level", [1.0, 100.0])
@pytest.mark.parametrize("kind", [starc, epic])
def test_the_level_of_a_potential_is_not_seen_where_episodes_end(kind, level, walk):
    """It is 0 after the end, whatever it is before it."""

    def lifted(level):
        def reward(obs, action, next_obs, terminated):
            after = np.where(terminated, 0.0, level + next_obs[:, 0])
            return goal(obs, action, next_obs, terminated) + GAMMA * after - level - obs[:, 0]

        return reward if kind is epic else walk.under(reward)

    here = kind(walk, goal if kind is epic else walk.under(goal), lifted(0.0), GAMMA).value
    assert kind(walk, goal if kind is epic else walk.under(goal), lifted(level), GAMMA).value == pytest.approx(
        here, abs=1e-6
    )
    assert here < 0.05


def test_the_mean_of_a_reward_decides_no_epic_distance():
    """At an end its error counts 1 / (1 - gamma) times."""
    rng = np.random.default_rng(0)
    episodes, steps = 60, 50
    obs, following = rng.normal(size=(2, episodes * steps, 2))
    ends = np.arange(episodes * steps) % steps == steps - 1
    random = Samples(obs, rng.uniform(-1, 1, obs.shape), following, ends, np.repeat(np.arange(episodes), steps))
    for seed in range(4):
        found = epic(random, lambda obs, a, *_: a[:, 0], lambda obs, a, *_: a[:, 1], 0.99, seed=seed)
        assert found.value == pytest.approx(np.sqrt(0.5), abs=0.05)


def test_constant_rewards_prefer_nothing(walk):
    endless = walk._replace(terminated=np.zeros_like(walk.terminated))
    known, constant = endless.under(goal), np.full(len(walk.obs), 7.0)
    assert not canonical(endless, constant, GAMMA).any()
    assert starc(endless, constant, -constant, GAMMA).value == 0
    assert starc(endless, known, constant, GAMMA).value == pytest.approx(0.5)


def test_values_cannot_explain_rewards_of_few_transitions():
    rng = np.random.default_rng(0)
    obs, after = rng.normal(size=(2, 300, 348))
    few = Samples(obs, obs[:, :2], after, np.zeros(300, bool), np.repeat(np.arange(6), 50))
    rewards = rng.normal(size=300)
    assert np.linalg.norm(canonical(few, rewards, 0.99)) > 0.9 * np.linalg.norm(rewards)


def test_what_has_no_distance(walk):
    for gamma in (1.0, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="gamma must be at least 0 and below 1"):
            epic(walk, goal, shaped, gamma)
        with pytest.raises(ConfigError, match="gamma must be at least 0 and below 1"):
            starc(walk, walk.under(goal), walk.under(shaped), gamma)
    with pytest.raises(ConfigError, match="pool must be at least 1"):
        epic(walk, goal, shaped, GAMMA, pool=0)
    for wrong in (lambda obs, *_: obs[:, :1], lambda *_: 1.0, lambda obs, *_: obs[1:, 0]):
        with pytest.raises(DataError, match="one number for each transition"):
            epic(walk, goal, wrong, GAMMA)
