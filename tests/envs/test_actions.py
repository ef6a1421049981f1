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
        (gym.spaces.Box(-1, np.array([[2.0], [3.0]], np.float32)), BoxActions((-1.0, -1.0), (2.0, 3.0), shape=(2, 1))),
        (gym.spaces.Box(-1, 2, ()), BoxActions((-1.0,), (2.0,), shape=())),
        (gym.spaces.Box(-0.5, 2, (1,), np.float16), BoxActions((-0.5,), (2.0,), dtype="float16")),
        (gym.spaces.Box(-0.1, 0.1, (1,), np.float64), BoxActions((-0.1,), (0.1,), dtype="float64")),
    ],
)
def test_known_spaces(space, expected):
    found = action_space(space, "Task")
    assert found == action_space(gym_space(found), "Task") == expected
    assert found.dtype == action_space(gym_space(found), "Task").dtype == expected.dtype
    share = np.linspace(0, 0.99, 3 * found.size, dtype=np.float32).reshape(3, -1)
    assert all(space.contains(found.env(row)) for row in found.at(share))


MOST = float(np.finfo(np.float32).max)


@pytest.mark.parametrize("bound", [np.inf, MOST, 1e30])
def test_what_counts_as_no_bound(bound):
    low, high = np.array([-bound, 2.0, -bound], np.float32), np.array([bound, bound, 0.5], np.float32)
    found = action_space(gym.spaces.Box(low, high), "Task")
    assert found.limits == ((-np.inf, 2.0, -np.inf), (np.inf, np.inf, 0.5))
    assert np.isfinite([found.low, found.high]).all()  # networks see no infinity
    assert action_space(gym_space(found), "Task") == found
    assert str(found) == "Box([-inf, 2.0, -inf], [inf, inf, 0.5])"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (gym.spaces.Text(3), "must be a Box, Discrete, MultiDiscrete or MultiBinary, got Text"),
        (gym.spaces.Box(0.0, np.array([0.0, 1.0], np.float32)), r"Task: .*low < high, got \[0.0, 0.0\], \[0.0, 1.0\]"),
        (gym.spaces.Discrete(1), "only one action"),
        (gym.spaces.Box(-3, 3, (2,), np.int32), "Task: actions are a Box of int32, .* make it Discrete or"),
    ],
)
def test_others_are_refused(space, message):
    with pytest.raises(ConfigError, match=message):
        action_space(space, "Task")
