"""Check everything that can be wrong before training starts: load the data, make the task, check, gather."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from imitax.algorithm import Algorithm, Needs, Schedule
from imitax.config import Training, require_multiples
from imitax.datasets import Dataset, Selection, load, normalization, pool, select, validate
from imitax.datasets.comparison import compare, shape_hint
from imitax.datasets.environment import bare, from_file
from imitax.datasets.episode import kwargs_json
from imitax.envs import EnvLike, Task, check_sendable
from imitax.errors import ConfigError, DataError
from imitax.networks import Normalizer, Termination
from imitax.record.sinks import SinkName, require
from imitax.stacking import device_count
from imitax.training.action_check import check_actions
from imitax.training.given import Given, load_given, termination_of


@dataclass(frozen=True)
class Sources:
    """The data that a run was given, before its episodes are selected."""

    demos: Dataset | None
    offline: Dataset | None
    """Recorded episodes that are no demonstrations, the same for all seeds."""


@dataclass(frozen=True)
class Data:
    """The data of a run."""

    demos: Dataset | None
    offline: Dataset | None
    selections: tuple[Selection, ...]
    """Demonstrations of each seed; none without demonstrations."""
    normalizers: tuple[Normalizer, ...]
    """Of each seed."""

    @property
    def expert_return(self) -> float | None:
        """Mean return of all episodes of the demonstrations, where it is known."""
        return None if self.demos is None or not self.demos.has_rewards else float(self.demos.returns.mean())

    def recorded(self, index: int, needs: Needs) -> Dataset:
        """A seed's recorded episodes; where a model is fitted to them, with copies of its demonstrations."""
        assert self.offline is not None
        if not self.selections or needs.model is None:
            return self.offline
        own = self.selections[index].train
        return pool(self.offline, own, needs.demonstration_copies(own.transition_count, self.offline.transition_count))


@dataclass(frozen=True)
class Setup:
    """A run, checked and ready to start."""

    algorithm: Algorithm
    cfg: Any
    training: Training
    task: Task
    folder: Path
    data: Data
    given: Given
    """What other runs learned."""
    termination: Termination | None = None
    """Where the task ends, for learned models; None where they learn that too."""

    @property
    def needs(self) -> Needs:
        """What the algorithm learns from."""
        return self.algorithm.needs(self.cfg)

    @property
    def schedule(self) -> Schedule:
        """How much it learns, and when."""
        return self.algorithm.schedule(self.cfg)

    @property
    def devices(self) -> int:
        """Devices that share the seeds."""
        return device_count(len(self.training.seeds), self.training.devices)

    def about(self, index: int, step: int) -> dict[str, Any]:
        """What a policy file says of its origin."""
        return {
            "algorithm": self.algorithm.name,
            "env": self.task.env_id,
            "env_kwargs": self.task.env_kwargs,
            "seed": self.training.seeds[index],
            "step": step,
            "expert_return": self.data.expert_return,
        }


def prepare(
    algorithm: Algorithm, cfg: Any, options: Training, env: EnvLike, source: tuple[Any, Any], folder: Path
) -> Setup:
    """Check everything that can be wrong before training starts.

    Args:
        algorithm: of the run.
        cfg: its configuration.
        options: of the run.
        env: as of `train`.
        source: demonstrations and offline data, as of `train`.
        folder: of the run.

    Raises:
        ConfigError, DataError: with what is wrong and what to do.
    """
    needs = algorithm.needs(cfg)
    sources = load_sources(algorithm.name, needs, options, *source)
    task, options = make_task(env, options, sources)
    check_actions(algorithm, cfg, task)
    check_data(needs, sources, task, named=isinstance(env, str))
    given, cfg = load_given(algorithm, cfg, options, task)
    check_options(algorithm, cfg, options, task)
    check_outputs(options)
    if options.env_workers:
        check_sendable(task)
    data = gather(needs, sources, options, task)
    return Setup(algorithm, cfg, options, task, folder, data, given, termination_of(needs, task))


def load_sources(name: str, needs: Needs, options: Training, demos: Any, offline_data: Any) -> Sources:
    """The data that the algorithm needs, and no other."""
    kwargs = options.env_kwargs or None
    if needs.expert and demos is None:
        raise ConfigError(f"{name} learns from demonstrations: give --demos FILE, NAME or Minari id")
    if not needs.expert and demos is not None:
        raise ConfigError(f"{name} learns from rewards and takes no demonstrations: leave --demos out")
    if needs.offline and offline_data is None:
        raise ConfigError(
            f"{name} learns from offline data beside the demonstrations: give --offline-data FILE, NAME or Minari id"
        )
    if not needs.offline and offline_data is not None:
        raise ConfigError(f"{name} takes no offline data: leave --offline-data out")
    given: dict[str, Any] = {"env_kwargs": kwargs, "columns": options.columns or None, "repair": options.repair}
    dataset = None if demos is None else load(demos, **given)
    offline = None if offline_data is None else load(offline_data, **given)
    if offline is not None and needs.rewards and not offline.has_rewards:
        raise DataError(f"{name} learns from the rewards of its data, and {offline.name} has none")
    return Sources(dataset, offline)


