"""Gymnasium's Pendulum as 64 x 64 pixels, drawn with NumPy, and an expert that swings it up.

Three frames are stacked, because one does not show how fast the pendulum turns. Nothing but NumPy draws, so no display
and no OpenGL is needed. The same task can show its state, or both.
"""

from typing import Any, Literal

import gymnasium as gym
import numpy as np

SIDE, FRAMES = 64, 3
LENGTH, WIDTH = 26.0, 2.5
"""Of the rod, in pixels."""
ENV = "imitax-bench/PixelPendulum-v0"

_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2


def draw(angle: float) -> np.ndarray:
    """One frame [64, 64] of bytes: the rod, white on black with soft edges; at angle 0 it stands upright."""
    along = np.array([-np.cos(angle), np.sin(angle)])  # down the rows and to the right
    at = np.clip(_ROWS * along[0] + _COLUMNS * along[1], 0, LENGTH)
    distance = np.hypot(_ROWS - at * along[0], _COLUMNS - at * along[1])
    return (255 * np.clip(WIDTH + 0.5 - distance, 0, 1)).astype(np.uint8)


class PixelPendulum(gym.Wrapper):
    """Pendulum-v1 with other observations.

    Args:
        shows: pixels, [64, 64, 3] bytes of the last three frames, the newest last; state, Pendulum's own cosine, sine
            and speed; or both as a dict.
    """

    def __init__(self, shows: Literal["pixels", "state", "both"] = "pixels"):
        super().__init__(gym.make("Pendulum-v1"))
        self.shows = shows
        pixels = gym.spaces.Box(0, 255, (SIDE, SIDE, FRAMES), np.uint8)
        spaces = {"pixels": pixels, "state": self.env.observation_space}
        self.observation_space = gym.spaces.Dict(spaces) if shows == "both" else spaces[shows]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; all three frames are the first."""
        state, info = self.env.reset(seed=seed, options=options)
        self.frames = [draw(float(np.arctan2(state[1], state[0])))] * FRAMES
        return self._shown(state), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step, and one more frame."""
        state, reward, terminated, truncated, info = self.env.step(action)
        self.frames = [*self.frames[1:], draw(float(np.arctan2(state[1], state[0])))]
        return self._shown(state), reward, terminated, truncated, info

    def _shown(self, state: np.ndarray) -> Any:
        both = {"pixels": np.stack(self.frames, -1), "state": state}
        return both if self.shows == "both" else both[self.shows]


def expert(obs: Any, step: int = 0) -> np.ndarray:
    """Torques [N, 1] that bring the energy to that of the upright position, and hold it there, at states [N, 3]."""
    del step
    cosine, sine, speed = np.moveaxis(np.asarray(obs["state"] if isinstance(obs, dict) else obs), -1, 0)
    angle = np.arctan2(sine, cosine)
    missing = 15 * (1 - cosine) - speed**2 / 2  # of the energy, in units of the moment of inertia
    swing = np.tanh(speed * missing + 0.05 * np.sign(speed))
    hold = np.clip(-6.0 * angle - 1.5 * speed, -1, 1)
    return 2 * np.where(np.abs(angle) + 0.3 * np.abs(speed) < 0.6, hold, swing)[..., None].astype(np.float32)


if ENV not in gym.registry:
    gym.register(ENV, "bench.experiments.pixel_pendulum:PixelPendulum", max_episode_steps=200)
