"""Where tasks end: in exact agreement with the environments themselves."""

import gymnasium as gym
import numpy as np
import pytest

from imitax.networks import Termination, known_termination

STEPS = 10_000


def transitions(env_id, kwargs, steps):
    """Next observations of a random policy, and whether the task ended there."""
    env = gym.make(env_id, **kwargs)
    env.action_space.seed(0)
    env.reset(seed=0)
    observations, ends = [], []
    for i in range(steps):
        obs, _, terminated, truncated, _ = env.step(env.action_space.sample())
        observations.append(obs)
        ends.append(terminated)
        if terminated or truncated:
            env.reset(seed=i + 1)
    return np.asarray(observations, np.float32), np.asarray(ends)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "steps"),
    [
        ("Hopper-v5", {}, STEPS),
        ("Walker2d-v5", {}, STEPS),
        ("HalfCheetah-v5", {}, STEPS),
        ("Ant-v5", {"include_cfrc_ext_in_observation": False, "healthy_z_range": (0.4, 0.9)}, STEPS),
        ("Hopper-v5", {"exclude_current_positions_from_observation": False, "healthy_z_range": (1.0, 2.0)}, 1000),
        ("Walker2d-v5", {"terminate_when_unhealthy": False}, 500),
        ("Humanoid-v5", {}, 1000),
    ],
)
def test_agrees_with_the_environment(env_id, kwargs, steps):
    obs, ends = transitions(env_id, kwargs, steps)
    rule = known_termination(env_id, kwargs, obs.shape[1])
    assert rule is not None
    np.testing.assert_array_equal(np.asarray(rule(obs)), ends)
    never = env_id == "HalfCheetah-v5" or not kwargs.get("terminate_when_unhealthy", True)
    assert ends.any() != never
    mean, std = obs.mean(0), obs.std(0) + 1e-6
    back = ((obs - mean) / std * std + mean).astype(np.float32)  # through a normaliser and back
    bounds = np.asarray([rule.low, rule.high], np.float32)  # [2 O]
    near = (np.abs(obs[None] - bounds[:, None]) < 1e-5).any((0, 2))
    np.testing.assert_array_equal(np.asarray(rule(back))[~near], ends[~near])


def test_unknown_tasks_have_no_rule():
    assert known_termination("Hopper-v3", {}, 11) is None
    assert known_termination("MountainCarContinuous-v0", {}, 2) is None


def test_bounds_and_numbers():
    obs = np.array([[0.0, 0.5], [1.0, 0.5], [np.nan, 0.5], [0.5, np.inf], [0.5, -9.0]], np.float32)
    free = (-float("inf"), float("inf"))
    outside = [True, True, True, True, False]
    assert np.asarray(Termination((0.0, free[0]), (1.0, free[1]))(obs)).tolist() == outside
    assert np.asarray(Termination((0.0, free[0]), (1.0, free[1]), inclusive=True)(obs)).tolist() == [
        False, False, True, True, False,
    ]  # fmt: skip
