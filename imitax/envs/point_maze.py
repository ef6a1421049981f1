"""A point that goes round a wall to a goal: after the point-mass maze of the AIRL paper (Fu et al. 2018, section 7.1).

The wall crosses the square at y = 0 and leaves a passage at one side. Where the passage lies at the other side, the way
to the goal is another and the reward the same: what a reward is worth elsewhere shows there.
"""

from typing import Any

import gymnasium as gym
import numpy as np

SPEED = 0.1
"""Length of the longest step along an axis; the square has the half-width 1."""
PASSAGE = 0.4
"""Width of the passage."""
START, GOAL = (0.0, -0.7), (0.0, 0.7)
SPREAD = 0.1
"""Half-width of the square that episodes start in."""


class PointMaze(gym.Env):
    """Observations are the position [2], actions the step in units of SPEED. The reward of a step is minus the distance
    from the goal after it, less a tenth of the squared action.

    Args:
        passage: "right" or "left", where the wall ends short of the border.
    """

    def __init__(self, passage: str = "right"):
        if passage not in ("right", "left"):
            raise ValueError(f"passage must be right or left, got {passage!r}")
        self.observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        self.side = 1.0 if passage == "right" else -1.0
        self.position = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Begin near START."""
        super().reset(seed=seed)
        self.position = np.array(START) + self.np_random.uniform(-SPREAD, SPREAD, 2)
        return self.position.astype(np.float32), {}

    def step(self, action: Any):
        """Move unless the wall is in the way; the border stops the point."""
        action = np.clip(np.asarray(action, np.float64), -1, 1)
        target = np.clip(self.position + SPEED * action, -1, 1)
        if not self._hits(target):
            self.position = target
        reward = -float(np.linalg.norm(self.position - GOAL)) - 0.1 * float(action @ action)
        return self.position.astype(np.float32), reward, False, False, {}

    def _hits(self, target: np.ndarray) -> bool:
        """Whether the step crosses y = 0 where the wall stands."""
        below, above = self.position[1], target[1]
        if (below < 0) == (above < 0):
            return False
        crossing = self.position[0] + (target[0] - self.position[0]) * below / (below - above)
        return bool(self.side * crossing < 1 - PASSAGE)
