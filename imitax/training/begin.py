"""The beginning of training: states before their first update, models, and the streams of data."""

from contextlib import ExitStack
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from imitax import seeding
from imitax.agents.start import Start
from imitax.buffers import Buffer
from imitax.checkpoint import Checkpoint, fill_tree
from imitax.choices.learned_reward import LearnedReward
from imitax.compiled import filter_jit
from imitax.config import flatten
from imitax.evaluate import make_act
from imitax.learner import Learner
from imitax.networks import Dynamics
from imitax.record import seed_folder
from imitax.seeding import Purpose
from imitax.sources import OnlineSource, RolloutSource, Streams, episode_buffer, initial_buffer
from imitax.stacking import gathered, spread, stack, unstack
from imitax.training import models
from imitax.training.setup import Setup
from imitax.types import Metrics, Transition
from imitax.vector_envs import make_vector_env


def initial_state(setup: Setup) -> Any:
    """The states of all seeds before their first update, stacked."""
    states, policy = [], setup.given.policy
    held_out = bool(setup.needs.held_out) and setup.data.held_out(0) is not None
    for seed, normalizer in zip(setup.training.seeds, setup.data.normalizers, strict=True):
        key = seeding.key(seed, Purpose.INITIALISATION)
        dynamics = new_dynamics(setup, seeding.key(seed, Purpose.MODEL_INITIALISATION))
        start = Start(setup.task.spec, normalizer, key, dynamics, held_out=held_out)
        if policy is not None:  # the data's normaliser gives way to the policy's own
            start = start._replace(normalizer=policy.normalizer, actor=policy.actor)
        states.append(setup.algorithm.begun(setup.cfg, start))
    return stack(states)


def new_dynamics(setup: Setup, key: PRNGKeyArray) -> Dynamics | None:
    """One seed's model: another run's, or one that is yet to be fitted; None where the algorithm has none."""
    cfg, precision = setup.needs.model, setup.needs.model_precision
    if cfg is None or setup.given.dynamics is not None:
        return setup.given.dynamics
    spec, termination = setup.task.spec, setup.termination
    return Dynamics(spec, cfg.dynamics, termination, key=key, precision=precision)


def fit_recorded(setup: Setup, state: Any) -> Any:
    """The state with every seed's model fitted to the recorded data and the demonstrations that belong to them."""
    needs, seeds, fitted = setup.needs, setup.training.seeds, []
    assert needs.model is not None
    for i, seed in enumerate(seeds):
        learner: Learner[Dynamics] = unstack(state.model.dynamics, i)
        about, folder = setup.about(i, 0), seed_folder(setup.folder, seeds, seed)
        dynamics = models.fit_offline(learner.net, setup.data.recorded(i, needs), needs.model.fit, seed, folder, about)
        fitted.append(Learner.create(dynamics, learner.optimizer))
    return eqx.tree_at(lambda s: s.model.dynamics, state, stack(fitted))


def fit_replay(setup: Setup, state: Any, replay: Buffer, step: int) -> tuple[Any, Metrics]:
    """The state with every seed's model fitted to its replay, and metrics [S] of the fits."""
    cfg, fitted, metrics = setup.needs.model, [], []
    assert cfg is not None
    learners = gathered(state.model.dynamics)
    for i, seed in enumerate(setup.training.seeds):
        learner: Learner[Dynamics] = unstack(learners, i)
        own = unstack(replay, i)
        data = jax.tree.map(lambda x, n=int(own.size): np.asarray(x)[:n], own.data)
        dynamics, measured = models.fit_replay(learner.net, data, cfg.fit, seed, step)
        fitted.append(Learner.create(dynamics, learner.optimizer))
        metrics.append(measured)
    state = eqx.tree_at(lambda s: s.model.dynamics, state, stack(fitted))
    return unaliased(state, setup.devices), jax.tree.map(lambda *x: np.stack(x), *metrics)


def unaliased(state: Any, devices: int) -> Any:
    """The state with a buffer of its own for every array, because chunks donate them, on the devices of its seed."""
    return spread(jax.tree.map(lambda x: jnp.copy(x) if eqx.is_array(x) else x, state), devices)


def make_streams(setup: Setup, state: Any) -> Streams:
    """All data of a run, before the first step."""
    needs, seeds, task = setup.needs, setup.training.seeds, setup.task
    absorbing, space = needs.absorbing, task.spec.action
    expert, initial, held_out, offline, online, rollouts = None, None, None, None, None, None
    if needs.expert:
        train = [s.train for s in setup.data.selections]
        expert = episode_buffer(train, seeds, space, setup.training.subsample, absorbing, needs.action_horizon)
        initial = initial_buffer(train, space) if needs.initial else None
        unseen = [s.validation for s in setup.data.selections if s.validation is not None]
        if needs.held_out and unseen:
            held_out = episode_buffer(unseen, seeds, space)
    if needs.offline:
        recorded = [setup.data.recorded(i, needs) for i in range(len(seeds))]
        offline = episode_buffer(recorded, seeds, space, samples_absorbing=absorbing)
    if needs.env:
        online = online_source(setup)
    if needs.model is not None:
        rollouts = RolloutSource(needs.model, task.spec, len(seeds), absorbing, setup.devices)
    act = make_act(setup.algorithm.explorer(state), seeding.keys(seeds, Purpose.ACTING), "sample")
    return Streams(
        expert=expert,
        initial=initial,
        offline=offline,
        online=online,
        rollouts=rollouts,
        explorer=setup.algorithm.explorer,
        act=act,
        rollout_keys=seeding.keys(seeds, Purpose.MODEL_ROLLOUTS),
        fit=partial(fit_replay, setup),
        refit_every=setup.schedule.refit_every,
        held_out=held_out,
        devices=setup.devices,
    )


def online_source(setup: Setup) -> OnlineSource:
    """The environments that a run trains in, and its replay."""
    schedule, options, given = setup.schedule, setup.training, setup.given
    reward = None
    if given.reward is not None:
        reward = partial(rewards_above_end, given.reward, gamma=flatten(setup.cfg)["gamma"])
    empty = Buffer.empty(min(schedule.buffer_size, options.steps), setup.task.spec, setup.needs.absorbing)
    envs = make_vector_env(setup.task, len(options.seeds) * options.num_envs, options.env_workers)
    with ExitStack() as failed:
        failed.callback(envs.close)
        source = OnlineSource(envs, setup.task.spec, options.seeds, empty, schedule.warmup_steps, reward)
        if schedule.recent_size:
            source.keep_recent(min(schedule.recent_size, options.steps))
        failed.pop_all()
    return source


def rewards_above_end(reward: LearnedReward, t: Transition, gamma: float) -> np.ndarray:
    """Learned rewards [N] of host transitions, less that of a step after the end (`LearnedReward.above_end`)."""
    return np.asarray(_rewards_above_end(reward, t, gamma))


@filter_jit
def _rewards_above_end(reward: LearnedReward, t: Transition, gamma: float) -> Array:
    return reward.above_end(reward(t.obs, t.action, t.next_obs, t.terminated), t.terminated, gamma)


def continue_from(checkpoint: Checkpoint, setup: Setup, state: Any, streams: Streams) -> Any:
    """The state of a checkpoint; the streams are restored in place."""
    what = f"the checkpoint at step {checkpoint.step}"
    state, ring = fill_tree((state, streams.device_state()), checkpoint.arrays, what)
    folders = [seed_folder(setup.folder, setup.training.seeds, seed) / "replay" for seed in setup.training.seeds]
    streams.restore(ring, folders, checkpoint.extra["shards"], checkpoint.step)
    return state
