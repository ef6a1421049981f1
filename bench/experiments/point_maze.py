"""Goals in observations: BC and adversarial imitation of a point that goes through a maze to where it is told.

    python -m bench.experiments.point_maze --out runs/point_maze --results bench/results/point_maze.jsonl

PointMaze of gymnasium-robotics (`pip install gymnasium-robotics`) shows a dict: position and velocity, the achieved
goal, and the desired goal. Start and goal are drawn anew in every episode, which ends at the goal or after 300 steps
(in the larger maze 600); its return is 1 or 0. The demonstrations are scripted: a shortest path over the cells of the
maze, and a proportional and derivative controller from cell to cell. Scores are shares of successful episodes with
their 95 % Wilson intervals.
"""

from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np

import imitax
from bench.experiments.few_runs import finished, options
from imitax.comparison.estimates import wilson
from imitax.datasets import Dataset, collect

MAZES = {"umaze": "PointMaze_UMaze-v3", "medium": "PointMaze_Medium-v3"}
ONE_GOAL = {"continuing_task": False}
STEPS = {"bc": 20_000, "adversarial": 60_000}
GAIN, DAMPING = 10.0, 1.0
"""Of the controller: force for a unit of distance, and of speed."""


def make(env: str) -> gym.Env:
    """The environment of the demonstrations."""
    import gymnasium_robotics  # pyright: ignore[reportMissingImports]

    gym.register_envs(gymnasium_robotics)
    return gym.make(env, **ONE_GOAL)


class Expert:
    """The scripted policy of a maze.

    Args:
        maze: `maze_map`, whose cells with 1 are walls, and the functions between cells and coordinates.
    """

    def __init__(self, maze: Any):
        self.maze = maze
        self.next_cell = cache(self._next_cell)

    def __call__(self, obs: dict[str, np.ndarray], step: int = 0) -> np.ndarray:
        """Forces [B, 2] towards the next cell on the way, or towards the goal in its cell."""
        del step
        forces = []
        for seen, here, goal in zip(obs["observation"], obs["achieved_goal"], obs["desired_goal"], strict=True):
            start, end = (tuple(int(i) for i in self.maze.cell_xy_to_rowcol(xy)) for xy in (here, goal))
            target = goal if start == end else self.maze.cell_rowcol_to_xy(np.array(self.next_cell(start, end)))
            forces.append(GAIN * (target - here) - DAMPING * seen[2:])
        return np.clip(np.array(forces), -1, 1)

    def _next_cell(self, start: tuple[int, int], goal: tuple[int, int]) -> tuple[int, int]:
        """The first cell on a shortest way between two cells."""
        walls, previous, queue = self.maze.maze_map, {goal: goal}, deque([goal])
        while queue:
            row, column = cell = queue.popleft()
            if cell == start:
                return previous[cell]
            for other in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                if walls[other[0]][other[1]] != 1 and other not in previous:
                    previous[other] = cell
                    queue.append(other)
        raise ValueError(f"there is no way from {start} to {goal}")


def record(maze: str, episodes: int, seed: int = 0) -> Dataset:
    """Demonstrations of a maze."""
    env = MAZES[maze]
    expert = Expert(make(env).unwrapped.maze)  # type: ignore[attr-defined]
    return collect(expert, lambda: make(env), episodes=episodes, seed=seed, name=f"point-{maze}")


def main(arguments: Sequence[str] | None = None) -> dict[tuple[str, str], float]:
    """Train what is missing and print the scores; returns the shares of successes by maze and method."""
    parser = options(__doc__, "runs/point_maze", list(STEPS))
    parser.add_argument("--mazes", nargs="+", default=list(MAZES), choices=list(MAZES))
    args, shares = parser.parse_args(arguments), {}
    for maze in args.mazes:
        demos = record(maze, args.episodes)
        print(f"{maze}: {demos.returns.mean():.2f} successful, {demos.lengths.mean():.0f} steps")
        for method in args.methods:
            setting = {"env": MAZES[maze], "env_kwargs": ONE_GOAL, "demos": demos}
            run = finished(f"{method}-{maze}", imitax.preset_config(method), args, STEPS[method], **setting)
            returns = np.concatenate([seed["returns"] for seed in run.evaluate(100)["per_seed"]])
            rate = wilson(int((returns > 0).sum()), len(returns))
            shares[maze, method] = rate.value
            print(f"{method:12} {rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f}) of {len(returns)}", flush=True)
    return shares


if __name__ == "__main__":
    main()
