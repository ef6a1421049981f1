"""Frames of an environment, without a display."""

import os
import re
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np

from imitax.envs.guard import name_of
from imitax.envs.making import Task
from imitax.envs.registered import make_env
from imitax.errors import ConfigError, EnvError, ImitaxError

MODE = "rgb_array"
TRACKING = "track"
"""The camera of Gymnasium's robots that moves with them."""
MUJOCO = (
    "MuJoCo draws without a display through EGL or OSMesa: set MUJOCO_GL=egl or MUJOCO_GL=osmesa before Python starts, "
    "and install their libraries (Debian: libegl1, libosmesa6)"
)


def prepare() -> None:
    """Let MuJoCo draw without a display on Linux; it asks for the way to draw when it is imported."""
    display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and not display and not os.environ.get("MUJOCO_GL"):
        os.environ["MUJOCO_GL"] = "egl"


def opened(make: Callable[[], Task]) -> Task:
    """A task, where what MuJoCo draws with may be missing, so that importing it fails.

    Raises:
        EnvError: it is.
    """
    try:
        return make()
    except ImitaxError:
        raise
    except Exception as error:  # any class: of a driver's library
        raise _failed("the environment", error) from error


def rendered(task: Task) -> gym.Env:
    """An environment of a task that renders frames.

    Raises:
        ConfigError: there is no environment, or it has no `render_mode="rgb_array"`.
    """
    if task.recorded is not None:
        raise ConfigError(
            "there is no environment: the run learned from recorded data alone. Give one whose spaces fit: --env ID "
            "(Run(folder, env=...))"
        )
    make = task.make
    registered: tuple[Any, ...] = make.args if isinstance(make, partial) and make.func is make_env else ()
    known = bool(registered)
    if not known:
        env = make()
    else:
        spec, kwargs = registered
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*render_mode")  # said below, as an error
            try:
                env = make_env(spec, kwargs | {"render_mode": MODE})
            except ConfigError as error:
                raise ConfigError(_without(task.env_id, known=True)) from error
            except Exception as error:  # any class: of a simulator or a driver
                raise _failed(task.env_id, error) from error
    if getattr(env, "render_mode", None) != MODE or MODE not in env.metadata.get("render_modes", (MODE,)):
        if task.sole is None:
            env.close()
        raise ConfigError(_without(task.env_id, known))
    if known:
        follow(env, set(registered[1]))
    return env


def follow(env: Any, given: set[str]) -> None:
    """Let the model's own camera draw one of Gymnasium's MuJoCo robots: its default one stays where it starts.

    Args:
        env: any environment.
        given: names of its keyword arguments; where one is of a camera, nothing is changed.
    """
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    if renderer is None or any("camera" in name for name in given):
        return
    cameras = [renderer.model.camera(i).name for i in range(renderer.model.ncam)]
    if TRACKING in cameras:
        renderer.camera_id = cameras.index(TRACKING)


def _without(name: str, known: bool) -> str:
    if known:
        return f"{name} cannot be filmed: it has no render_mode {MODE!r}"
    return (
        f"{name} cannot be filmed: it was made without render_mode={MODE!r}; pass an environment that has it, "
        "imitax.Run(folder, env=...)"
    )


def frame(env: gym.Env) -> np.ndarray:
    """A picture of an environment as it is now, uint8 [H, W, 3].

    Raises:
        EnvError: it does not draw, or something else than pictures.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*rendering should return")  # said below, as an error
            drawn: Any = env.render()
    except Exception as error:  # any class: of a simulator or a driver
        raise _failed(name_of(env), error) from error
    picture = np.asarray(drawn) if drawn is not None else np.zeros(0)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3 or 0 in picture.shape:
        said = "None" if drawn is None else f"an array of shape {picture.shape} and type {picture.dtype}"
        raise EnvError(f"{name_of(env)}: render() returned {said}, not a picture [H, W, 3] of bytes (uint8)")
    return picture


def _failed(name: str, error: Exception) -> EnvError:
    text = f"{name} cannot be drawn here: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return EnvError(
        f"{text}. {MUJOCO}" if re.search("gl[A-Z]|GL|mujoco", f"{type(error).__module__} {error}") else text
    )
