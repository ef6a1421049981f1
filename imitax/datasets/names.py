"""What arrays are called, here and elsewhere."""

import warnings
from collections.abc import Iterable
from difflib import get_close_matches

from imitax.errors import DataWarning

NAMES = {
    "observations": ("observations", "observation", "obs"),
    "actions": ("actions", "action", "acts", "act"),
    "rewards": ("rewards", "reward", "rews", "rew"),
    "next_observations": ("next_observations", "next_observation", "next_obs"),
    "final_observations": ("final_observations",),
    "terminals": ("terminals", "terminal", "terminations", "termination", "terminated"),
    "timeouts": ("timeouts", "timeout", "truncations", "truncation", "truncated"),
}
"""The field in D4RL's words, and what others call it."""

OBSERVED = ("observations", "next_observations", "final_observations")
"""Fields that may be dicts and tuples of arrays."""

EPISODES = ("episode", "episodes", "episode_id", "episode_ids", "episode_index", "episode_starts")
"""Which episode a row belongs to, or flags of the rows that begin one."""


def warn_unread(key: str, given: Iterable[object]) -> None:
    """Say that an array is missing where another has nearly its name."""
    known = {name for names in NAMES.values() for name in names}
    for near in get_close_matches(key, [str(name) for name in given if name not in known], cutoff=0.82):
        warnings.warn(DataWarning(f"there are no {key}: if {near} holds them, call it {key}"), stacklevel=2)
