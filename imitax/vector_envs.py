"""Vector environments: copies of one environment that are stepped together, in this process or in worker processes."""

import multiprocessing
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

import gymnasium as gym
import jax
import numpy as np
from gymnasium.vector.utils import CloudpickleWrapper
from jaxtyping import Bool, Float, Shaped

from imitax.envs import Guard, SoleVectorEnv, Task, check_alike, check_sendable
from imitax.errors import ConfigError, EnvError
from imitax.observations import host_zeros, put

STEP, DONE, REFUSED = b"step", b"done", b"refused "
"""Messages to and from workers; short bytes, because pickling takes longer than a signal."""

POLLING = 3e-4
"""Seconds for which a message is polled: waking from a sleep takes longer, about as long as a step of Hopper."""

Outcome = tuple[Float[np.ndarray, "N"], Bool[np.ndarray, "N"], Bool[np.ndarray, "N"]]
"""Reward, terminated and truncated of one step of N environments."""


class SerialVectorEnv:
    """Copies of one environment, stepped one after another in this process.

    Nothing resets by itself. The caller decides when and with which seed, so that a resumed run sees the same
    episodes, and the last observation of an episode is always the true final one.

    Gymnasium's `SyncVectorEnv` with autoreset disabled gives the same numbers, but it steps either all environments or
    none, and refuses to step one whose episode has ended. An evaluation must leave finished environments alone until
    the last one has finished.
    """

    def __init__(self, make: Callable[[], gym.Env], num_envs: int):
        self.num_envs = num_envs
        self.envs = [Guard(make()) for _ in range(num_envs)]
        check_alike(*self.envs)
        self.obs: Any = host_zeros(self.envs[0].space, num_envs)
        """Latest observation of each environment, [N, ...]."""

    def reset(self, seeds: Mapping[int, int]) -> None:
        """Start an episode in some environments; `seeds` maps an environment's index to its seed."""
        for i, seed in seeds.items():
            put(self.obs, i, self.envs[i].reset(seed=seed)[0])

    def step(self, actions: Shaped[np.ndarray, "N ..."], running: Bool[np.ndarray, "N"] | None = None) -> Outcome:
        """Step the environments where `running` is set (None: all). The others keep their observation; reward 0."""
        reward, terminated, truncated = _no_outcome(self.num_envs)
        for i in range(self.num_envs) if running is None else np.flatnonzero(running):
            obs, reward[i], terminated[i], truncated[i], _ = self.envs[i].step(actions[i])
            put(self.obs, i, obs)
        return reward, terminated, truncated

    def close(self) -> None:
        """Close all environments."""
        for env in self.envs:
            env.close()


