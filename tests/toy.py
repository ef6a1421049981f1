"""A point in the plane that should go to the origin: the task of the tests, with its expert."""

import dataclasses
from typing import ClassVar

import gymnasium as gym
import numpy as np

ENV = "ImitaxPoint-v0"
STEPS = "ImitaxSteps-v0"
LOW, HIGH = np.array([-0.4, -1.0], np.float32), np.array([1.2, 0.6], np.float32)


class Point(gym.Env):
    """`x <- x + action / 2`, reward `1 - |x|` floored at 0; the MDP ends where the point leaves the box of +-`wall`."""

    def __init__(self, wall=1.5, dims=2):
        self.wall = wall
        self.observation_space = gym.spaces.Box(-5.0, 5.0, (dims,), np.float32)
        self.action_space = gym.spaces.Box(LOW[:dims], HIGH[:dims], dtype=np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        shape = self.observation_space.shape
        self.x = self.np_random.uniform(-0.9, 0.9, shape).astype(np.float32)
        return self.x, {}

    def step(self, action):
        self.x = (self.x + np.asarray(action, np.float32) / 2).astype(np.float32)
        terminated = bool((np.abs(self.x) > self.wall).any())
        return self.x, float(max(0.0, 1 - np.linalg.norm(self.x))), terminated, False, {}


class Counter(gym.Env):
    """A known truth: the reward of step t is t, the episode terminates after its fifth step."""

    observation_space = gym.spaces.Box(-100.0, 100.0, (1,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.full(1, self.t, np.float32), float(self.t), self.t == 5, False, {}


class Steps(gym.Env):
    """`x <- x + 0.3 direction`, reward `1 - |x|` floored at 0, with finite actions of one of three kinds.

    discrete: the first coordinate goes -1, 0 or 1 steps, the second stays at 0. multi: each coordinate does. binary:
    each goes back or forth.
    """

    spaces: ClassVar = {
        "discrete": gym.spaces.Discrete(3, start=-1),
        "multi": gym.spaces.MultiDiscrete([3, 3], start=[-1, -1]),
        "binary": gym.spaces.MultiBinary(2),
    }

    def __init__(self, kind="discrete"):
        self.kind, self.action_space = kind, self.spaces[kind]
        self.observation_space = gym.spaces.Box(-5.0, 5.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-0.9, 0.9, 2).astype(np.float32)
        if self.kind == "discrete":
            self.x[1] = 0
        return self.x, {}

    def step(self, action):
        assert self.action_space.contains(action), repr(action)
        direction = {"discrete": (action, 0), "multi": action, "binary": 2 * np.asarray(action, int) - 1}[self.kind]
        self.x = (self.x + 0.3 * np.asarray(direction)).astype(np.float32)
        terminated = bool((np.abs(self.x) > 1.5).any())
        return self.x, float(max(0.0, 1 - np.linalg.norm(self.x))), terminated, False, {}


def stepping(kind):
    """The expert of `Steps`, as `collect` takes it."""

    def act(obs, step=0):
        if kind == "binary":
            return (obs < 0).astype(np.int8)
        toward = (-np.sign(obs) * (np.abs(obs) > 0.15)).astype(int)
        return toward[:, 0] if kind == "discrete" else toward

    return act


def stepped(kind, episodes=8, seed=0):
    """Demonstrations of `Steps`."""
    from imitax.datasets import collect

    return collect(stepping(kind), lambda: gym.make(STEPS, kind=kind), episodes=episodes, seed=seed, name="steps")


class Unbounded(Counter):
    action_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)


REGISTERED = {ENV: Point, "ImitaxCounter-v0": Counter, STEPS: Steps}
REGISTERED |= {"ImitaxUnbounded-v0": Unbounded}
for name, cls in REGISTERED.items():
    if name not in gym.registry:
        gym.register(name, cls, max_episode_steps=20)


def expert(obs, step=0):
    """Close to the fastest way, short of the edges of the action box."""
    return np.clip(-1.6 * np.asarray(obs), 0.95 * LOW, 0.95 * HIGH)


def demonstrations(episodes, seed=0):
    from imitax.datasets import collect

    return collect(expert, lambda: gym.make(ENV), episodes=episodes, seed=seed, name="toy")


def shrink(cfg, **changes):
    """A configuration at toy size: 8 units a layer, batches of 16, 10 steps of warmup, short searches and fits.

    Args:
        cfg: any configuration.
        changes: settings with other values, by the names of their flags.
    """
    from imitax.config import override

    toy = {"batch_size": 16, "warmup_steps": 10, "buffer_size": 200, "hidden": None}
    toy |= {"starts": 8, "keep": 60, "epochs": 2, "every": 6, "steps": 3, "refit_every": 8, "reward_horizon": 4}
    values = {}
    for field in dataclasses.fields(cfg):
        value = getattr(cfg, field.name)
        if dataclasses.is_dataclass(value):
            values[field.name] = shrink(value)
        elif field.name == "hidden":
            values[field.name] = (8,) * len(value)
        elif field.name in toy:
            values[field.name] = toy[field.name]
        elif field.name in ("samples", "iterations", "reward_every") and isinstance(value, int):
            values[field.name] = min(value, 8)
    return override(dataclasses.replace(cfg, **values), **changes)
