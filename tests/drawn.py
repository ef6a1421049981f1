"""The toy task with pictures, drawn in NumPy: a white dot on the colour of the episode's step."""

from typing import ClassVar

import gymnasium as gym
import numpy as np
import toy

SIDES = (37, 50)
"""Height and width; one of them is odd, which H.264 does not take."""


class Drawn(toy.Point):
    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 120}

    def __init__(self, render_mode=None, drawn="picture"):
        super().__init__()
        self.render_mode, self.drawn = render_mode, drawn

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return super().reset(seed=seed)

    def step(self, action):
        self.steps += 1
        return super().step(action)

    def render(self):
        if self.drawn == "fails":
            raise OSError("no display")
        if self.drawn == "floats":
            return np.zeros((*SIDES, 3))
        picture = np.full((*SIDES, 3), 10 * self.steps, np.uint8)
        row, column = ((np.clip(self.x, -1.5, 1.4) + 1.5) / 3 * SIDES).astype(int)
        picture[row, column] = 255
        return picture


ENV = "ImitaxDrawn-v0"
if ENV not in gym.registry:
    gym.register(ENV, Drawn, max_episode_steps=20)
