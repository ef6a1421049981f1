"""Which environments a policy can act in."""

import gymnasium as gym
import numpy as np
import pytest

from imitax.envs import Task
from imitax.envs.fitting import require_fit, require_same
from imitax.errors import ConfigError

Box = gym.spaces.Box


class Drawn(gym.Env):
    """Shows what its space draws."""

    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed=None, options=None):
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def shown(observations, actions):
    """A task of these spaces."""
    return Task.create(lambda: Drawn(observations, actions))


OBS, ACT = Box(-9, 9, (3,)), Box(-1, 1, (2,))


@pytest.mark.parametrize(
    "actions", [gym.spaces.Discrete(3), Box(-1, 1, (3,)), Box(-0.01, 0.01, (2,)), Box(-1, 0.5, (2,))]
)
def test_other_actions(actions):
    with pytest.raises(ConfigError, match="mine has the actions Box"):
        require_fit(shown(OBS, actions), shown(OBS, ACT).spec, "mine")


@pytest.mark.parametrize("actions", [Box(-1, 1, (2,)), Box(-0.95, 0.95, (2,)), Box(-np.inf, np.inf, (2,))])
def test_actions_that_it_takes(actions):
    """Bounds that were inferred from data may be a little wider than the environment's."""
    require_fit(shown(OBS, actions), shown(OBS, ACT).spec, "mine")


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (gym.spaces.Discrete(16, start=1), gym.spaces.Discrete(20)),
        (gym.spaces.Discrete(16, start=1), gym.spaces.Discrete(16)),
        (gym.spaces.Dict({"a": gym.spaces.Discrete(16)}), gym.spaces.Dict({"a": Box(-9, 9, ())})),
        (Box(0, 255, (8, 8, 3), np.uint8), Box(0, 1, (8, 8, 3))),
    ],
)
def test_observations_of_the_same_shape_that_mean_something_else(own, other):
    for check in (require_fit, require_same):
        check(shown(own, ACT), shown(own, ACT).spec, "mine")
        with pytest.raises(ConfigError, match="mine "):
            check(shown(other, ACT), shown(own, ACT).spec, "mine")


@pytest.mark.parametrize("observations", [Box(-9, 9, (4,)), gym.spaces.Dict({"a": OBS}), Box(-9, 9, (3, 1))])
def test_other_observations(observations):
    with pytest.raises(ConfigError, match=r"mine sees observations .* shows"):
        require_fit(shown(observations, ACT), shown(OBS, ACT).spec, "mine")
