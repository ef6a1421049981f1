"""Environments: made, copied, stepped and checked in one place that trusts nothing."""

from imitax.envs import transfer as transfer  # importing it registers its environments
from imitax.envs.guard import Guard
from imitax.envs.limits import EPISODE_LIMIT
from imitax.envs.making import EnvLike, Task, check_sendable
from imitax.envs.recorded import Origin, Recorded, Spaces
from imitax.envs.registered import make_env
from imitax.envs.remembering import with_history
from imitax.envs.sole import Sole, SoleVectorEnv
from imitax.envs.trial import check_alike
from imitax.envs.without import recorded_task

__all__ = [
    "EPISODE_LIMIT",
    "EnvLike",
    "Guard",
    "Origin",
    "Recorded",
    "Sole",
    "SoleVectorEnv",
    "Spaces",
    "Task",
    "check_alike",
    "check_sendable",
    "make_env",
    "recorded_task",
    "with_history",
]
