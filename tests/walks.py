"""Episodes of walkers of different skill, whose reward is known."""

import numpy as np

from imitax.datasets import Dataset, Episode


def recorded(skill, count=6, steps=30, seed=0, **fields):
    """Episodes that walk to the right with some skill; the reward is the way."""
    rng = np.random.default_rng(seed)
    episodes = []
    for _ in range(count):
        action = np.clip(skill + 0.3 * rng.normal(size=(steps, 1)), -1, 1).astype(np.float32)
        obs = np.concatenate([np.zeros((1, 1)), np.cumsum(action, 0)]).astype(np.float32)
        episodes.append(Episode(obs, action, action[:, 0], terminated=False, truncated=True))
    return Dataset(tuple(episodes), **fields)


SETS = {"expert": recorded(0.8), "bad": recorded(-0.5, seed=1), "middling": recorded(0.1, seed=2)}
