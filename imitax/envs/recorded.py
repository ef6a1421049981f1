"""What stands for an environment where there is none: the data, and the spaces that are given with them."""

from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium as gym

from imitax.envs.actions import FINITE, action_space
from imitax.errors import ConfigError
from imitax.spaces import ActionSpace

Origin = Literal["given", "recorded", "inferred"]
"""Of action bounds or a set of actions: the user's, the data's own, or found from the actions."""


@dataclass(frozen=True)
class Recorded:
    """The data of a run without an environment."""

    data: str
    """Their name."""
    bounds: Origin
    """Where the action bounds, or the set of actions, come from."""
    env_id: str = ""
    """The environment that the data name, if any. It is not made; where it ends may be known all the same."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Its keyword arguments."""


@dataclass(frozen=True)
class Spaces:
    """The spaces that a user gives in place of an environment."""

    observation: gym.spaces.Box
    action: gym.Space

    @classmethod
    def of(cls, given: Any) -> "Spaces":
        """From the pair (observation space, action space).

        Raises:
            ConfigError: it is no such pair, the observations are no flat Box, or the actions neither a Box nor finite.
        """
        pair = tuple(given) if isinstance(given, tuple | list) else ()
        if len(pair) != 2 or not all(isinstance(space, gym.Space) for space in pair):
            raise ConfigError("spaces must be the pair (observation_space, action_space) of Gymnasium's spaces")
        for space, what in zip(pair, ("observation", "action"), strict=True):
            box = isinstance(space, gym.spaces.Box) and (what == "action" or len(space.shape) == 1)
            if not box and (what == "observation" or not isinstance(space, FINITE)):
                wanted = " of one dimension" if what == "observation" else ", Discrete, MultiDiscrete or MultiBinary"
                raise ConfigError(
                    f"spaces: the {what} space is {space}; without an environment it must be a Box{wanted}"
                )
        return cls(*pair)

    @property
    def actions(self) -> ActionSpace:
        """The actions."""
        return action_space(self.action, "spaces")
