"""Boxes of actions of any shape and type of floats, from collection to an exported policy."""

import gymnasium as gym
import numpy as np
import pytest

import imitax
from imitax.datasets import collect
from imitax.export import imitax_policy

Box = gym.spaces.Box
BOXES = {
    "matrix": Box(-1, np.array([[1, 2, 3], [1, 1, 1]], np.float32)),
    "number": Box(-1, 1, (), np.float32),
    "half": Box(-0.1, 0.1, (2,), np.float16),
    "double": Box(-0.1, 0.1, (2, 1), np.float64),
    "open": Box(-np.inf, np.inf, (2, 2), np.float64),
}
SHORT = {"steps": 20, "chunk": 10, "eval_every": 20, "checkpoint_every": 20, "eval_episodes": 1, "quiet": True}


class Shaped(gym.Env):
    """Takes no action that its space does not contain. The reward is the first number."""

    def __init__(self, kind="matrix"):
        self.observation_space = Box(-1, 1, (3,), np.float32)
        self.action_space = BOXES[kind]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {}

    def step(self, action):
        assert isinstance(action, np.ndarray)
        assert action.dtype == self.action_space.dtype
        assert self.action_space.contains(action), action
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), float(np.ravel(action)[0]), False, False, {}


gym.register("ImitaxShaped-v0", Shaped, max_episode_steps=8)


def demonstrations(kind):
    space = BOXES[kind]
    size = space.low.size

    def act(obs, step=0):
        shares = 0.5 + 0.3 * np.tanh(np.resize(obs, (len(obs), size)))
        low, high = (np.nan_to_num(side.ravel(), posinf=1, neginf=-1) for side in (space.low, space.high))
        return (low + (high - low) * shares).reshape(-1, *space.shape)

    return collect(act, lambda: gym.make("ImitaxShaped-v0", kind=kind), episodes=3, seed=0)


@pytest.mark.parametrize("kind", BOXES)
def test_from_demonstrations_to_a_policy_elsewhere(kind, tmp_path):
    demos, space = demonstrations(kind), BOXES[kind]
    assert demos.actions.shape == (24, space.low.size)
    out = tmp_path / "run"
    run = imitax.train("bc", env="ImitaxShaped-v0", env_kwargs={"kind": kind}, demos=demos, out=out, **SHORT)
    obs = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    actions = run.policy(obs)
    assert (actions.shape, actions.dtype) == ((2, *space.shape), space.dtype)
    assert all(space.contains(np.asarray(action)) for action in actions)
    near = {"rtol": 2e-3 if kind == "half" else 1e-4, "atol": 1e-5}  # of batches of other sizes
    np.testing.assert_allclose(run.policy(obs[0]), actions[0], **near)
    again = imitax.Run(out)
    np.testing.assert_array_equal(again.policy(obs), actions)
    assert np.isfinite(again.evaluate(episodes=1)["iqm"])
    exported = imitax_policy.Policy(run.export().folder / "policy.npz")
    assert exported(obs).shape == actions.shape
    np.testing.assert_allclose(exported(obs), actions, **near)


@pytest.mark.parametrize("kind", ["matrix", "number"])
def test_an_online_method_that_sees_earlier_actions(kind, tmp_path):
    run = imitax.train(
        imitax.preset_config("adversarial", warmup_steps=20),
        env="ImitaxShaped-v0",
        env_kwargs={"kind": kind},
        demos=demonstrations(kind),
        history=2,
        history_actions=True,
        num_envs=2,
        out=tmp_path / "run",
        **SHORT | {"steps": 40, "eval_every": 40, "checkpoint_every": 40},
    )
    assert np.isfinite(run.summary["last"]["return_mean"])