def make_task(env: EnvLike, options: Training, sources: Sources) -> tuple[Task, Training]:
    """The environment, by default the one that the data name; and the options with its name and arguments."""
    if not isinstance(env, str):
        task = Task.create(env)
        task.check()
        return task, options
    kwargs = options.env_kwargs
    known = [data for data in (sources.demos, sources.offline) if data is not None]
    if not env:
        if not known or known[0].env_id is None:
            raise ConfigError("give --env: the environment's Gymnasium id")
        env = from_file(known[0].env_id, {}, known[0].name)[0]
    for data in known:
        if not kwargs and data.env_kwargs and bare(data.env_id) == bare(env):
            kwargs = from_file(bare(env), data.env_kwargs, data.name)[1]
            if not options.quiet:
                print(f"imitax: {env} is made with {kwargs_json(kwargs)}, as {data.name} says", file=sys.stderr)
    task = Task.create(env, kwargs)
    task.check()
    return task, replace(options, env=env, env_kwargs=kwargs)


def check_data(needs: Needs, sources: Sources, task: Task, named: bool) -> None:
    """Refuse data that do not fit the environment; `named`: it was given by its id."""
    for data, need_actions in ((sources.demos, needs.actions), (sources.offline, True)):
        if data is None:
            continue
        try:
            validate(
                data,
                observation_space=task.observation_space,
                action_space=task.action_space,
                env_id=task.env_id if named else None,
                env_kwargs=task.env_kwargs if named else None,
                need_actions=need_actions,
            )
        except DataError as e:
            if (hint := shape_hint(data, task)) is None:
                raise
            raise DataError(f"{e}\n- {hint}") from e
        compare(data, task)


def check_options(algorithm: Algorithm, cfg: Any, options: Training, task: Task) -> None:
    """Refuse options that do not fit the algorithm or each other."""
    needs, schedule = algorithm.needs(cfg), algorithm.schedule(cfg)
    selects = options.episodes is not None or options.validation_episodes or options.subsample != 1
    if not needs.expert and selects:
        raise ConfigError(
            f"episodes, validation_episodes and subsample are for demonstrations; {algorithm.name} has none"
        )
    if needs.env and schedule.warmup_steps >= options.steps:
        raise ConfigError(
            f"steps ({options.steps}) must exceed warmup_steps ({schedule.warmup_steps}), or nothing is learned"
        )
    if needs.env and schedule.buffer_size < options.chunk:
        raise ConfigError(f"buffer_size ({schedule.buffer_size}) must hold at least one chunk of {options.chunk} steps")
    if needs.env and task.sole is not None and options.num_envs * len(options.seeds) > 1:
        raise ConfigError(
            f"{task.env_id} exists once, so one seed with one environment can train in it, not {len(options.seeds)} "
            f"with {options.num_envs}; pass a function that makes a new environment at every call"
        )
    device_count(len(options.seeds), options.devices)
    if options.num_envs > 1 and not needs.env:
        raise ConfigError(f"num_envs is for online methods; {algorithm.name} needs no environment to learn")
    periods: dict[str, int | None] = {f"period {i}": every for i, (every, _) in enumerate(schedule.turns)}
    periods["model_rollouts.every"] = None if needs.model is None else needs.model.model_rollouts.every
    require_multiples(options.num_envs, warmup_steps=schedule.warmup_steps, refit_every=schedule.refit_every, **periods)
    if options.subsample != 1 and needs.segments:
        raise ConfigError("reward_form=trajectory learns from consecutive transitions: leave --subsample out")


def check_outputs(options: Training) -> None:
    """Refuse records that cannot be written: a missing package, a result file that is none."""
    wanted: dict[SinkName, bool] = {"tensorboard": options.tensorboard, "wandb": options.wandb}
    for sink, on in wanted.items():
        if on:
            require(sink)
    if options.results is not None and options.results.is_dir():
        raise ConfigError(
            f"--results {options.results} is a folder: name a file, such as {options.results}/results.jsonl"
        )


def gather(needs: Needs, sources: Sources, options: Training, task: Task) -> Data:
    """Each seed's demonstrations and the statistics of its observations."""
    demos, offline, seeds = sources.demos, sources.offline, options.seeds
    selections, pooled = (), [offline] * len(seeds)
    if demos is not None:
        selections = tuple(
            select(demos, episodes=options.episodes, validation_episodes=options.validation_episodes, seed=seed)
            for seed in seeds
        )
        beside = offline if needs.model is not None else None
        pooled = [s.train if beside is None else pool(beside, s.train) for s in selections]
    normalizers = [Normalizer.identity(task.spec.obs_dim)] * len(seeds)
    if needs.normalize_obs:
        normalizers = [Normalizer(*map(jnp.asarray, normalization(data))) for data in pooled if data is not None]
    return Data(demos, offline, selections, tuple(normalizers))
