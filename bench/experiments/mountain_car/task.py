"""MountainCar-v0 on a grid: its cells, its dynamics, the MDP, and the returns of a grid policy in Gymnasium."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from imitax import seeding
from imitax.seeding import Purpose
from imitax.tabular import TabularMDP, deterministic

ENV = "MountainCar-v0"
GAMMA = 0.99
"""Discount of one environment step."""


@dataclass(frozen=True)
class Grid:
    """Cells of equal size over the positions left of the flag and all velocities; the position is the outer index."""

    bins: int
    position: tuple[float, float] = (-1.2, 0.5)
    velocity: tuple[float, float] = (-0.07, 0.07)

    @property
    def repeat(self) -> int:
        """Environment steps for which an action is held."""
        return max(1, round(200 / self.bins))

    @property
    def velocity_bins(self) -> int:
        """Cells along velocity: an odd number, so that one is centred at 0."""
        return self.bins + 1 - self.bins % 2

    @property
    def goal(self) -> int:
        """Index of the goal state, the last one."""
        return self.bins * self.velocity_bins

    def centres(self) -> Float[np.ndarray, "S 2"]:
        """Positions and velocities of all cells."""
        width = (self.position[1] - self.position[0]) / self.bins
        x = self.position[0] + width * (np.arange(self.bins) + 0.5)
        v = np.linspace(*self.velocity, self.velocity_bins)
        return np.stack(np.meshgrid(x, v, indexing="ij"), -1).reshape(-1, 2)

    def cell(self, state: Float[np.ndarray, "*N 2"]) -> Int[np.ndarray, "*N"]:
        """The cells of positions and velocities left of the flag."""
        share = (state - [self.position[0], self.velocity[0]]) / [np.ptp(self.position), np.ptp(self.velocity)]
        column = np.clip(np.floor(share[..., 0] * self.bins), 0, self.bins - 1)
        row = np.clip(np.rint(share[..., 1] * (self.velocity_bins - 1)), 0, self.velocity_bins - 1)
        return np.asarray(column * self.velocity_bins + row, int)

    def image(self, values: Shaped[np.ndarray, "S"]) -> Shaped[np.ndarray, "V X"]:
        """State values as an image, without the goal's."""
        return values[:-1].reshape(self.bins, self.velocity_bins).T


def dynamics(state: Float[np.ndarray, "N 2"], action: int) -> tuple[Float[np.ndarray, "N 2"], Bool[np.ndarray, "N"]]:
    """One step of MountainCar-v0 from positions and velocities, and whether it reached the flag."""
    x, v = state.T
    v = np.clip(v + 0.001 * (action - 1) - 0.0025 * np.cos(3 * x), -0.07, 0.07)
    x = np.clip(x + v, -1.2, 0.6)
    v = np.where((x == -1.2) & (v < 0), 0.0, v)
    return np.stack([x, v], 1), (x >= 0.5) & (v >= 0)


def build(grid: Grid, *, absorbing: bool) -> TabularMDP:
    """The discretised task. Episodes start at rest in a cell between -0.6 and -0.4."""
    centres = grid.centres()
    next_state = np.full((grid.goal + 1, 3), grid.goal)
    reward = np.zeros((grid.goal + 1, 3))
    for action in range(3):
        state, done = centres, np.zeros(grid.goal, bool)
        for _ in range(grid.repeat):
            reward[:-1, action] -= ~done
            moved, arrived = dynamics(state, action)
            state = np.where(done[:, None], state, moved)
            done = done | arrived
        next_state[:-1, action] = np.where(done, grid.goal, grid.cell(state))
    x, v = centres.T
    start = np.append((x >= -0.6) & (x <= -0.4) & (np.abs(v) < 1e-9), False).astype(float)
    is_goal = np.arange(grid.goal + 1) == grid.goal
    return deterministic(next_state, reward, start / start.sum(), GAMMA**grid.repeat, is_goal if absorbing else None)


def gym_returns(policy: Float[Array, "S 3"], grid: Grid, seed: int, episodes: int) -> Float[np.ndarray, "E"]:
    """Returns in Gymnasium's environment of actions sampled from a grid policy."""
    cumulative = np.cumsum(np.asarray(policy, np.float64), 1)
    env = gym.make(ENV)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        rng = seeding.generator(seed, Purpose.EVALUATION, episode)
        obs, _ = env.reset(seed=seeding.environment_seed(Purpose.EVALUATION, seed, episode))
        over = False
        while not over:
            row = cumulative[grid.cell(obs)]
            action = int(np.searchsorted(row, rng.uniform(0, row[-1]), side="right"))
            for _ in range(grid.repeat):
                obs, reward, terminated, truncated, _ = env.step(action)
                returns[episode] += float(reward)
                if over := terminated or truncated:
                    break
    env.close()
    return returns
