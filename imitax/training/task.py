"""The task of a run: the environment that the user or the data name, or without one, what the data show of it."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from imitax.algorithm import Needs
from imitax.config import Training, override
from imitax.datasets import Dataset, bounds
from imitax.datasets.environment import bare, from_file
from imitax.datasets.episode import kwargs_json
from imitax.envs import EnvLike, Origin, Recorded, Spaces, Task, recorded_task
from imitax.errors import ConfigError, DataError
from imitax.networks import Termination, known_termination
from imitax.observations import shape_of
from imitax.spaces import ActionSpace, BoxActions, FiniteActions
from imitax.training.open_box import bound_of, closed_unless, with_range

HELD_OUT = 0.1
"""Share of the episodes that are held out unless the user says otherwise."""
SPARED = 5
"""Episodes of which one is spared where there is an environment to evaluate in."""
SHOWN = 12
"""Actions whose bounds are printed."""


def make_task(
    env: EnvLike | Spaces | None, options: Training, data: list[Dataset], needs: Needs
) -> tuple[Task, Training]:
    """The task, and the options with what was found out: an environment and its arguments, or bounds of actions.

    Args:
        env: an environment; "" is the one that the data name, if they name one, and otherwise none; None is none,
            whatever the data name; spaces are given in place of one.
        options: of the run.
        data: demonstrations and offline data, as far as there are any.
        needs: of the algorithm.

    Raises:
        ConfigError: there is no environment, and the algorithm needs one.
        DataError: without an environment, the data do not tell the spaces or do not fit them.
    """
    stand_in = isinstance(env, Spaces) or options.action_low is not None or options.action_high is not None
    if isinstance(env, Spaces) or env is None or (env == "" and (stand_in or naming(data) is None)):
        if needs.env:
            raise ConfigError(
                "give --env: the environment's Gymnasium id; this algorithm learns by acting. Recorded data alone "
                "are enough for others, such as bc, ibc, recoil, or iq_learn with its preset offline"
            )
        return without_environment(env if isinstance(env, Spaces) else None, options, data, needs)
    try:
        if isinstance(env, str):
            task, options = registered_task(env, options, data)
        else:
            task = Task.create(env, options.env_kwargs)
        task.check()
    except ConfigError as e:
        if env or needs.env:
            raise
        raise ConfigError(f"{e}; or train without an environment: --env None (env=None)") from e
    task, said = with_range(task, options, data, needs)
    if said:
        say(options, said)
    return task, options


def registered_task(env: str, options: Training, data: list[Dataset]) -> tuple[Task, Training]:
    """The task of an environment's id, by default that of the data; and the options with its id and arguments."""
    kwargs, named = options.env_kwargs, naming(data)
    if not env and named is not None and named.env_id is not None:
        env = from_file(named.env_id, {}, named.name)[0]
    for one in data:
        if not kwargs and one.env_kwargs and bare(one.env_id) == bare(env):
            kwargs = from_file(bare(env), one.env_kwargs, one.name)[1]
            say(options, f"{env} is made with {kwargs_json(kwargs)}, as {one.name} says")
    task = Task.create(env, kwargs)
    return task, replace(options, env=task.env_id, env_kwargs=kwargs)


def naming(data: list[Dataset]) -> Dataset | None:
    """The first of the data that name an environment."""
    return next((d for d in data if d.env_id is not None), None)


def without_environment(
    spaces: Spaces | None, options: Training, data: list[Dataset], needs: Needs
) -> tuple[Task, Training]:
    """The task that the data show, and the options with its bounds; a finite set of actions is in the task alone."""
    if options.env_kwargs or options.env_workers:
        raise ConfigError("env_kwargs and env_workers are for an environment, and there is none: leave them out")
    for dataset in data:
        if odd := [name for name, (shape, _) in shape_of(dataset.episodes[0].observations).items() if len(shape) != 1]:
            raise DataError(f"{dataset.name}: {odd[0]} is no vector; images and the like need an environment (--env)")
        if not isinstance(dataset.episodes[0].observations, np.ndarray):
            raise DataError(f"{dataset.name}: dicts and tuples of observations need an environment (--env)")
        sizes = {one.name: one.obs_dim for one in (data[0], dataset)}
        if len(set(sizes.values())) > 1:
            raise DataError(f"observations differ in size: {', '.join(f'{n} has {s}' for n, s in sizes.items())}")
    obs_dim = data[0].obs_dim
    if spaces is not None and spaces.observation.shape != (obs_dim,):
        raise DataError(f"{data[0].name} has {obs_dim} observations, the given space {spaces.observation.shape[0]}")
    actions, origin = action_space(spaces, options, data)
    actions, named = closed_unless(needs, bounds.ranged(actions, data)), naming(data)
    whose = {} if named is None else {"env_id": bare(named.env_id), "env_kwargs": named.env_kwargs}
    task = recorded_task(Recorded(data[0].name, origin, **whose), obs_dim, actions)
    for dataset in data:
        bounds.check_inside(dataset, task.spec.action, origin)
    unused = "" if named is None else f" ({named.name} names {named.env_id}, which is not used)"
    say(options, f"no environment{unused}: {obs_dim} observations, {shown(actions, origin)}")
    kept = isinstance(actions, BoxActions) and not actions.is_open
    low, high = (actions.low, actions.high) if kept else (None, None)
    return task, replace(options, env=None, action_low=low, action_high=high)


