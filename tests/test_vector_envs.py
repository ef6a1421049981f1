"""Environments stepped together, in this process or in others, behave as each of them alone."""

import os
import subprocess
import sys
import threading

import gymnasium as gym
import jax
import numpy as np
import pictured
import pytest
import toy
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from imitax.envs import Task
from imitax.errors import ConfigError
from imitax.evaluate import rollout
from imitax.vector_envs import ParallelVectorEnv, SerialVectorEnv, make_vector_env


@pytest.fixture
def parallel():
    """Makes vector environments in worker processes and closes them after the test."""
    made = []

    def make(env, num_envs, workers):
        made.append(make_vector_env(Task.create(env), num_envs, workers))
        assert isinstance(made[-1], ParallelVectorEnv)
        return made[-1]

    yield make
    for envs in made:
        envs.close()


def random_actions(task, steps, num_envs):
    if task.spec.is_finite:
        space = task.spec.action
        return space.env(space.at(np.random.default_rng(0).random((steps, num_envs, space.size))))
    low, high = np.asarray(task.spec.action_low), np.asarray(task.spec.action_high)
    return np.random.default_rng(0).uniform(low, high, (steps, num_envs, len(low))).astype(np.float32)


@pytest.mark.parametrize("env", ["Hopper-v5", toy.ENV])
def test_the_numbers_are_those_of_gymnasiums_vector_environment(env):
    """Seeds of single environments, rewards, and the final observation of an episode."""
    task = Task.create(env)
    ours = SerialVectorEnv(task.make, 3)
    theirs = SyncVectorEnv([task.make] * 3, autoreset_mode=AutoresetMode.DISABLED)
    ours.reset({0: 7, 1: 3, 2: 11})
    np.testing.assert_array_equal(ours.obs, theirs.reset(seed=[7, 3, 11])[0].astype(np.float32))
    resets = 0
    for step, actions in enumerate(random_actions(task, 80, 3)):
        reward, terminated, truncated = ours.step(actions)
        obs, *expected, _ = theirs.step(actions)
        assert ours.obs.dtype == np.float32
        for mine, wanted in zip((ours.obs, reward, terminated, truncated), (obs, *expected), strict=True):
            np.testing.assert_array_equal(mine, wanted.astype(mine.dtype))
        over = terminated | truncated
        if over.any():
            ours.reset({i: 100 * step + i for i in np.flatnonzero(over).tolist()})
            obs, _ = theirs.reset(seed=[100 * step + i for i in range(3)], options={"reset_mask": over})
            np.testing.assert_array_equal(ours.obs, obs.astype(np.float32))
            resets += over.sum()
    assert resets > 3
    ours.close()
    theirs.close()


@pytest.mark.parametrize(("env", "num_envs", "workers"), [("Hopper-v5", 5, 2), (toy.ENV, 4, 3), (toy.STEPS, 2, 8)])
def test_worker_processes_give_the_same_numbers(parallel, env, num_envs, workers):
    task = Task.create(env)
    alone, spread = SerialVectorEnv(task.make, num_envs), parallel(env, num_envs, workers)
    seeds = {i: 40 + i for i in range(num_envs)}
    rng, kept = np.random.default_rng(1), 0
    for envs in (alone, spread):
        envs.reset(seeds)
    np.testing.assert_array_equal(alone.obs, spread.obs)
    for step, actions in enumerate(random_actions(task, 60, num_envs)):
        running = rng.random(num_envs) < 0.8 if step % 2 else None
        before = alone.obs.copy()
        expected, got = alone.step(actions, running), spread.step(actions, running)
        for mine, wanted in zip((spread.obs, *got), (alone.obs, *expected), strict=True):
            assert mine.dtype == wanted.dtype
            np.testing.assert_array_equal(mine, wanted)
        if running is not None:
            np.testing.assert_array_equal(alone.obs[~running], before[~running])
            assert not expected[0][~running].any()
            kept += (~running).sum()
        ended = np.flatnonzero(expected[1] | expected[2]).tolist()
        for envs in (alone, spread):
            envs.reset({i: 1000 * step + i for i in ended})
    assert kept
    alone.close()


def test_finished_environments_are_not_stepped(parallel):
    """An episode of Counter has five steps, the rewards 1 to 5; a sixth step would add 6."""
    for envs in (SerialVectorEnv(toy.Counter, 3), parallel("ImitaxCounter-v0", 3, 2)):
        returns, lengths, terminated = rollout(envs, [0, 1, 2], lambda obs, _: np.zeros((3, 1), np.float32), 9)
        assert returns.tolist() == [15.0] * 3
        assert lengths.tolist() == [5] * 3
        assert terminated.all()
        envs.reset({1: 0})
        assert envs.obs.tolist() == [[5.0], [0.0], [5.0]]
        reward, terminated, _ = envs.step(np.zeros((3, 1), np.float32), np.array([False, True, False]))
        assert envs.obs.tolist() == [[5.0], [1.0], [5.0]]
        assert (reward.tolist(), terminated.any()) == ([0.0, 1.0, 0.0], False)


