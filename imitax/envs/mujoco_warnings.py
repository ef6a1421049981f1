"""What MuJoCo warns of when it reads a model."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

_told: set[str] = set()


@contextmanager
def told_once(env: str | EnvSpec) -> Iterator[None]:
    """For the block, print each warning of MuJoCo only the first time that this process sees it.

    By itself MuJoCo prints it, and appends it to MUJOCO_LOG.TXT in the working directory, for every environment that is
    made, of which a run makes dozens. A handler that somebody has set stays.
    """
    mujoco = _library(env)
    if mujoco is None or mujoco.get_mju_user_warning() is not None:
        yield
        return
    mujoco.set_mju_user_warning(_tell)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(None)


def _library(env: str | EnvSpec):
    """MuJoCo, if the environment is one of it or it is loaded."""
    if "mujoco" not in sys.modules and ".mujoco" in _entry_point(env):
        try:
            import mujoco  # noqa: F401
        except ImportError:
            return None
    return sys.modules.get("mujoco")


def _entry_point(env: str | EnvSpec) -> str:
    spec = env if isinstance(env, EnvSpec) else gym.registry.get(env)
    return "" if spec is None else str(spec.entry_point)


def _tell(text: str) -> None:
    if text not in _told:
        _told.add(text)
        print(f"MuJoCo: {text}", file=sys.stderr)
