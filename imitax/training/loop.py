"""The one training loop: advance the streams, run a chunk of updates; between chunks evaluate, record and save.

Nothing here knows an algorithm's name. Random keys are folded from the seed and the absolute step, so a step draws
the same numbers whether or not the run was interrupted before it.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from imitax import seeding
from imitax.checkpoint import Checkpoint, save_checkpoint
from imitax.errors import ConfigError
from imitax.evaluate import Evaluator
from imitax.record import Recorder, seed_folder
from imitax.seeding import Purpose
from imitax.sources import Streams
from imitax.sources.random_shift import shift_batch
from imitax.stacking import gathered, spread
from imitax.training.begin import continue_from, fit_recorded, initial_state, make_streams, unaliased
from imitax.training.chunk import Augment, make_chunk, make_turn
from imitax.training.evaluation import evaluation_records, improves
from imitax.training.nan import check_networks
from imitax.training.progress import Progress, keep, recorder, save
from imitax.training.schedule import Timeline
from imitax.training.setup import Setup
from imitax.training.signals import Signals


@dataclass(frozen=True)
class Event:
    """What a callback gets after an evaluation; returning False from the callback ends the run there."""

    step: int
    records: dict[int, dict[str, Any]]
    """Each seed's evaluation: returns, return_mean, expert_fraction, d4rl, lengths and more; without an environment
    these are None, and `validation_error` says how close the policy comes to held-out actions."""
    folder: Path


Callback = Callable[[Event], bool | None]
Callbacks = Callback | Sequence[Callback] | None
"""One, or several, or none."""


def several(callbacks: Any) -> tuple[Callback, ...]:
    """Callbacks as a tuple, one, several or None given. Raises ConfigError for what cannot be called."""
    if callbacks is None:
        return ()
    found: list[Any] = [*callbacks] if isinstance(callbacks, Sequence) else [callbacks]
    for callback in found:
        if not callable(callback):
            raise ConfigError(f"a callback is a function of an event, event -> bool or None, not {callback!r}")
    return tuple(found)


def train_loop(
    setup: Setup, checkpoint: Checkpoint | None, callbacks: Sequence[Callback], signals: Signals
) -> Progress:
    """Run to the last step; returns the best evaluations, the wall time and the step reached.

    A signal ends the run before its last step; one that comes later is left for the caller.
    """
    options, seeds, schedule = setup.training, setup.training.seeds, setup.schedule
    progress, (state, streams) = Progress.begin(seeds, checkpoint), begin(setup, checkpoint)
    model = setup.needs.model
    timeline = Timeline(options, schedule, None if model is None else model.model_rollouts.every)
    arrays, static = eqx.partition(unaliased(state, setup.devices), eqx.is_array)
    shape = (len(seeds), setup.devices)
    run_chunk = make_chunk(setup.algorithm, setup.cfg, static, *shape, augmentation(setup))
    turns = [(every, make_turn(turn, i, setup.cfg, static, *shape)) for i, (every, turn) in enumerate(timeline.turns())]
    keys = (seeding.keys(seeds, purpose) for purpose in (Purpose.UPDATES, Purpose.TURNS))
    update_keys, turn_keys = spread(tuple(keys), setup.devices)

    with (
        closing(streams),
        closing(new_evaluator(setup)) if setup.task.recorded is None else nullcontext() as evaluator,
        recorder(setup, progress) as record,
    ):
        if checkpoint is None and not (evaluator is not None and evaluator.alone):
            record_start(setup, eqx.combine(arrays, static), evaluator, record)
        for step, count in timeline.chunks(progress.step):
            state = streams.advance(eqx.combine(arrays, static), step, count)
            arrays = eqx.filter(state, eqx.is_array)
            end = progress.step = step + count
            first, updates = timeline.updates(step, count)
            if timeline.learns(step) and updates:
                arrays, metrics = run_chunk(arrays, streams.buffers, update_keys, jnp.asarray(first), updates)
                progress.window.append(metrics)
            for every, turn in turns:
                if timeline.learns(step) and end % every == 0:
                    arrays, metrics = turn(arrays, streams.buffers, turn_keys, jnp.asarray(end))
                    streams.slow.append(metrics)
            state, stop = eqx.combine(arrays, static), False
            if timeline.logs(end) or timeline.saves(end):
                check_networks(state, progress, seeds, setup.folder)
            note(record, progress, streams, timeline)
            if timeline.evaluates(end):
                stop = not evaluate(setup, state, evaluator, progress, record, callbacks)
            if timeline.saves(end) or stop or signals.caught:
                write_checkpoint(setup, state, streams, progress)
            if signals.caught and end < options.steps:
                signals.end(setup.folder, end)
            if stop:
                break
    return progress


def note(record: Recorder, progress: Progress, streams: Streams, timeline: Timeline) -> None:
    """Record the metrics since the last time, where it is time, and the step."""
    if progress.window and timeline.logs(progress.step):
        record.training(progress.step, progress.means() | streams.metrics(), progress.wall_s)
    record.reached(progress.step)


def augmentation(setup: Setup) -> Augment | None:
    """What is done to the batches of updates."""
    space, pad = setup.task.spec.observation, setup.training.random_shift
    return (lambda batch, key: shift_batch(space, batch, pad, key)) if pad else None


def new_evaluator(setup: Setup) -> Evaluator:
    """What rolls out the run's policies."""
    options = setup.training
    return Evaluator(setup.task, options.seeds, options.eval_episodes, workers=options.env_workers)


