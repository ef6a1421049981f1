"""What is collected, and from which seeds."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from imitax.datasets import collect, load, save_d4rl, validate
from imitax.envs import Task
from imitax.envs.sole import Sole
from imitax.errors import ConfigError, DataError
from imitax.seeding import Purpose, environment_seed


class Walk(gym.Env):
    """Starts at a random place below 10, moves by the action, and ends beyond 10."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gym.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(1, 10)
        return np.array([self.place]), {}

    def step(self, action):
        self.place += float(action[0])
        return np.array([self.place]), 1.0, self.place > 10, False, {}


class Words(Walk):
    action_space = gym.spaces.Text(3)


def make():
    return gym.wrappers.TimeLimit(Walk(), 6)


def forward(obs, step):
    return np.ones((len(obs), 1))


def test_what_is_collected_does_not_depend_on_the_number_of_environments():
    one, many = (collect(forward, make, episodes=11, seed=4, num_envs=n) for n in (1, 5))
    assert one.hash() == many.hash() == collect(forward, make, episodes=11, seed=4).hash()
    assert one.hash() != collect(forward, make, episodes=11, seed=5).hash()
    for index, episode in enumerate(one.episodes):
        start = Walk().reset(seed=environment_seed(Purpose.COLLECTION, 4, index))[0]
        places = start + np.arange(len(episode) + 1)
        np.testing.assert_allclose(episode.observations[:, 0], places, rtol=1e-6)
        assert (episode.terminated, len(episode)) == (places[-1] > 10, min(6, int(np.floor(10 - start[0])) + 1))
    assert {episode.terminated for episode in one.episodes} == {True, False}
    assert (one.action_low, one.action_high, one.env_id) == ((-2.0,), (2.0,), None)


def test_policies_that_take_observations_alone():
    class Counting:
        resets = 0

        def __call__(self, obs):
            return np.full((len(obs), 1), 0.5)

        def reset(self):
            self.resets += 1

    policy = Counting()
    kept = collect(policy, Walk, episodes=2, seed=0, num_envs=1)
    assert policy.resets == 2
    assert kept.actions.min() == kept.actions.max() == 0.5


@pytest.mark.parametrize("inside", [False, True])
def test_observations_that_name_classes(inside, tmp_path):
    """Alone, and as a part of a dict: whole numbers, also when they come back from a file."""

    class Floors(Walk):
        observation_space = gym.spaces.Dict({"floor": gym.spaces.Discrete(20)}) if inside else gym.spaces.Discrete(20)

        def reset(self, *, seed=None, options=None):
            return self.seen(super().reset(seed=seed)[0]), {}

        def step(self, action):
            obs, *rest = super().step(action)
            return self.seen(obs), *rest

        def seen(self, place):
            return {"floor": int(place[0])} if inside else int(place[0])

    def floors(episode):
        return episode.observations["floor"] if inside else episode.observations

    data = collect(lambda *_: np.ones((3, 1)), lambda: gym.wrappers.TimeLimit(Floors(), 6), episodes=3, seed=4)
    first = floors(data.episodes[0])
    assert first.dtype == np.int32
    assert (np.diff(first) == 1).all()
    save_d4rl(data, tmp_path / "floors.hdf5")
    again = load(tmp_path / "floors.hdf5")
    validate(again, observation_space=Floors.observation_space)
    assert [floors(e).tolist() for e in again.episodes] == [floors(e).tolist() for e in data.episodes]
    assert again.hash() == data.hash()


def test_classes_that_do_not_begin_at_0_and_episodes_of_different_lengths():
    """A policy that refuses what is no class, as a run's does."""

    class Rooms(Walk):
        observation_space = gym.spaces.Discrete(20, start=5)

        def reset(self, *, seed=None, options=None):
            self.left = 2 + (seed or 0) % 4
            return 5 + int(super().reset(seed=seed)[0][0]), {}

        def step(self, action):
            self.left -= 1
            obs, reward, _, truncated, info = super().step(action)
            return 5 + int(obs[0]), reward, self.left == 0, truncated, info

    def policy(obs, _):
        assert (obs >= 5).all()
        return np.ones((len(obs), 1))

    data = collect(policy, lambda: gym.wrappers.TimeLimit(Rooms(), 6), episodes=6, seed=4, num_envs=3)
    assert len(set(data.lengths.tolist())) > 1


