"""The task of `same_numbers.py`, and recorded episodes: the same numbers wherever NumPy is the same."""

from typing import Any

import gymnasium as gym
import numpy as np

ENV = "SameNumbersPoint-v0"


class Point(gym.Env):
    """A noisy linear system that should stay near 0; the task ends where it leaves a box."""

    observation_space = gym.spaces.Box(-10.0, 10.0, (3,), np.float32)
    action_space = gym.spaces.Box(np.array([-0.4, -1.0], np.float32), np.array([1.2, 0.6], np.float32))
    drift = np.array([[1.0, 0.1, 0.0], [-0.1, 1.0, 0.2], [0.0, 0.0, 0.9]], np.float32)
    push = np.array([[0.5, 0.0, 0.1], [0.0, 0.4, -0.1]], np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-0.8, 0.8, 3).astype(np.float32)
        return self.x, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        noise = self.np_random.normal(0, 0.05, 3).astype(np.float32)
        self.x = self.x @ self.drift + np.asarray(action, np.float32) @ self.push + noise
        return self.x, float(1 - np.linalg.norm(self.x)), bool((np.abs(self.x) > 1.5).any()), False, {}


gym.register(ENV, lambda **_: Point(), max_episode_steps=20)


def episodes(env_id: str, count: int, noise: float, seed: int) -> list[dict[str, Any]]:
    """Episodes of a noisy linear policy, as `imitax.train` takes them."""
    env, rng, result = gym.make(env_id), np.random.default_rng(seed), []
    low, high = env.action_space.low, env.action_space.high  # type: ignore[attr-defined]
    for index in range(count):
        obs, rows, ended = env.reset(seed=1000 * seed + index)[0], [], (False, False)
        while not any(ended):
            action = np.tanh(-obs[: len(low)] + noise * rng.normal(size=len(low)))
            action = np.float32(low + (high - low) * (0.5 + 0.49 * action))
            following, reward, *ended, _ = env.step(action)
            rows.append((obs, action, reward))
            obs = following
        observations, actions, rewards = map(np.array, zip(*rows, strict=True))
        episode = {"observations": np.concatenate([observations, [obs]]), "actions": actions, "rewards": rewards}
        result.append(episode | {"terminated": bool(ended[0]), "truncated": bool(ended[1])})
    return result
