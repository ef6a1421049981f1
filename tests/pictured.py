"""The toy task with other observations: as a dict with a picture, and as a tuple; and datasets of these."""

import gymnasium as gym
import numpy as np
import toy

SIDE = 12
"""Of the picture, in pixels."""
PIXELS = gym.spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8)
PLACE = gym.spaces.Box(-5.0, 5.0, (2,), np.float32)


def picture(x):
    """A white square of 2 pixels where the point is, on black."""
    image = np.zeros((SIDE, SIDE, 1), np.uint8)
    row, column = np.clip((x + 1.5) / 3 * SIDE, 0, SIDE - 2).astype(int)
    image[row : row + 2, column : column + 2] = 255
    return image


class Pictured(toy.Point):
    """A dict: the picture, and in a dict of its own the place and the quadrant that the point is in."""

    def __init__(self):
        super().__init__()
        quadrant = gym.spaces.Discrete(4, start=1)
        self.observation_space = gym.spaces.Dict(
            {"pixels": PIXELS, "state": gym.spaces.Dict({"place": PLACE, "quadrant": quadrant})}
        )

    def observe(self):
        """The observation of the present state."""
        quadrant = 1 + int(self.x[0] > 0) + 2 * int(self.x[1] > 0)
        return {"pixels": picture(self.x), "state": {"place": self.x, "quadrant": quadrant}}

    def reset(self, *, seed=None, options=None):
        self.observation_space, kept = PLACE, self.observation_space
        super().reset(seed=seed)
        self.observation_space = kept
        return self.observe(), {}

    def step(self, action):
        _, *rest = super().step(action)
        return self.observe(), *rest


class Paired(Pictured):
    """A tuple: the place as two rows of one number, and two switches."""

    def __init__(self):
        super().__init__()
        place = gym.spaces.Box(-5.0, 5.0, (2, 1), np.float32)
        self.observation_space = gym.spaces.Tuple([place, gym.spaces.MultiBinary(2)])

    def observe(self):
        return self.x[:, None], (self.x > 0).astype(np.int8)


ENVS = {"dict": "ImitaxPictured-v0", "tuple": "ImitaxPaired-v0"}
for name, cls in (("ImitaxPictured-v0", Pictured), ("ImitaxPaired-v0", Paired)):
    if name not in gym.registry:
        gym.register(name, cls, max_episode_steps=8)


def expert(obs, step=0):
    """The toy task's expert."""
    place = obs["state"]["place"] if isinstance(obs, dict) else obs[0][..., 0]
    return toy.expert(place)


def demonstrations(kind, episodes=4):
    from imitax.datasets import collect

    return collect(expert, lambda: gym.make(ENVS[kind]), episodes=episodes, seed=0, num_envs=4, name=kind)


def tiny(cfg):
    """A configuration at toy size whose encoders are one small convolution."""
    import dataclasses

    from imitax.networks import EncoderConfig

    def change(part):
        if isinstance(part, EncoderConfig):
            return EncoderConfig(channels=(2,), kernels=(4,), strides=(4,), features=4)
        if not dataclasses.is_dataclass(part):
            return part
        values = {f.name: change(getattr(part, f.name)) for f in dataclasses.fields(part)}
        return dataclasses.replace(part, **values)

    return change(toy.shrink(cfg))