def shown(actions: ActionSpace, origin: Origin) -> str:
    """The actions of a run without an environment, for the log: what they are, and where that comes from."""
    source = {"given": "as given", "recorded": "of the data", "inferred": "inferred from the data"}[origin]
    if isinstance(actions, FiniteActions):
        ranges = [f"{start} to {start + n - 1}" for start, n in zip(actions.starts, actions.sizes, strict=True)]
        advice = "; if they are amounts, give --action-low, --action-high; for a larger set, spaces"
        text = f"discrete actions {_some(ranges)}, {source}"
    else:
        ranges = [f"{a:g} to {b:g}" for a, b in zip(*actions.limits, strict=True)]
        advice = "; others with --action-low, --action-high"
        text = f"{actions.size} actions, bounds {source}: {_some(ranges)}"
    return text + (advice if origin == "inferred" else "")


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:SHOWN] + ["..."] * (len(texts) > SHOWN))


def action_space(spaces: Spaces | None, options: Training, data: list[Dataset]) -> tuple[ActionSpace, Origin]:
    """The actions and where they come from: given ones count before those that the data name, these before inferred."""
    low, high = options.action_low, options.action_high
    if spaces is not None:
        if low is not None or high is not None:
            raise ConfigError("spaces have the action bounds: leave action_low and action_high out")
        for dataset in data:
            if dataset.action_dim not in (None, spaces.actions.columns):
                raise DataError(
                    f"{dataset.name} has {dataset.action_dim} actions, the given space {spaces.actions.columns}"
                )
        return spaces.actions, "given"
    recorded = bounds.recorded_actions(data)
    size = recorded.shape[1]
    given = [None if x is None else bound_of(x, size, n) for x, n in ((low, "action_low"), (high, "action_high"))]
    if given[0] is not None and given[1] is not None:
        return BoxActions.of(given[0], given[1]), "given"
    named = bounds.declared(data, size)
    if named is None and given == [None, None]:
        if (mixed := bounds.mixture(data)) is not None:
            say(options, mixed)
        return bounds.infer_action_space(recorded), "inferred"
    found = bounds.inferred(recorded.astype(float)) if named is None else named.limits
    origin: Origin = "recorded" if given == [None, None] else "given"
    return BoxActions.of(given[0] or found[0], given[1] or found[1]), origin


def hold_out(options: Training, data: Dataset | None, recorded: bool, why: str) -> Training:
    """The options with the number of episodes that are held out, where the user did not say it.

    Args:
        options: of the run.
        data: what is learned from: the demonstrations, or without any, the offline data.
        recorded: there is no environment, so that errors on held-out episodes are all that can be measured.
        why: what the algorithm holds episodes out for, after a colon; empty where it does not.
    """
    if options.validation_episodes is not None:
        return options
    drawn = 0 if data is None else min(len(data.episodes), options.episodes or len(data.episodes))
    if not drawn or not (recorded or (why and drawn >= SPARED)):
        if drawn and why:
            say(options, f"none of the {drawn} episodes is held out; from {SPARED} on some are: {why}")
        return replace(options, validation_episodes=0)
    count = max(1, round(HELD_OUT * drawn)) if drawn > 1 else 0
    if not count:
        text = "there is one episode, so none is held out: errors are those on the data that are learned from"
    elif recorded:
        text = f"{count} of {drawn} episodes are held out to measure errors; another number with --validation-episodes"
    else:
        held = f"{count} of {drawn} episodes {'is' if count == 1 else 'are'} held out"
        text = f"{held}: {why}; --validation-episodes 0 learns from all"
    say(options, text)
    return replace(options, validation_episodes=count)


def known_end(task: Task) -> Termination | None:
    """Where the task ends, as far as it is known here: a rule for observations as networks see them."""
    origin = task if task.recorded is None else task.recorded
    history, size = task.spec.history, task.spec.single.size
    rule = known_termination(origin.env_id, origin.env_kwargs, size)
    if rule is None or history is None:
        return rule
    before = (history.length - 1) * size  # the present observation is the last frame, and actions follow it
    return rule.within(before, task.spec.obs_dim - before - size)


def with_termination(cfg: Any, needs: Needs, task: Task, options: Training) -> Any:
    """The configuration under which a model learns where the task ends, if nothing else says it."""
    origin, model = task.recorded, needs.model
    if origin is None or model is None or model.dynamics.termination != "known":
        return cfg
    if known_end(task) is not None:
        return cfg
    say(options, "where the task ends is not known, so the model learns it (--dynamics.termination learned)")
    return override(cfg, **{"dynamics.termination": "learned"})


def say(options: Training, text: str) -> None:
    """Print what was decided, unless the run is quiet."""
    if not options.quiet:
        print(f"imitax: {text}", file=sys.stderr)