def test_only_full_or_good_episodes():
    full = collect(forward, make, episodes=6, seed=0, full_length_only=True)
    assert not any(episode.terminated for episode in full.episodes)
    assert full.lengths.tolist() == [6] * 6
    tried = int(full.attributes["attempted_episodes"])
    assert int(full.attributes["discarded_episodes"]) == tried - 6 > 0
    other = collect(forward, make, episodes=6, seed=0, full_length_only=True, num_envs=4)
    assert (other.hash(), other.attributes) == (full.hash(), full.attributes)
    assert collect(forward, make, episodes=6, seed=0, min_return=3.0).returns.min() >= 3


def test_the_policy_sees_float32_a_fixed_number_of_rows_and_each_step_once():
    calls = []

    def policy(obs, step):
        calls.append((obs.dtype, obs.shape, step))
        return np.zeros((len(obs), 1))

    collect(policy, make, episodes=5, seed=0, num_envs=3)
    assert calls == [(np.float32, (3, 1), step) for step in range(12)]


def test_a_real_environment(tmp_path):
    dataset = collect(
        lambda obs, step: np.full((len(obs), 3), 0.1),
        lambda: gym.make("Hopper-v5", max_episode_steps=9),
        episodes=3,
        seed=1,
    )
    assert (dataset.env_id, dataset.env_kwargs) == ("Hopper-v5", {"max_episode_steps": 9})
    with gym.make("Hopper-v5") as env:
        validate(dataset, observation_space=env.observation_space, action_space=env.action_space, env_id="Hopper-v5")
    save_d4rl(dataset, tmp_path / "hopper.hdf5")
    assert load(tmp_path / "hopper.hdf5").hash() == dataset.hash()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"episodes": 0}, "episodes and num_envs must be at least 1"),
        ({"seed": -1}, "seed at least 0, got 2, 8 and -1"),
        ({"policy": lambda obs, step: np.zeros(len(obs))}, r"actions of shape \(2, 1\), got \(2,\)"),
        ({"min_return": 100.0}, "only 0 of 40 episodes could be kept, 2 are wanted"),
    ],
)
def test_bad_collection(arguments, message):
    with pytest.raises(DataError, match=message):
        collect(**{"policy": forward, "make_env": make, "episodes": 2, "seed": 0} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"make_env": Words}, "actions must be a Box, Discrete, MultiDiscrete or MultiBinary, got Text"),
        ({"make_env": lambda: gym.vector.SyncVectorEnv([make])}, "is a vector of environments; pass a single one"),
        ({"make_env": "NoSuchEnv-v0"}, "NoSuchEnv"),
        ({"episodes": True}, "episodes must be int, got True"),
    ],
)
def test_environments_and_counts_are_checked_as_in_training(arguments, message):
    with pytest.raises(ConfigError, match=message):
        collect(**{"policy": forward, "make_env": make, "episodes": 2, "seed": 0} | arguments)


def test_an_environment_by_its_id():
    data = collect(lambda obs: np.zeros(len(obs), int), "CartPole-v1", episodes=1, seed=0)
    assert (data.env_id, data.actions.dtype, data.action_low) == ("CartPole-v1", np.int64, None)


def test_an_action_that_is_wrong_in_a_later_step_is_told_with_its_place():
    def policy(obs, step):
        return np.full((len(obs), 1), 0.5 if step < 2 else 2.5)

    with pytest.raises(
        DataError, match=r"episode 0 step 2 .*: the policy's action is 2\.5 in dimension 0, .*\[-2, 2\]"
    ):
        collect(policy, make, episodes=2, seed=0)


def test_a_task_whose_environment_exists_once_is_used_alone_and_stays_open():
    class Once(Walk):
        closed = False

        def close(self):
            self.closed = True

    once = Once()
    task = Task.create(make)
    alone = dataclasses.replace(task, make=lambda: once, sole=Sole(gym.wrappers.TimeLimit(once, 6)))
    many, one = (collect(forward, of, episodes=5, seed=0) for of in (task, alone))
    assert one.lengths.tolist() == many.lengths.tolist()
    assert [e.terminated for e in one.episodes] == [e.terminated for e in many.episodes]
    np.testing.assert_array_equal(one.transitions().obs, many.transitions().obs)
    assert not once.closed
