"""Environments with changed dynamics: what is changed, and what is not."""

import gymnasium as gym
import numpy as np
import pytest

import imitax.envs
from imitax.envs.transfer import CHANGES, FRONT_LEGS


def made(name):
    env = gym.make(f"imitax/{name}-v0")
    change = CHANGES[name]
    options = {k: v for k, v in change.items() if k.startswith("include")}
    return env, gym.make(change["base"], **options), change


@pytest.mark.parametrize("name", CHANGES)
def test_spaces_and_time_limit_are_those_of_the_original(name):
    env, original, _ = made(name)
    assert env.observation_space == original.observation_space
    assert env.action_space == original.action_space
    assert env.spec.max_episode_steps == 1000
    imitax.envs.Task.create(f"imitax/{name}-v0")


@pytest.mark.parametrize("name", ["HalfCheetahHeavy", "HalfCheetahSlippery", "HopperMoon"])
def test_the_model_is_changed(name):
    env, original, change = made(name)
    one, other = env.unwrapped.model, original.unwrapped.model
    np.testing.assert_allclose(one.body_mass, other.body_mass * change.get("mass", 1))
    np.testing.assert_allclose(one.body_inertia, other.body_inertia * change.get("mass", 1))
    np.testing.assert_allclose(one.geom_friction, other.geom_friction * change.get("friction", 1))
    np.testing.assert_allclose(one.opt.gravity, other.opt.gravity * change.get("gravity", 1))


def test_motors_of_the_front_legs_do_nothing():
    env, original, _ = made("AntDisabled")
    model = original.unwrapped.model
    joints = [model.joint(model.actuator_trnid[i, 0]).name for i in FRONT_LEGS]
    assert joints == ["hip_1", "ankle_1", "hip_2", "ankle_2"]
    push = np.zeros(8, np.float32)
    push[list(FRONT_LEGS)] = 1
    for one in (env, original):
        one.reset(seed=0)
    idle = gym.make("imitax/AntDisabled-v0")
    idle.reset(seed=0)
    moved, still, usual = env.step(push)[0], idle.step(np.zeros(8, np.float32))[0], original.step(push)[0]
    np.testing.assert_array_equal(moved, still)
    assert np.abs(moved - usual).max() > 0.1


def walk(env, *directions):
    obs, _ = env.reset(seed=0)
    for x, y, steps in directions:
        for _ in range(steps):
            obs, reward, *_ = env.step(np.array([x, y], np.float32))
    return obs, reward


def test_the_wall_is_passed_at_its_side_alone():
    right, left = (gym.make(f"imitax/{name}-v0") for name in ("PointMaze", "PointMazeMoved"))
    assert walk(right, (0, 1, 20))[0][1] < 0
    round_right, round_left = ((1, 0, 8), (0, 1, 20)), ((-1, 0, 8), (0, 1, 20))
    assert walk(right, *round_right)[0][1] > 0.9
    assert walk(left, *round_right)[0][1] < 0
    assert walk(left, *round_left)[0][1] > 0.9


def test_the_reward_is_the_distance_from_the_goal_and_the_effort():
    env = gym.make("imitax/PointMaze-v0")
    obs, reward = walk(env, (1, 0.5, 1))
    assert reward == pytest.approx(-np.hypot(obs[0], obs[1] - 0.7) - 0.125, abs=1e-5)
    with pytest.raises(ValueError, match="right or left"):
        gym.make("imitax/PointMaze-v0", passage="up")