class ParallelVectorEnv:
    """A `SerialVectorEnv` spread over this process and W < N worker processes, with the same numbers.

    Gymnasium's `AsyncVectorEnv` has one process for each environment and pickles all actions and results, which takes
    longer than a step of most environments. Here a process steps several environments per message, and the message is
    only a signal: the arrays are in shared memory. This process steps its share while it would otherwise wait.

    Raises:
        ConfigError: the environment cannot be sent to another process, or the processes do not start.
    """

    def __init__(self, task: Task, num_envs: int, workers: int):
        check_sendable(task)
        self.num_envs = num_envs
        self.obs: Any = host_zeros(task.spec.observation, num_envs)
        """Latest observation of each environment, [N, ...]."""
        space = task.spec.action
        fields = [("action", space.dtype, space.shape), ("running", bool), ("reward", np.float64)]
        fields += [(f"obs{i}", leaf.dtype, leaf.shape) for i, leaf in enumerate(task.spec.observation.leaves)]
        layout = np.dtype([*fields, ("terminated", bool), ("truncated", bool)], align=True)
        context: Any = multiprocessing.get_context(_start_method())
        buffer = context.RawArray("B", num_envs * layout.itemsize)
        self.table = np.frombuffer(buffer, layout)
        # Environment i belongs to process i % (W + 1), so that each process has some of every seed.
        self.shares = [slice(process, None, workers + 1) for process in range(workers + 1)]
        self.pipes, self.processes = [], []
        for share in self.shares[:-1]:
            pipe, end = context.Pipe()
            arguments = (end, CloudpickleWrapper(task.make), buffer, layout, share)
            process = context.Process(target=_work, args=arguments, daemon=True)
            with _no_main_script():
                process.start()
            end.close()
            self.pipes.append(pipe)
            self.processes.append(process)
        self.own = SerialVectorEnv(task.make, len(self.table[self.shares[-1]]))
        with ExitStack() as failed, _if_dead(ConfigError("an environment worker did not start; see its error above")):
            failed.callback(self.close)
            for pipe in self.pipes:
                _receive(pipe)
            failed.pop_all()

    def reset(self, seeds: Mapping[int, int]) -> None:
        """As `SerialVectorEnv.reset`."""
        messages: dict[int, dict[int, int]] = {}
        for i, seed in seeds.items():
            messages.setdefault(i % len(self.shares), {})[i // len(self.shares)] = seed
        self._ask({process: pickle.dumps(message) for process, message in messages.items()})

    def step(self, actions: Shaped[np.ndarray, "N ..."], running: Bool[np.ndarray, "N"] | None = None) -> Outcome:
        """As `SerialVectorEnv.step`; actions must have the type of the task's."""
        np.copyto(self.table["action"], actions, casting="no")
        self.table["running"] = True if running is None else running
        self._ask(dict.fromkeys(range(len(self.shares)), STEP))
        return self.table["reward"].copy(), self.table["terminated"].copy(), self.table["truncated"].copy()

    def _ask(self, messages: Mapping[int, bytes]) -> None:
        """Send some processes STEP or the seeds of resets, and wait until all of them have finished."""
        died = RuntimeError("an environment worker died; was it killed because memory ran out?")
        pipes = [(pipe, messages[process]) for process, pipe in enumerate(self.pipes) if process in messages]
        with _if_dead(died):
            for pipe, message in pipes:
                pipe.send_bytes(message)
        if len(self.pipes) in messages:
            _execute(self.own, self.table[self.shares[-1]], messages[len(self.pipes)])
        with _if_dead(died):
            for pipe, _ in pipes:
                _receive(pipe)
        for i, leaf in enumerate(jax.tree.leaves(self.obs)):
            leaf[:] = self.table[f"obs{i}"]

    def close(self) -> None:
        """Close all environments and end the workers."""
        for pipe in self.pipes:
            pipe.close()
        self.own.close()
        for process in self.processes:
            process.join()


VectorEnv = SerialVectorEnv | ParallelVectorEnv | SoleVectorEnv


def _execute(envs: SerialVectorEnv, table: np.ndarray, message: bytes) -> None:
    """Step or reset one process's environments, whose part of the shared memory is `table`."""
    if message == STEP:  # with a copy, because environments may keep their actions
        outcome = envs.step(table["action"].copy(), table["running"])
        table["reward"], table["terminated"], table["truncated"] = outcome
    else:
        envs.reset(pickle.loads(message))
    for i, leaf in enumerate(jax.tree.leaves(envs.obs)):
        table[f"obs{i}"] = leaf


def _work(pipe: Connection, make: Callable[[], gym.Env], buffer: Any, layout: np.dtype, share: slice) -> None:
    """A worker process: make its share of the environments, and reset or step them until the pipe is closed."""
    for name in {"SIGINT", "SIGHUP"} & signal.Signals.__members__.keys():  # of the terminal's processes, the main one
        signal.signal(signal.Signals[name], signal.SIG_IGN)  # decides: when it ends, the pipe is closed
    table = np.frombuffer(buffer, layout)[share]
    try:
        envs = SerialVectorEnv(make, len(table))
        pipe.send_bytes(DONE)
        for message in _messages(pipe):
            _execute(envs, table, message)
            pipe.send_bytes(DONE)
        envs.close()
    except Exception as e:
        with suppress(ConnectionError):  # the main process may be gone
            pipe.send_bytes(REFUSED + str(e).encode() if isinstance(e, EnvError) else traceback.format_exc().encode())


def _messages(pipe: Connection) -> Iterator[bytes]:
    """What arrives until the other end is closed."""
    with suppress(EOFError, ConnectionError):
        while True:
            yield _wait(pipe)


def _receive(pipe: Connection) -> None:
    """Wait for a worker's answer: DONE, or the traceback of an error."""
    answer = _wait(pipe)
    if answer.startswith(REFUSED):
        raise EnvError(answer.removeprefix(REFUSED).decode())
    if answer != DONE:
        raise RuntimeError(f"an environment failed in a worker process:\n{answer.decode()}")


def _wait(pipe: Connection) -> bytes:
    """The next message: polled for a while, in which others may have the core, and then slept for."""
    deadline = time.perf_counter() + POLLING
    while not pipe.poll() and time.perf_counter() < deadline:
        if sys.platform == "linux":
            os.sched_yield()
    return pipe.recv_bytes()


@contextmanager
def _if_dead(error: Exception) -> Iterator[None]:
    """Raise `error` where a pipe turns out to have no process at its other end."""
    try:
        yield
    except (EOFError, ConnectionError) as e:
        raise error from e


def _no_outcome(num_envs: int) -> Outcome:
    return np.zeros(num_envs), np.zeros(num_envs, bool), np.zeros(num_envs, bool)


def _start_method() -> str:
    """How workers start: not by fork, which is unsafe in a process where JAX runs threads."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    # The server imports this module once, without starting JAX's backends; workers are forked from the server.
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    return "forkserver"


@contextmanager
def _no_main_script() -> Iterator[None]:
    """Start processes that do not import the main script, which would train once more where it has no `__main__` guard.

    They do not need it: cloudpickle sends functions and classes of the main script by value.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def make_vector_env(task: Task, num_envs: int, workers: int = 0) -> VectorEnv:
    """`num_envs` environments of a task, stepped by this process and up to `workers` others in parallel."""
    if task.sole is not None:
        return SoleVectorEnv(task.sole, num_envs)
    workers = min(workers, num_envs - 1)
    return ParallelVectorEnv(task, num_envs, workers) if workers else SerialVectorEnv(task.make, num_envs)
