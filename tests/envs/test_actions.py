import gymnasium as gym
import numpy as np
import pytest

from imitax.envs.actions import action_space, gym_space
from imitax.errors import ConfigError
from imitax.spaces import BoxActions, FiniteActions


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (gym.spaces.Discrete(4, start=-2), FiniteActions((4,), (-2,))),
        (gym.spaces.MultiDiscrete([3, 2], start=[1, 0]), FiniteActions((3, 2), (1, 0), (2,))),
        (gym.spaces.MultiDiscrete([[3], [2]], dtype=np.int32), FiniteActions((3, 2), (0, 0), (2, 1), "int32")),
        (gym.spaces.MultiBinary(3), FiniteActions((2, 2, 2), (0, 0, 0), (3,), "int8")),
        (gym.spaces.Box(-1, np.array([2.0, 3.0], np.float32)), BoxActions((-1.0, -1.0), (2.0, 3.0))),
    ],
)
def test_known_spaces(space, expected):
    found = action_space(space, "Task")
    assert found == action_space(gym_space(found), "Task") == expected
    share = np.linspace(0, 0.99, 3 * found.size, dtype=np.float32).reshape(3, -1)
    assert all(space.contains(found.env(row)[()]) for row in found.at(share))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (gym.spaces.Text(3), "must be a flat Box, Discrete, MultiDiscrete or MultiBinary, got Text"),
        (gym.spaces.Box(0, 1, (2, 2)), "must be a flat Box"),
        (gym.spaces.Box(-np.inf, np.inf, (2,)), "action bounds must be finite"),
        (gym.spaces.Discrete(1), "only one action"),
    ],
)
def test_others_are_refused(space, message):
    with pytest.raises(ConfigError, match=message):
        action_space(space, "Task")
