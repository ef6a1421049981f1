import threading

import gymnasium as gym
import numpy as np
import pytest
import toy

import imitax
from imitax.buffers import Buffer
from imitax.datasets import collect
from imitax.envs import EPISODE_LIMIT, Task
from imitax.errors import ConfigError, EnvWarning
from imitax.evaluate import rollout
from imitax.sources import OnlineSource
from imitax.sources.online import read_replay
from imitax.vector_envs import SerialVectorEnv, check_sendable, make_vector_env


class Locked(toy.Point):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


@pytest.fixture
def task():
    with pytest.warns(EnvWarning, match=r"Locked: it cannot be copied \(TypeError.*used alone.*take turns"):
        return Task.create(gym.wrappers.TimeLimit(Locked(), 6))


def test_episodes_in_turn_are_those_of_separate_environments(task):
    act, seeds = toy.expert, [5, 6, 7]
    alone = rollout(make_vector_env(task, 3), seeds, act, EPISODE_LIMIT)
    beside = rollout(SerialVectorEnv(lambda: gym.wrappers.TimeLimit(toy.Point(), 6), 3), seeds, act, EPISODE_LIMIT)
    for mine, theirs in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert rollout(make_vector_env(task, 2), [0, 1], act, 4)[1].tolist() == [4, 4]


def test_an_evaluation_cuts_the_running_episode(task, tmp_path):
    """Five steps, an evaluation, five steps: two episodes, the first cut without terminating."""
    online = OnlineSource(make_vector_env(task, 1), task.spec, (0,), Buffer.empty(20, task.spec), 0)

    def still(obs, step):
        return np.zeros((*obs.shape[:2], 2), np.float32)

    online.advance(still, 0, 5)
    rollout(make_vector_env(task, 2), [0, 1], toy.expert, 6)
    online.advance(still, 5, 5)
    online.save([tmp_path], 10)
    online.close()
    episodes = read_replay(tmp_path, task.spec)
    assert [(len(e), e.terminated) for e in episodes] == [(5, False), (5, False)]
    for e in episodes:  # nothing of the evaluation is in them: the point stays where it started
        np.testing.assert_array_equal(e.observations, np.repeat(e.observations[:1], 6, axis=0))
    assert not np.array_equal(episodes[0].observations[0], episodes[1].observations[0])


def test_only_one_episode_at_a_time_trains(task, demos, tmp_path):
    assert task.make() is task.make()
    with pytest.raises(ConfigError, match="exists once, in this process: leave --env-workers out"):
        check_sendable(task)
    options = {"steps": 1000, "seeds": [0, 1], "quiet": True, "out": tmp_path / "run"}
    with (
        pytest.warns(EnvWarning, match="used alone"),
        pytest.raises(ConfigError, match=r"Locked exists once, so one seed with one .* not 2 with 1"),
    ):
        imitax.train(imitax.preset_config("sac", warmup_steps=10), env=Locked(), **options)
    assert not (tmp_path / "run").exists()


def test_episodes_are_collected_in_it():
    with pytest.warns(EnvWarning, match="used alone"):
        data = collect(toy.expert, gym.wrappers.TimeLimit(Locked(), 6), episodes=3, seed=0)
    expected = collect(toy.expert, lambda: gym.wrappers.TimeLimit(toy.Point(), 6), episodes=3, seed=0)
    assert data.lengths.tolist() == [6, 6, 6]
    np.testing.assert_array_equal(data.transitions().obs, expected.transitions().obs)
