"""Evaluation: vectorised rollouts of several policies at once, and how well they explain demonstrations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, Shaped

from imitax import seeding
from imitax.compiled import filter_jit, jit, shared
from imitax.envs import EPISODE_LIMIT, SoleVectorEnv, Task
from imitax.envs.limits import warn_of_cut
from imitax.execution import Execution
from imitax.networks import ActionMode, Policy, chunks_of, compared_transitions, predict
from imitax.seeding import Purpose
from imitax.stacking import gathered, over_seeds
from imitax.types import Obs, Transition
from imitax.vector_envs import VectorEnv, make_vector_env

EPISODES_IN_A_SET = 100_000
"""Distance between the first environment seeds of two sets of evaluation episodes."""


@dataclass(frozen=True)
class Rollouts:
    """The episodes of one seed's evaluation."""

    returns: np.ndarray
    """Undiscounted returns, [E]."""
    lengths: np.ndarray
    """Steps, [E]."""
    terminated: np.ndarray
    """Whether each episode ended by termination rather than a time limit, [E]."""


def make_act(policies: Policy, keys: Key[Array, "S"], mode: ActionMode) -> Callable[[Policy, Any, int], np.ndarray]:
    """A compiled `(policies, obs [S, N, ...], step) -> actions [S, N, k]` for stacked policies of one structure.

    Actions are as data have them: of a finite set, integers. Of policies that predict H actions, H of them in a row.

    The noise of a sampled action is decided by the seed's key and the step. One device computes the actions of all
    seeds: so few products take less time than handing them to several. `acting_device` says which.
    """
    arrays, static = eqx.partition(policies, eqx.is_array)
    compiled, place = _predicting(static, jax.tree.structure(arrays), len(keys), mode), acting_device(policies)
    keys = jax.device_put(keys, place)

    latest: tuple[Policy, list[Array]] | None = None  # policies and their arrays, which take long to find at every step

    def act(policies: Policy, obs: Any, step: int) -> np.ndarray:
        nonlocal latest
        if latest is None or latest[0] is not policies:
            leaves = gathered(jax.tree.leaves(eqx.filter(policies, eqx.is_array)))
            latest = policies, leaves if place is None else jax.device_put(leaves, place)
        return np.asarray(compiled(latest[1], obs, keys, step))

    return act


@shared
def _predicting(static: Policy, arrays: Any, seeds: int, mode: ActionMode) -> Callable[..., Shaped[Array, "S N k"]]:
    """`(leaves, obs [S, N, ...], keys [S], step) -> actions`, compiled; `arrays` is the structure of the leaves."""

    def one(leaves: list[Array], obs: Obs, key: PRNGKeyArray, step: Array) -> Shaped[Array, "N k"]:
        policy: Policy = eqx.combine(jax.tree.unflatten(arrays, leaves), static)
        return predict(policy, obs, jr.fold_in(key, step), mode)

    return jit(over_seeds(one, seeds, shared=1))


def acting_device(policies: Policy) -> Any:
    """The CPU for small policies that an accelerator trains; None where it makes no difference.

    A CPU has the actions of a few flat observations before the accelerator has answered. Images and searches over many
    actions are left to the accelerator.
    """
    flat = policies.actor.spec.single.is_flat and compared_transitions(policies) is None
    if jax.default_backend() == "cpu" or not flat:
        return None
    return jax.local_devices(backend="cpu")[0]