def test_an_environment_without_an_end_is_cut():
    envs = SerialVectorEnv(lambda: toy.Point(wall=1e9), 2)
    returns, lengths, terminated = rollout(envs, [0, 1], lambda obs, step: np.zeros((2, 2)), 7)
    np.testing.assert_array_equal(lengths, [7, 7])
    assert not terminated.any()
    assert (returns >= 0).all()


def test_a_rollout_by_hand():
    env = gym.make(toy.ENV)
    envs = SerialVectorEnv(lambda: gym.make(toy.ENV), 3)
    returns, lengths, _ = rollout(envs, [5, 6, 7], toy.expert, 100)
    for i, seed in enumerate((5, 6, 7)):
        obs, total, steps, done = env.reset(seed=seed)[0], 0.0, 0, False
        while not done:
            obs, reward, terminated, truncated, _ = env.step(toy.expert(obs))
            total, steps, done = total + reward, steps + 1, terminated or truncated
        assert returns[i] == total
        assert lengths[i] == steps


def test_workers_make_environments_that_only_this_process_knows(parallel):
    class Local(toy.Counter):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=seed)[0] + seed, {}

    gym.register("ImitaxLocal-v0", Local, max_episode_steps=20)
    instance = Local()
    try:
        for env in ("ImitaxLocal-v0", instance, lambda: gym.wrappers.TimeLimit(Local(), 3)):
            envs = parallel(env, 3, 2)
            envs.reset({0: 5, 2: 7})
            assert envs.obs.tolist() == [[5.0], [0.0], [7.0]]
    finally:
        del gym.registry["ImitaxLocal-v0"]


def test_an_environment_that_cannot_be_sent(parallel):
    lock = threading.Lock()

    def make():
        assert lock is not None
        return toy.Counter()

    with pytest.raises(ConfigError, match=r"make cannot be sent to a worker process: .*lock.*--env-workers"):
        parallel(make, 2, 2)


def test_errors_in_a_worker(parallel):
    class Broken(toy.Counter):
        def step(self, action):
            if action[0] > 0:
                raise ValueError("the arm fell off")
            return super().step(action)

    envs = parallel(Broken, 4, 2)
    envs.reset(dict.fromkeys(range(4), 0))
    envs.step(np.zeros((4, 1), np.float32))
    with pytest.raises(RuntimeError, match=r"failed in a worker process:[^$]*ValueError: the arm fell off"):
        envs.step(np.float32([[0], [1], [0], [0]]))
    envs = parallel(Broken, 3, 2)
    envs.reset(dict.fromkeys(range(3), 0))
    with pytest.raises(ValueError, match="the arm fell off"):  # the last share is this process's
        envs.step(np.float32([[0], [0], [1]]))
    envs = parallel(toy.Counter, 4, 2)
    with pytest.raises(TypeError, match=r"f(loat)?64"):  # would be rounded, unlike without workers
        envs.step(np.zeros((4, 1)))
    envs.processes[0].kill()
    envs.processes[0].join()
    with pytest.raises(RuntimeError, match="an environment worker died"):
        envs.step(np.zeros((4, 1), np.float32))


def test_closing_ends_the_workers(parallel, tmp_path):
    class Noting(toy.Counter):
        def close(self):
            (tmp_path / f"{os.getpid()}-{id(self)}").touch()

    envs = parallel(lambda: Noting(), 5, 2)
    envs.close()
    assert not any(process.is_alive() for process in envs.processes)
    closed = [path.name.partition("-")[0] for path in tmp_path.iterdir()]
    counts = [closed.count(str(process.pid)) for process in envs.processes]
    assert counts == [2, 2]  # and this process has the fifth


SCRIPT = """
import gymnasium as gym, numpy as np
from imitax.envs import Task
from imitax.vector_envs import make_vector_env

print("started")

class Mine(gym.Env):
    observation_space = gym.spaces.Box(-9, 9, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.full(1, seed, np.float32), {}

gym.register("Mine-v0", Mine)
envs = make_vector_env(Task.create("Mine-v0"), 3, 2)
envs.reset({0: 3, 1: 4, 2: 5})
print(envs.obs.tolist())
"""


def test_workers_do_not_run_the_main_script_again(tmp_path):
    """A script without a `__main__` guard, whose environment they nevertheless make."""
    (tmp_path / "script.py").write_text(SCRIPT)
    call = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, env=os.environ, check=False)
    assert (done.stdout, done.stderr) == ("started\n[[3.0], [4.0], [5.0]]\n", "")


def test_dicts_and_images_come_from_workers_as_they_are(parallel):
    task = Task.create(pictured.ENVS["dict"])
    ours, theirs = SerialVectorEnv(task.make, 3), parallel(pictured.ENVS["dict"], 3, 1)
    for envs in (ours, theirs):
        envs.reset({0: 7, 1: 3, 2: 11})
    for actions in random_actions(task, 3, 3):
        assert ours.obs["pixels"].dtype == theirs.obs["pixels"].dtype == np.uint8
        for mine, other in zip(jax.tree.leaves(ours.obs), jax.tree.leaves(theirs.obs), strict=True):
            np.testing.assert_array_equal(mine, other)
        np.testing.assert_array_equal(ours.obs["pixels"][1], pictured.picture(ours.obs["state"]["place"][1]))
        assert ours.step(actions)[0].tolist() == theirs.step(actions)[0].tolist()
