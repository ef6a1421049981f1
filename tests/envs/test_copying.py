import pickle
import threading

import gymnasium as gym
import numpy as np
import pytest
import toy
from gymnasium.utils import EzPickle

from imitax.envs.copying import Copies, clone


class Arm(EzPickle, toy.Point):
    """Copied by its constructor's arguments alone, as MuJoCo's environments say."""

    def __init__(self, wall=1.0):
        EzPickle.__init__(self, wall)
        toy.Point.__init__(self, wall)
        self.goal = 0


class Counting(gym.Wrapper):
    total = 0
    count = 0

    def step(self, action):
        Counting.total += 1
        self.count += 1
        return self.env.step(action)


@pytest.mark.parametrize("sent", [False, True])
def test_copies_keep_what_was_set(sent):
    env = Counting(gym.wrappers.TimeLimit(Arm(2.0), 7))
    env.unwrapped.goal, env.count, env.unwrapped.wall = 5, 3, 4.0
    copies = Copies(env)
    env.unwrapped.goal = 6  # afterwards
    if sent:
        copies = pickle.loads(pickle.dumps(copies))
    first, second = copies(), copies()
    assert [(e.unwrapped.goal, e.unwrapped.wall, e.count) for e in (first, second)] == [(5, 4.0, 3)] * 2
    first.reset(seed=0)
    second.reset(seed=1)
    first.step(np.zeros(2))
    assert (first.count, second.count, env.count) == (4, 3, 3)
    assert (type(first) is Counting, first.env.env is first.unwrapped) == (True, True)


def test_a_copy_of_mujoco_is_separate_and_equal():
    env = gym.make("Hopper-v5")
    env.unwrapped.model.opt.timestep = 0.001
    copy = clone(env)
    assert copy.unwrapped.model.opt.timestep == 0.001
    action = np.full(3, 0.5, np.float32)
    observations = []
    for one, other in ((env, copy), (copy, env)):
        one.reset(seed=3)
        other.reset(seed=4)
        for _ in range(3):
            other.step(-action)
            obs = one.step(action)[0]
        observations.append(obs)
    np.testing.assert_array_equal(*observations)


def test_what_cannot_be_copied():
    env = toy.Point()
    env.lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        Copies(env)

    class Same(toy.Point):
        def __deepcopy__(self, memo):
            return self

    with pytest.raises(TypeError, match="returns itself"):
        Copies(Same())
