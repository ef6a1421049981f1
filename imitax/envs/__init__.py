"""Environments: made, copied, stepped and checked in one place that trusts nothing."""

from imitax.envs.guard import Guard
from imitax.envs.limits import EPISODE_LIMIT
from imitax.envs.making import EnvLike, Task, check_sendable, make_env
from imitax.envs.sole import Sole, SoleVectorEnv

__all__ = ["EPISODE_LIMIT", "EnvLike", "Guard", "Sole", "SoleVectorEnv", "Task", "check_sendable", "make_env"]
