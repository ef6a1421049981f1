"""What stands for an environment where there is none: the data, and the spaces that are given with them."""

from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium as gym

from imitax.errors import ConfigError

Origin = Literal["given", "recorded", "inferred"]
"""Of action bounds: the user's, the data's own, or found from the actions."""


@dataclass(frozen=True)
class Recorded:
    """The data of a run without an environment."""

    data: str
    """Their name."""
    bounds: Origin
    """Where the action bounds come from."""
    env_id: str = ""
    """The environment that the data name, if any. It is not made; where it ends may be known all the same."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Its keyword arguments."""


@dataclass(frozen=True)
class Spaces:
    """The spaces that a user gives in place of an environment."""

    observation: gym.spaces.Box
    action: gym.spaces.Box

    @classmethod
    def of(cls, given: Any) -> "Spaces":
        """From the pair (observation space, action space).

        Raises:
            ConfigError: it is no such pair, or one of them is no flat Box.
        """
        pair = tuple(given) if isinstance(given, tuple | list) else ()
        if len(pair) != 2 or not all(isinstance(space, gym.Space) for space in pair):
            raise ConfigError("spaces must be the pair (observation_space, action_space) of Gymnasium's spaces")
        for space, what in zip(pair, ("observation", "action"), strict=True):
            if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
                raise ConfigError(
                    f"spaces: the {what} space is {space}; without an environment it must be a Box of one dimension"
                )
        return cls(*pair)
