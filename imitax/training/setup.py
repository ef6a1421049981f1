"""Check everything that can be wrong before training starts: load the data, make the task, check, gather."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from imitax.algorithm import Algorithm, Needs, Schedule
from imitax.config import Training, require_multiples
from imitax.datasets import Dataset, validate
from imitax.datasets.comparison import compare, shape_hint
from imitax.envs import EnvLike, Spaces, Task, check_sendable, with_history
from imitax.errors import ConfigError, DataError
from imitax.networks import Termination
from imitax.record.sinks import SinkName, require
from imitax.stacking import device_count
from imitax.training.action_check import check_actions, check_demonstrated
from imitax.training.data import Data, Sources, gather, load_sources
from imitax.training.given import Given, load_given, termination_of
from imitax.training.observed import check_observations
from imitax.training.selecting import with_rule
from imitax.training.task import hold_out, make_task, with_termination

CURVES = "curves"
"""Folder of learning curves beside a file of results."""


@dataclass(frozen=True)
class Setup:
    """A run, checked and ready to start."""

    algorithm: Algorithm
    cfg: Any
    training: Training
    task: Task
    """As networks see it, with the history."""
    folder: Path
    data: Data
    given: Given
    """What other runs learned."""
    termination: Termination | None = None
    """Where the task ends, for learned models; None where they learn that too."""
    decided: Mapping[str, Any] = field(default_factory=dict)
    """What was given for settings of `cfg` that the data decided. Runs that differ in these alone are of one method."""

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

    @property
    def expert_return(self) -> float | None:
        """Mean return of the demonstrations, or of those that a given reward was learned from; None if unknown."""
        own = self.data.expert_return
        return self.given.expert_return if own is None else own

    @property
    def measured(self) -> tuple[dict[int, Dataset], str] | None:
        """Without an environment, the episodes on which each seed is evaluated, and what they are."""
        if self.task.recorded is None:
            return None
        held_out = [self.data.held_out(i) for i in range(len(self.training.seeds))]
        kind = "training episodes" if None in held_out else "held-out episodes"
        found = [self.data.learned(i) if own is None else own for i, own in enumerate(held_out)]
        return dict(zip(self.training.seeds, found, strict=True)), kind

    def about(self, index: int, step: int) -> dict[str, Any]:
        """What a policy file says of its origin."""
        return {
            "algorithm": self.algorithm.name,
            "env": self.task.env_id or None,
            "env_kwargs": self.task.env_kwargs,
            "seed": self.training.seeds[index],
            "step": step,
            "expert_return": self.expert_return,
        }


def prepare(
    algorithm: Algorithm,
    cfg: Any,
    options: Training,
    env: EnvLike | Spaces | None,
    source: tuple[Any, Any],
    folder: Path,
) -> Setup:
    """Check everything that can be wrong before training starts.

    Args:
        algorithm: of the run.
        cfg: its configuration.
        options: of the run.
        env: as of `train`, or spaces in place of an environment.
        source: demonstrations and offline data, as of `train`.
        folder: of the run.

    Raises:
        ConfigError, DataError: with what is wrong and what to do.
    """
    needs, _ = algorithm.asked(cfg)
    sources = load_sources(algorithm.name, needs, options, *source)
    check_demonstrated(algorithm.name, needs, sources.demos)
    single, options = make_task(env, options, [d for d in (sources.demos, sources.offline) if d is not None], needs)
    task = with_history(single, options.history, options.history_actions)
    check_observations(algorithm.name, needs, cfg, options, task.spec.observation)
    recorded = task.recorded is not None
    asked = options.validation_episodes
    options = hold_out(options, sources.demos or sources.offline, recorded, needs.held_out)
    check_actions(algorithm, cfg, task)
    cfg = with_termination(cfg, needs, task, options)
    needs = algorithm.needs(cfg)
    check_data(needs, sources, single, named=isinstance(env, str))
    given, cfg = load_given(algorithm, cfg, options, task)
    check_options(algorithm, cfg, options, task)
    check_outputs(options)
    if options.env_workers:
        check_sendable(task)
    data = gather(needs, sources, options, task)
    options = with_rule(algorithm, needs, options, task, data, asked)
    return Setup(algorithm, cfg, options, task, folder, data, given, termination_of(needs, task))


def check_data(needs: Needs, sources: Sources, task: Task, named: bool) -> None:
    """Refuse data that do not fit the environment; `named`: it was given by its id."""
    for data, need_actions in ((sources.demos, needs.actions), (sources.offline, True)):
        if data is None:
            continue
        if task.recorded is not None and not data.has_actions:
            raise DataError(
                f"{data.name} has no actions, and without an environment errors on recorded actions are all that can "
                "be measured: name an environment (--env)"
            )
        try:
            validate(
                data,
                observation_space=task.observation_space,
                action_space=task.action_space,
                env_id=task.env_id if named and task.recorded is None else None,
                env_kwargs=task.env_kwargs if named and task.recorded is None else None,
                need_actions=need_actions,
            )
        except DataError as e:
            if (hint := shape_hint(data, task)) is None:
                raise
            raise DataError(f"{e}\n- {hint}") from e
        if task.recorded is None:
            compare(data, task)


def check_options(algorithm: Algorithm, cfg: Any, options: Training, task: Task) -> None:
    """Refuse options that do not fit the algorithm or each other."""
    needs, schedule = algorithm.needs(cfg), algorithm.schedule(cfg)
    holds_out = options.validation_episodes and task.recorded is None
    selects = options.episodes is not None or holds_out or options.subsample != 1
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
    if options.subsample != 1 and needs.ends:
        raise ConfigError(
            "terminal.kind=stay learns from the last transitions of demonstrations, most of which --subsample leaves "
            "out: leave it out, or use terminal.kind=absorbing"
        )


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
    if options.results is not None:
        check_writable(options.results, options.results.parent / CURVES)


def check_writable(file: Path, *folders: Path) -> None:
    """Refuse a result file that could not be written to when training has ended, or folders that could not be made.

    Nothing is left behind, as another run may write there at the same time.

    Raises:
        ConfigError: with the reason.
    """
    try:
        if file.exists():
            os.close(os.open(file, os.O_RDWR | os.O_APPEND))
        for folder in (file.parent, *folders):
            nearest = next(one for one in (folder, *folder.parents) if one.exists())
            with TemporaryFile(dir=nearest):
                pass
    except OSError as e:
        raise ConfigError(f"--results {file} cannot be written: {e.strerror or e}; name another file") from e