def rollout(
    envs: VectorEnv, seeds: Sequence[int], act: Callable[[Any, int], np.ndarray], limit: int
) -> tuple[Float[np.ndarray, "N"], Int[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
    """One episode in every environment.

    Args:
        envs: the environments.
        seeds: one for each environment's reset.
        act: `(obs [N, ...], step) -> actions [N, ...]`, as the environment takes them.
        limit: steps after which an episode is cut when the environment has no end of its own.

    Returns:
        Returns [N] (undiscounted), lengths [N], and whether each episode terminated [N].
    """
    n = envs.num_envs
    returns, lengths, terminations = np.zeros(n), np.zeros(n, int), np.zeros(n, bool)
    together = 1 if isinstance(envs, SoleVectorEnv) else n  # an environment that exists once has one episode at a time
    for first in range(0, n, together):
        running = (np.arange(n) >= first) & (np.arange(n) < first + together)
        envs.reset({i: seeds[i] for i in np.flatnonzero(running).tolist()})
        for step in range(limit):
            if not running.any():
                break
            reward, terminated, truncated = envs.step(act(envs.obs, step), running)
            returns += reward
            lengths += running
            terminations |= terminated
            running &= ~(terminated | truncated)
    return returns, lengths, terminations


def episode_seeds(purpose: Purpose, seed: int, episodes: int, index: int = 0) -> list[int]:
    """Environment seeds of a run's index-th set of episodes."""
    first = index * EPISODES_IN_A_SET
    return [seeding.environment_seed(purpose, seed, first + i) for i in range(episodes)]


class Evaluator:
    """Rolls out one policy per seed, all seeds and episodes together, with one policy call per step.

    Args:
        task: the environment.
        seeds: of the run; they decide the environments' seeds, which are the same at every evaluation.
        episodes: per seed.
        index: of the set of episodes: 0 is the set that training evaluates on, others are fresh.
        mode: the deterministic action, or a sampled one.
        workers: processes that step environments in parallel with this one.
    """

    def __init__(
        self,
        task: Task,
        seeds: tuple[int, ...],
        episodes: int,
        *,
        index: int = 0,
        mode: ActionMode = "mode",
        workers: int = 0,
    ):
        self.shape = (len(seeds), episodes)
        self.envs = make_vector_env(task, len(seeds) * episodes, workers)
        self.limit, self.ends = task.max_episode_steps or EPISODE_LIMIT, task.max_episode_steps is not None
        """Steps after which an episode is cut, and whether that is the environment's own limit."""
        self.name = task.env_id
        self.alone = isinstance(self.envs, SoleVectorEnv)
        """Whether there is one environment, in which training runs too."""
        self.env_seeds = [s for seed in seeds for s in episode_seeds(Purpose.EVALUATION, seed, episodes, index)]
        self.keys = seeding.keys(seeds, Purpose.EVALUATION)
        self.mode: ActionMode = mode
        self.acts: dict[Any, Callable[[Policy, Any, int], np.ndarray]] = {}

    def __call__(self, policies: Policy) -> list[Rollouts]:
        """One evaluation of stacked policies, in the order of the seeds."""
        kind = jax.tree.structure(policies)
        if kind not in self.acts:
            self.acts[kind] = make_act(policies, self.keys, self.mode)
        act, execution = self.acts[kind], Execution(chunks_of(policies))

        def choose(obs: Any, step: int) -> np.ndarray:
            def predicted() -> np.ndarray:
                by_seed = jax.tree.map(lambda x: x.reshape(*self.shape, *x.shape[1:]), obs)
                return act(policies, by_seed, step).reshape(self.shape[0] * self.shape[1], -1)

            if step == 0:
                execution.begin()
            return policies.actor.spec.action.env(execution(predicted))

        results = rollout(self.envs, self.env_seeds, choose, self.limit)
        if not self.ends and results[1].max() >= self.limit:
            warn_of_cut(self.name, self.limit)
        columns = [x.reshape(self.shape) for x in results]
        return [Rollouts(*(x[i] for x in columns)) for i in range(self.shape[0])]

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def explain(policy: Policy, data: Transition, key: PRNGKeyArray) -> dict[str, Float[Array, ""]]:
    """How well one policy explains data actions; where the policy says so, on evenly spaced rows only.

    Args:
        policy: with or without a search.
        data: raw observations, and actions as data have them.
        key: of sampled actions.

    Returns:
        `action_error_mode` and `action_error_sample`, mean absolute differences to the deterministic and to a sampled
        action in the action's units, averaged over dimensions (of a finite set, the share of other actions), and
        `log_likelihood` in nats.
    """
    return explain_encoded(policy, replace(data, action=policy.actor.spec.action.encode(np.asarray(data.action))), key)


@filter_jit
def explain_encoded(policy: Policy, data: Transition, key: PRNGKeyArray) -> dict[str, Float[Array, ""]]:
    """The same of actions as imitax has them, also inside of a vmap."""
    count = compared_transitions(policy)
    if count is not None and count < len(data):
        spaced = np.linspace(0, len(data) - 1, count).astype(int)
        data = jax.tree.map(lambda x: x[spaced], data)
    mode, sample = policy.act(data.obs, key, "mode"), policy.act(data.obs, key, "sample")
    error = policy.actor.spec.action.error
    return {
        "action_error_mode": error(mode, data.action),
        "action_error_sample": error(sample, data.action),
        "log_likelihood": policy.log_prob(data.obs, data.action).mean(),
    }
