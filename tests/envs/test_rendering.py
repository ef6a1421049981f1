"""Frames, and what is said where there are none."""

import os
import types
from functools import partial

import drawn
import gymnasium as gym
import numpy as np
import pytest
import toy

from imitax.envs import Recorded, Task, recorded_task, rendering
from imitax.envs.rendering import follow, frame, opened, prepare, rendered
from imitax.errors import ConfigError, EnvError
from imitax.spaces import BoxActions


def reset(task):
    env = rendered(task)
    env.reset(seed=0)
    return env


def test_a_frame_is_what_the_environment_draws():
    env = reset(Task.create(drawn.ENV))
    picture = frame(env)
    assert picture.shape == (*drawn.SIDES, 3)
    assert (picture == 255).all(-1).sum() == 1
    env.step(np.zeros(2, np.float32))
    assert np.median(frame(env)) == 10


def test_an_environment_made_with_a_way_to_draw_is_used():
    task = Task.create(partial(gym.make, drawn.ENV, render_mode="rgb_array"))
    assert frame(reset(task)).shape == (*drawn.SIDES, 3)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (toy.ENV, f"{toy.ENV} cannot be filmed: it has no render_mode 'rgb_array'"),
        (lambda: gym.make(drawn.ENV), "cannot be filmed: it was made without render_mode='rgb_array'"),
    ],
)
def test_an_environment_that_does_not_draw(env, message):
    with pytest.raises(ConfigError, match=message):
        rendered(Task.create(env))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fails", r"ImitaxDrawn-v0 cannot be drawn here: OSError: no display"),
        ("floats", r"render\(\) returned an array of shape \(37, 50, 3\) and type float64, not a picture"),
    ],
)
def test_pictures_that_are_none(kind, message):
    env = reset(Task.create(drawn.ENV, {"drawn": kind}))
    with pytest.raises(EnvError, match=message):
        frame(env)


def test_recorded_data_cannot_be_drawn():
    task = recorded_task(Recorded("mine", "recorded"), 2, BoxActions((-1.0,), (1.0,)))
    with pytest.raises(ConfigError, match=r"there is no environment: .*--env ID"):
        rendered(task)


def test_mujoco_is_told_how_to_draw_without_a_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(rendering.sys, "platform", "linux")
    prepare()
    assert os.environ["MUJOCO_GL"] == "egl"
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    prepare()
    assert os.environ["MUJOCO_GL"] == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "")
    monkeypatch.setenv("DISPLAY", ":0")
    prepare()
    assert not os.environ["MUJOCO_GL"]


def test_a_driver_that_fails_is_explained(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")

    def broken():
        raise AttributeError("'NoneType' object has no attribute 'glGetError'")

    with pytest.raises(EnvError, match=r"cannot be drawn here: AttributeError.*set MUJOCO_GL=egl or MUJOCO_GL=osmesa"):
        opened(broken)

    def refused():
        raise ConfigError("as it is")

    with pytest.raises(ConfigError, match=r"^as it is$"):
        opened(refused)


def robot(*cameras):
    """An environment as Gymnasium's MuJoCo robots are."""
    model = types.SimpleNamespace(ncam=len(cameras), camera=lambda i: types.SimpleNamespace(name=cameras[i]))
    renderer = types.SimpleNamespace(model=model, camera_id=-1)
    return types.SimpleNamespace(unwrapped=types.SimpleNamespace(mujoco_renderer=renderer)), renderer


def test_the_camera_follows_a_robot():
    env, renderer = robot("front", "track")
    follow(env, {"camera_name"})
    assert renderer.camera_id == -1
    follow(env, {"reset_noise_scale"})
    assert renderer.camera_id == 1
    env, renderer = robot("front")
    follow(env, set())
    assert renderer.camera_id == -1


def test_the_camera_of_a_real_robot_is_found():
    """Which draws nothing yet, so that no graphics are needed."""
    env = rendered(Task.create("Hopper-v5"))
    renderer = env.unwrapped.mujoco_renderer
    assert renderer.model.camera(renderer.camera_id).name == "track"
    assert rendered(Task.create("Hopper-v5", {"camera_id": -1})).unwrapped.mujoco_renderer.camera_id == -1
