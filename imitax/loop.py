"""The one training loop: advance the sources, run a chunk of updates; between chunks evaluate, record and save.

Nothing here knows an algorithm's name. Random keys are folded from the seed and the absolute step, so a step draws
the same numbers whether or not the run was interrupted before it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key, PRNGKeyArray

from imitax import models, seeding
from imitax.artifacts import save_policy, save_reward
from imitax.checkpoint import Checkpoint, fill_tree, save_checkpoint
from imitax.choices.learned_reward import LearnedReward
from imitax.compiled import filter_jit, jit
from imitax.config import Training
from imitax.datasets import Dataset, pool
from imitax.envs import Task
from imitax.evaluate import Evaluator, explain, make_act
from imitax.files import read_json
from imitax.learner import Learner
from imitax.networks import Dynamics, Normalizer, Policy, Termination
from imitax.record import Recorder, SinkName, seed_folder
from imitax.seeding import Purpose
from imitax.sources import (
    Buffer,
    ImaginedBuffer,
    ImaginedSource,
    OnlineSource,
    episode_buffer,
    initial_buffer,
)
from imitax.sources.buffer import unpack
from imitax.stacking import over_seeds, stack, unstack
from imitax.statistics import d4rl_score, expert_fraction
from imitax.types import Batch, Periodic, Transition

LOG_EVERY = 1_000
"""Steps over which training metrics are averaged into one line."""


class Buffers(NamedTuple):
    """The device data that batches are drawn from, with a leading axis of seeds; None where not needed."""

    expert: Buffer | None
    replay: Buffer | None
    initial: Buffer | None = None
    offline: Buffer | None = None
    imagined: ImaginedBuffer | None = None

    def draw(self, count: int, key: PRNGKeyArray) -> tuple[Int[Array, "B"] | None, ...]:
        """Rows of a batch of `count` transitions of each kind (one seed's buffers, inside jit)."""
        keys = [*jr.split(key, 2), *(jr.fold_in(key, i) for i in range(2, len(self)))]
        return tuple(None if b is None else b.draw(count, k) for b, k in zip(self, keys, strict=True))

    def take(self, rows: tuple[Int[Array, "B"] | None, ...]) -> Batch:
        """The transitions of drawn rows."""
        return Batch(*(None if b is None or r is None else b.take(r) for b, r in zip(self, rows, strict=True)))


@dataclass(frozen=True)
class Setup:
    """A run, checked and ready to start."""

    algorithm: ModuleType
    cfg: Any
    training: Training
    task: Task
    folder: Path
    train: list[Dataset] | None
    """Demonstrations of each seed."""
    validation: list[Dataset] | None
    """Held-out demonstrations of each seed."""
    offline: Dataset | None
    """Recorded episodes that are no demonstrations, the same for all seeds."""
    normalizers: list[Normalizer]
    """Of each seed."""
    expert_return: float | None
    """Mean return of all episodes of the demonstration source."""
    warm_start: Policy | None
    reward: LearnedReward | None
    """What the policy is paid in place of the environment's reward."""
    termination: Termination | None = None
    """Where the task ends, for learned models; None where they learn that too."""
    dynamics: Dynamics | None = None
    """The model of another run, with this run's termination."""

    def about(self, index: int, step: int) -> dict[str, Any]:
        """What a policy file says of its origin."""
        return {
            "algorithm": self.algorithm.__name__.rpartition(".")[2],
            "env": self.task.env_id,
            "env_kwargs": self.task.env_kwargs,
            "seed": self.training.seeds[index],
            "step": step,
            "expert_return": self.expert_return,
        }


@dataclass(frozen=True)
class Event:
    """What a callback is told after an evaluation; returning False from the callback ends the run there."""

    step: int
    records: dict[int, dict[str, Any]]
    """Each seed's evaluation: returns, return_mean, expert_fraction, d4rl, lengths and more."""
    folder: Path


Callback = Callable[[Event], bool | None]


def make_chunk(algorithm: ModuleType, cfg: Any, static: Any, seeds: int) -> Callable[..., tuple[Any, dict[str, Array]]]:
    """One jitted, donated scan over `count` updates that samples its batches on the device.

    `(arrays, buffers, keys [S], step, count) -> (arrays, metrics [S])`, metrics averaged over the updates.
    """

    @partial(jit, donate_argnums=0, static_argnums=4)
    def run_chunk(
        arrays: Any, buffers: Buffers, keys: Key[Array, "S"], step: Int[Array, ""], count: int
    ) -> tuple[Any, dict[str, Array]]:
        def one(arrays: Any, buffers: Buffers, key: PRNGKeyArray, step: Int[Array, ""]) -> tuple[Any, dict[str, Array]]:
            # Keys and rows of the whole chunk in one go: inside the scan, each draw would cost a dozen tiny kernels.
            steps = step + jnp.arange(count)
            key_pairs = jax.vmap(lambda i: jr.split(jr.fold_in(key, i)))(steps)  # [K 2]
            rows = jax.vmap(lambda k: buffers.draw(cfg.rows, k))(key_pairs[:, 0])  # [K B]

            def body(arrays: Any, x: tuple[Any, PRNGKeyArray]) -> tuple[Any, dict[str, Array]]:
                rows, k_update = x
                state, metrics = algorithm.update(eqx.combine(arrays, static), buffers.take(rows), cfg, k_update)
                return eqx.filter(state, eqx.is_array), metrics

            arrays, metrics = jax.lax.scan(body, arrays, (rows, key_pairs[:, 1]))
            return arrays, jax.tree.map(lambda m: m.mean(0), metrics)

        return over_seeds(one, seeds, shared=1)(arrays, buffers, keys, step)

    return run_chunk


def initial_state(setup: Setup) -> Any:
    """The states of all seeds before their first update, stacked."""
    states = []
    for seed, normalizer in zip(setup.training.seeds, setup.normalizers, strict=True):
        key = seeding.key(seed, Purpose.INITIALISATION)
        given = {}
        if "model" in setup.cfg.needs:
            given = {"dynamics": new_dynamics(setup, key)}
        state = setup.algorithm.init(setup.cfg, setup.task.spec, normalizer, key, **given)
        if setup.warm_start is not None:  # the demonstrations' or identity normaliser gives way to the policy's own
            actor = Learner.create(setup.warm_start.actor, state.actor.optimizer)
            state = eqx.tree_at(lambda s: (s.actor, s.normalizer), state, (actor, setup.warm_start.normalizer))
            if hasattr(state, "average"):
                state = eqx.tree_at(lambda s: s.average, state, actor.net)
        states.append(state)
    return stack(states)


def new_dynamics(setup: Setup, key: PRNGKeyArray) -> Dynamics:
    """One seed's model: another run's, or one that is yet to be fitted."""
    if setup.dynamics is not None:
        return setup.dynamics
    cfg = setup.cfg
    return Dynamics(setup.task.spec, cfg.dynamics, setup.termination, key=jr.fold_in(key, 1), precision=cfg.precision)


def fit_models(setup: Setup, state: Any, source: OnlineSource | None, step: int) -> tuple[Any, dict[str, np.ndarray]]:
    """The state with every seed's model fitted to its data, and metrics [S] of the fits.

    Offline, the data are the recorded ones with the demonstrations that belong to them; online, the replay.
    """
    fitted, metrics = [], []
    for i, seed in enumerate(setup.training.seeds):
        learner: Learner[Dynamics] = unstack(state.dynamics, i)
        if source is None:
            folder = seed_folder(setup.folder, setup.training.seeds, seed)
            dynamics = models.fit_offline(
                learner.net, recorded_data(setup, i), setup.cfg.fit, seed, folder, setup.about(i, step)
            )
        else:
            own = unstack(source.buffer, i)
            data = unpack(np.asarray(own.rows)[: int(own.size)], own.obs_dim, own.action_dim)
            dynamics, measured = models.fit_replay(learner.net, data, setup.cfg.fit, seed, step)
            metrics.append(measured)
        fitted.append(Learner.create(dynamics, learner.optimizer))
    state = eqx.tree_at(lambda s: s.dynamics, state, stack(fitted))
    return state, jax.tree.map(lambda *x: np.stack(x), *metrics) if metrics else {}


def recorded_data(setup: Setup, index: int) -> Dataset:
    """A seed's recorded episodes; where a model is fitted to them, with copies of its demonstrations."""
    assert setup.offline is not None
    if setup.train is None or "model" not in setup.cfg.needs:
        return setup.offline
    own = setup.train[index]
    return pool(
        setup.offline, own, setup.cfg.demonstration_copies(own.transition_count, setup.offline.transition_count)
    )


def make_periodic(turn: Periodic, cfg: Any, static: Any, seeds: int) -> Callable[..., tuple[Any, dict[str, Array]]]:
    """A jitted, donated turn of an algorithm's slow work: `(arrays, buffers, keys, step) -> (arrays, metrics [S])`."""

    def one(arrays: Any, buffers: Buffers, key: PRNGKeyArray, step: Int[Array, ""]) -> tuple[Any, dict[str, Array]]:
        state, metrics = turn.run(eqx.combine(arrays, static), buffers, cfg, jr.fold_in(key, step))
        return eqx.filter(state, eqx.is_array), metrics

    return jit(over_seeds(one, seeds, shared=1), donate_argnums=0)


def act_alone(act: Callable[..., np.ndarray], policies: Policy, obs: np.ndarray, step: int) -> np.ndarray:
    """Actions [S, A] where each seed has one environment, observations [S, O]."""
    return act(policies, obs[:, None], step)[:, 0]


def train_loop(setup: Setup, resume: Checkpoint | None, callbacks: Sequence[Callback]) -> dict[str, Any]:
    """Run to the last step; returns the best evaluations and the wall time.

    Returns:
        `{"best": [{"step", "return_mean"} a seed], "wall_s": seconds of training over all sessions, "step"}`.
    """
    t, task, seeds = setup.training, setup.task, setup.training.seeds
    online, modelled = "env" in setup.cfg.needs, "model" in setup.cfg.needs
    folders = [seed_folder(setup.folder, seeds, seed) for seed in seeds]
    replay_folders = [f / "replay" for f in folders]

    state = initial_state(setup)
    source = None
    absorbing_rows = hasattr(setup.cfg, "terminal") and setup.cfg.terminal.rows
    if online:
        capacity = min(setup.cfg.buffer_size, t.steps)
        paid = None if setup.reward is None else partial(pay, setup.reward, setup.cfg.gamma)
        source = OnlineSource(task, seeds, capacity, setup.cfg.warmup_steps, absorbing_rows, paid)
    expert = None if setup.train is None else episode_buffer(setup.train, t.subsample, seeds, absorbing_rows)
    initial = None
    if setup.train is not None and getattr(setup.cfg, "needs_initial", False):
        initial = initial_buffer(setup.train)
    offline, imagined = None, None
    if setup.offline is not None:
        recorded = [recorded_data(setup, i) for i in range(len(seeds))]
        offline = episode_buffer(recorded, 1, seeds, absorbing_rows)
    if modelled:
        imagined = ImaginedSource(setup.cfg.imagination, setup.cfg.pessimism, task.spec, len(seeds), absorbing_rows)

    step, wall, best = 0, 0.0, [{"step": 0, "return_mean": -np.inf} for _ in seeds]
    if resume is not None:
        what = f"the checkpoint at step {resume.step}"
        if imagined is None:
            state = fill_tree(state, resume.arrays, what)
        else:
            state, ring = fill_tree((state, imagined.buffer), resume.arrays, what)
            imagined.buffer = jax.tree.map(jnp.copy, ring)  # donated, so it must not lie in the file's memory
        step, wall = resume.step, resume.extra["wall_s"]
        best = [b if b["return_mean"] is not None else b | {"return_mean": -np.inf} for b in resume.extra["best"]]
        if source is not None:
            source.restore(replay_folders, resume.extra["shards"], step)

    evaluator = Evaluator(task, seeds, t.eval_episodes)
    explorer = getattr(setup.algorithm, "explorer", setup.algorithm.policy)
    act = make_act(explorer(state), seeding.keys(seeds, Purpose.ACTING), "sample")
    update_keys, model_keys = seeding.keys(seeds, Purpose.UPDATES), seeding.keys(seeds, Purpose.MODEL)
    started, window, slow = time.monotonic(), [], []
    if modelled and not online and resume is None and t.model_from is None:
        state, _ = fit_models(setup, state, None, step)
    arrays, static = eqx.partition(state, eqx.is_array)
    arrays = jax.tree.map(jnp.copy, arrays)  # donated below: no two leaves may share a buffer
    run_chunk = make_chunk(setup.algorithm, setup.cfg, static, len(seeds))
    per_step, every = getattr(setup.cfg, "updates_per_step", 1), getattr(setup.cfg, "steps_per_update", 1)
    turns = setup.algorithm.periodic(setup.cfg) if hasattr(setup.algorithm, "periodic") else ()
    run_turns = [make_periodic(turn, setup.cfg, static, len(seeds)) for turn in turns]
    refit_every = getattr(setup.cfg, "refit_every", None)
    periods = [t.chunk, *(turn.every for turn in turns)]
    periods += [setup.cfg.imagination.every] if modelled else []
    periods += [] if refit_every is None else [refit_every]
    title = f"{setup.algorithm.__name__.split('.')[-1]} {task.env_id}"
    sinks: list[SinkName] = [name for name in get_args(SinkName) if getattr(t, name)]

    with Recorder(
        setup.folder,
        sinks,
        seeds,
        t.steps,
        t.quiet,
        title,
        read_json(setup.folder / "config.json"),
        resumed_at=step,  # a run killed before its first checkpoint starts again at 0, and so do its records
        unit="steps" if online else "updates",
    ) as recorder:
        stop = False
        while step < t.steps and not stop:
            count = min(t.steps - step, *(period - step % period for period in periods))
            if source is not None and step < source.warmup:
                count = min(count, source.warmup - step)
            if source is not None:
                source.advance(partial(act_alone, act, explorer(state)), step, count)
            replay = None if source is None else source.buffer
            if source is None or step >= source.warmup:
                first = source is not None and step == source.warmup
                real = Buffers(expert, replay, initial, offline)
                if refit_every is not None and (first or step % refit_every == 0):
                    state, metrics = fit_models(setup, state, source, step)
                    arrays = jax.tree.map(jnp.copy, eqx.filter(state, eqx.is_array))
                    slow.append(metrics)
                if imagined is not None and (first or step % setup.cfg.imagination.every == 0):
                    slow.append(imagined.advance(state.dynamics.net, explorer(state), real, model_keys, step))
                buffers = real if imagined is None else real._replace(imagined=imagined.buffer)
                done = step * per_step // every
                if updates := (step + count) * per_step // every - done:
                    arrays, metrics = run_chunk(arrays, buffers, update_keys, jnp.asarray(done), updates)
                    window.append(metrics)
                for turn, run_turn in zip(turns, run_turns, strict=True):
                    if (step + count) % turn.every == 0:
                        arrays, metrics = run_turn(arrays, buffers, model_keys, jnp.asarray(step + count))
                        slow.append(metrics)
            step += count
            state = eqx.combine(arrays, static)

            last = step == t.steps
            due_eval, due_save = last or step % t.eval_every == 0, last or step % t.checkpoint_every == 0
            if window and (due_eval or due_save or step % LOG_EVERY == 0):
                means = jax.tree.map(lambda *x: np.mean(np.stack(x), 0), *window)
                for name in sorted({name for metrics in slow for name in metrics}):
                    means[name] = np.mean([metrics[name] for metrics in slow if name in metrics], 0)
                if source is not None:
                    means |= source.episode_metrics()
                recorder.training(step, means, wall + time.monotonic() - started)
                window, slow = [], []
            if due_eval:
                records = evaluation_records(setup, evaluator, state)
                for i, seed in enumerate(seeds):
                    recorder.evaluation(step, seed, records[seed], wall + time.monotonic() - started)
                    if records[seed]["return_mean"] > best[i]["return_mean"]:
                        best[i] = {"step": step, "return_mean": records[seed]["return_mean"]}
                        save(setup, state, i, step, folders[i], "-best")
                event = Event(step, records, setup.folder)
                answers = [callback(event) for callback in callbacks]  # every callback is told
                stop = any(answer is False for answer in answers)
            if due_save or stop:
                extra = {
                    "wall_s": wall + time.monotonic() - started,
                    "best": best,
                    "shards": [] if source is None else source.save(replay_folders, step),
                }
                saved = arrays if imagined is None else (arrays, imagined.buffer)
                save_checkpoint(setup.folder / "checkpoints", step, saved, extra)
                for i, folder in enumerate(folders):
                    save(setup, state, i, step, folder, "")
    evaluator.close()
    if source is not None:
        source.close()
    return {"best": best, "wall_s": wall + time.monotonic() - started, "step": step}


def save(setup: Setup, state: Any, index: int, step: int, folder: Path, suffix: str) -> None:
    """Write one seed's policy, and the reward that it learned where the algorithm learns one."""
    own, about = unstack(state, index), setup.about(index, step)
    save_policy(folder / f"policy{suffix}.safetensors", setup.algorithm.policy(own), about)
    if hasattr(setup.algorithm, "reward"):
        save_reward(folder / f"reward{suffix}.safetensors", setup.algorithm.reward(own, setup.cfg), about)


def pay(reward: LearnedReward, gamma: float, t: Transition) -> np.ndarray:
    """Learned rewards [N] of host transitions, the terminating ones with everything that follows the end."""
    return np.asarray(_pay(reward, gamma, t))


@filter_jit
def _pay(reward: LearnedReward, gamma: float, t: Transition) -> Array:
    rewards = reward(t.obs, t.action, t.next_obs, t.terminated)
    return reward.with_end(rewards, t.terminated, gamma)


def evaluation_records(setup: Setup, evaluator: Evaluator, state: Any) -> dict[int, dict[str, Any]]:
    """Roll out every seed's policy, and measure how it explains its demonstrations.

    An algorithm whose networks can act in other ways too names them in `alternatives(state)`; their mean returns are
    recorded beside the policy's.
    """
    policies: Policy = setup.algorithm.policy(state)
    records = {}
    for i, (seed, rolled) in enumerate(zip(setup.training.seeds, evaluator(policies), strict=True)):
        mean = float(rolled.returns.mean())
        records[seed] = {
            "return_mean": mean,
            "expert_fraction": expert_fraction(mean, setup.expert_return),
            "d4rl": d4rl_score(setup.task.env_id, mean),
            "returns": rolled.returns.round(4),
            "lengths": rolled.lengths,
            "terminated": float(rolled.terminated.mean()),
        }
        for name, data in (("train", setup.train), ("validation", setup.validation)):
            if data is not None and data[i].has_actions:
                transitions: Transition = data[i].transitions()
                key = seeding.key(seed, Purpose.EVALUATION)
                measures = explain(unstack(policies, i), transitions, key)
                records[seed] |= {f"{name}_{k}": float(v) for k, v in measures.items()}
    others = setup.algorithm.alternatives(state) if hasattr(setup.algorithm, "alternatives") else {}
    for name, alternative in others.items():
        for seed, rolled in zip(setup.training.seeds, evaluator(alternative), strict=True):
            records[seed][f"return_mean_{name}"] = float(rolled.returns.mean())
    return records