def begin(setup: Setup, checkpoint: Checkpoint | None) -> tuple[Any, Streams]:
    """State and streams before the first step, or where a checkpoint stands."""
    state, needs = initial_state(setup), setup.needs
    with ExitStack() as failed:
        streams = make_streams(setup, state)
        failed.callback(streams.close)
        if checkpoint is not None:
            state = continue_from(checkpoint, setup, state, streams)
        elif needs.model is not None and not needs.env and setup.given.dynamics is None:
            state = fit_recorded(setup, state)
        failed.pop_all()
    return state, streams


def evaluate(
    setup: Setup,
    state: Any,
    evaluator: Evaluator | None,
    progress: Progress,
    record: Recorder,
    callbacks: Sequence[Callback],
) -> bool:
    """Evaluate, record, and keep each seed's best policy; returns whether every callback wants the run to go on."""
    state, seeds = gathered(state), setup.training.seeds
    records = evaluation_records(setup, evaluator, state)
    for i, seed in enumerate(seeds):
        keep(setup, state, i, progress.step, seed_folder(setup.folder, seeds, seed))
        record.evaluation(progress.step, seed, records[seed], progress.wall_s)
        score = improves(setup, records[seed], progress.best[i])
        if score is not None:
            progress.best[i] = {"step": progress.step, **score}
            save(setup, state, i, progress.step, seed_folder(setup.folder, seeds, seed), "-best")
    event = Event(progress.step, records, setup.folder)
    answers = [callback(event) for callback in callbacks]  # all of them are called
    return not any(isinstance(answer, bool | np.bool_) and not answer for answer in answers)


def record_start(setup: Setup, state: Any, evaluator: Evaluator | None, record: Recorder) -> None:
    """Record an evaluation before the first update, where curves begin; it is no candidate for the best policy."""
    for seed, found in evaluation_records(setup, evaluator, gathered(state)).items():
        record.evaluation(0, seed, found, 0.0)


def write_checkpoint(setup: Setup, state: Any, streams: Streams, progress: Progress) -> None:
    """Write a checkpoint, and each seed's policy beside it."""
    state, seeds = gathered(state), setup.training.seeds
    folders = [seed_folder(setup.folder, seeds, seed) for seed in seeds]
    shards = streams.save([f / "replay" for f in folders], progress.step)
    extra = {"wall_s": progress.wall_s, "best": progress.best, "shards": shards}
    save_checkpoint(setup.folder / "checkpoints", progress.step, (state, streams.device_state()), extra)
    for i, folder in enumerate(folders):
        save(setup, state, i, progress.step, folder)
