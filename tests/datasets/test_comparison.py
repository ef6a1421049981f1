import warnings
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import toy
from gymnasium.wrappers import NormalizeObservation, RescaleAction, TransformReward

from imitax.datasets import Dataset, Episode, collect
from imitax.datasets.comparison import compare, shape_hint
from imitax.envs import Task
from imitax.errors import EnvWarning


def recorded(make, count=6, policy=toy.expert, bounds=True):
    """Episodes of an environment, with the reset seeds 0, 1 and so on, as people record them."""
    env, episodes = make(), []
    for seed in range(count):
        observations, actions, rewards, ended = [env.reset(seed=seed)[0]], [], [], False
        while not ended:
            actions.append(policy(observations[-1]))
            obs, reward, terminated, truncated, _ = env.step(actions[-1])
            observations.append(obs)
            rewards.append(reward)
            ended = terminated or truncated
        episodes.append(Episode(np.array(observations), np.array(actions), np.array(rewards), terminated, truncated))
    box = env.action_space
    known = {"action_low": tuple(box.low.tolist()), "action_high": tuple(box.high.tolist())} if bounds else {}
    return Dataset(tuple(episodes), name="mine", **known)


def bare():
    return gym.make(toy.ENV)


def rescaled():
    return RescaleAction(bare(), np.float32(-1), np.float32(1))


@pytest.mark.parametrize("data", [recorded(bare), recorded(bare, bounds=False)])
def test_data_of_the_environment_say_nothing(data, demos):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(data, Task.create(toy.ENV))
        compare(demos, Task.create(toy.ENV))
        compare(demos, Task.create(lambda: toy.Point()))
        compare(collect(toy.expert, bare, episodes=6, seed=5, min_return=1.0), Task.create(toy.ENV))


def shifted():
    return gym.wrappers.TransformObservation(bare(), lambda obs: 50 * obs + 20, gym.spaces.Box(-999, 999, (2,)))


def offset():
    return gym.wrappers.TransformObservation(bare(), lambda obs: obs + 20, gym.spaces.Box(-999, 999, (2,)))


def scaled():
    return gym.wrappers.TransformObservation(bare(), lambda obs: obs / 20, gym.spaces.Box(-999, 999, (2,)))


def half(obs):
    return toy.expert(obs) / 2


@pytest.mark.parametrize(
    ("data", "env", "words"),
    [
        (recorded(rescaled), bare, r"action 0 has the bounds \[-1, 1\], the environment's \[-0.4, 1.2\]"),
        (recorded(rescaled, policy=half, bounds=False), bare, "lead to observation . = .* in step 1, recorded is"),
        (recorded(bare, policy=half, bounds=False), rescaled, "lead to observation"),
        (recorded(lambda: TransformReward(bare(), lambda r: r + 3)), bare, "earn a reward of .* in step 1, recorded"),
        (
            recorded(bare, policy=lambda obs: np.full(2, [0.41, -0.19])),
            bare,
            "within .*% of the middle of the action box",
        ),
        (recorded(shifted), bare, "first observations are spread .* in every dimension"),
        (recorded(bare), offset, "observation . starts between .* in the environment, and lies between"),
        (recorded(bare), scaled, "first observations are spread 0.0"),
    ],
)
def test_recordings_through_a_wrapper(data, env, words):
    with pytest.warns(EnvWarning, match=rf"mine and .* do not look like one task: .*{words}.*RescaleAction"):
        compare(data, Task.create(env))


def test_an_environment_that_does_not_repeat_itself_says_nothing():
    class Noisy(toy.Point):
        def step(self, action):
            return super().step(np.asarray(action) + np.random.default_rng().normal(0, 0.3, 2).astype(np.float32))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(recorded(bare), Task.create(Noisy))


def test_shapes_that_wrappers_explain(demos):
    stacked = Task.create(lambda: toy.Point(dims=1))
    assert "the data may have a stack of 2 frames" in shape_hint(demos, stacked)
    assert shape_hint(demos, Task.create(toy.ENV)) is None
    timed = replace(
        demos,
        episodes=tuple(replace(e, observations=np.c_[e.observations, e.observations[:, :1]]) for e in demos.episodes),
    )
    assert "the data may have the time" in shape_hint(timed, Task.create(toy.ENV))


def test_normalised_observations():
    def normalised():
        env = NormalizeObservation(shifted())
        for seed in range(20):
            env.reset(seed=seed)
        env.update_running_mean = False
        return env

    with pytest.warns(EnvWarning, match="mine and .* do not look like one task: .*NormalizeObservation"):
        compare(recorded(normalised), Task.create(shifted))
