"""Rewards that runs have learned: judged on data and fresh episodes, and taught to new policies."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imitax.datasets import Dataset, collect, load
from imitax.errors import ConfigError, DataError
from imitax.observations import count, rows
from imitax.rewards.calibration import calibration
from imitax.rewards.judging import judge, samples_of

if TYPE_CHECKING:
    from imitax.run import Run

DEMONSTRATIONS, REPLAY, POLICY, RANDOM = RESERVED = ("demonstrations", "replay", "policy", "random actions")
"""Names of the sets that a run has or makes."""
BLOCK, SMALL_BLOCK = 4096, 256
"""Transitions that a reward is computed on at once, with flat observations and with others, such as images."""
PRESET = "steady"
"""Of SAC, where it learns from a reward of a run."""
HISTORY = {"history": 1, "history_actions": False}
"""Run options of what a reward sees, and their defaults."""


def evaluate_reward(
    run: "Run", data: Sequence[Any] = (), *, episodes: int = 20, seed: int | None = None, demos: Any = None
) -> dict[str, Any]:
    """Judge the last reward of a run against the environment's own.

    It is judged on the run's demonstrations, on its replay, on fresh episodes of its policy with sampled actions and of
    uniformly random actions, and on the data that are given. Of the demonstrations those count that the seed did not
    learn from, where some were held out.

    Args:
        run: of an algorithm that learns a reward.
        data: more sets of episodes, whatever `imitax.load` takes, such as a set of mixed quality.
        episodes: fresh ones of each kind; 0 asks for none.
        seed: whose reward; the run's first when None.
        demos: demonstrations, where the run's own cannot be found; whatever `imitax.load` takes.

    Returns:
        As `imitax.rewards.judge`, and `gamma`, the reward's discount factor. Of an ensemble of rewards also
        `calibration`, as `imitax.rewards.calibration`.

    Raises:
        CheckpointError: the run learned no reward.
        ConfigError, DataError: as `judge`, and when the demonstrations cannot be found.
    """
    own = run.seeds[0] if seed is None else seed
    if episodes < 0:
        raise ConfigError(f"episodes must not be negative, got {episodes}")
    run.load_reward(own)  # before anything is collected: it says so when there is none
    given = _loaded(run, own, data)
    sets = {DEMONSTRATIONS: run.demonstrations(demos)[own]}
    if not sets[DEMONSTRATIONS].has_rewards:
        raise DataError("demonstrations have no recorded rewards to compare with")
    if run.task.recorded is None:
        if (run.seed_folder(own) / "replay").exists():
            sets[REPLAY] = run.replay(own)
        if episodes:
            sets[POLICY] = collect(run.actor(own, "last", own), run.task, episodes=episodes, seed=own)
            sets[RANDOM] = collect(_random(run, own), run.task, episodes=episodes, seed=own)
    seen = {name: run.with_history(episodes_of) for name, episodes_of in (sets | given).items()}  # by the reward
    return _judged(run, own, seen)


def _loaded(run: "Run", seed: int, data: Sequence[Any]) -> dict[str, Dataset]:
    """Sets of episodes by name, of which the reward can judge a transition. Raises ConfigError, DataError."""
    if isinstance(data, str | os.PathLike | Dataset):
        raise ConfigError("data are several sets: give a list, such as [data]")
    sets: dict[str, Dataset] = {}
    for source in data:
        given = load(source)
        if given.name in sets:
            raise DataError(f"two sets are named {given.name}: rename a file")
        if given.name in RESERVED:
            raise DataError(f"{given.name} is the name of a set that the run makes: use another")
        first = samples_of(run.with_history(replace(given, episodes=given.episodes[:1])))[0]
        try:
            run.reward(*(x[:1] for x in first[:4]), seed=seed)
        except ConfigError as error:
            raise DataError(f"{given.name}: {error}") from error
        sets[given.name] = given
    return sets


def retrain(
    run: "Run",
    out: str | Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 300_000,
    env: str | None = None,
    **options: Any,
) -> dict[str, Any]:  # over 50 lines for its docstring
    """Train SAC from scratch on the frozen reward of a run, and compare it with the run's own policy.

    It is SAC's preset `steady`, with the discount factor of the run, and its temperature where that was fixed: there
    the demonstrations are best for the reward and as much entropy.

    Args:
        run: of an algorithm that learns a reward. A new seed takes the reward of the run's seed of the same number,
            or where there is none, of its first.
        out: folder for the new runs, one a seed. Of those that it holds already, finished ones are not trained again,
            interrupted ones go on, and so do those of fewer steps.
        seeds: of the new policies.
        steps: environment steps of each.
        env: another environment, whose dynamics differ (transfer); the run's own when None.
        options: of `imitax.train`, such as `results`, or `reward_combine` for an ensemble of rewards.

    Returns:
        `retrained`: scores of the last evaluations, as `imitax.statistics.summarise`; `own`: of the run's policies in
        the same environment, on as many fresh episodes; `expert_return`.

    Raises:
        CheckpointError: the run learned no reward.
        ConfigError: the environment does not fit the reward, or `out` holds a run of other settings or more steps.
    """
    from imitax.config import Training
    from imitax.run import Run
    from imitax.statistics import summarise
    from imitax.training.again import refuse_other, train_on

    if decided := {"variant", "preset", "out", "reward", "env_kwargs", *HISTORY} & set(options):
        raise ConfigError(f"{', '.join(sorted(decided))} cannot be chosen: the run and its reward decide")
    if run.task.recorded is not None and env is None:
        raise ConfigError("this run had no environment: name one to train in (--env)")
    there = env or run.task.env_id
    variant = f"reward={run.config['algorithm']}" + ("" if there == run.task.env_id else ",transfer")
    variant += f",{options['reward_combine']}" if options.get("reward_combine") else ""
    kwargs = run.task.env_kwargs if there == run.task.env_id else {}
    seen = {name: run.config["training"].get(name, default) for name, default in HISTORY.items()}
    callbacks = options.pop("callbacks", ())
    given: dict[int, dict[str, Any]] = {}
    for seed in Training(seeds=tuple(seeds)).seeds:
        source = run.seed_folder(seed if seed in run.seeds else run.seeds[0])
        about = {"env": there, "env_kwargs": kwargs, "reward": source, "steps": steps, "variant": variant}
        given[seed] = {"out": Path(out) / f"seed-{seed}", "seeds": (seed,), **seen, **about, **options}
        refuse_other(_learner(run), preset=PRESET, **given[seed])  # of all seeds before the first one trains
    means = {}
    for seed, settings in given.items():
        again = train_on(_learner(run), preset=PRESET, callbacks=callbacks, **settings)
        means[seed] = again.summary["last"]["per_seed"][0]["return_mean"]
    moved = run if env is None else Run(run.folder, env=env)
    expert = moved.expert_return
    return {
        "env": there,
        "steps": steps,
        "expert_return": expert,
        "retrained": summarise(means, there, expert),
        "own": moved.evaluate(options.get("eval_episodes", Training().eval_episodes)),
    }


def _learner(run: "Run") -> Any:
    """SAC for the reward of a run."""
    from imitax.training.entry import preset_config

    own = run.config["config"].get("temperature", {})
    fixed = own.get("kind") == "fixed"
    changes = {f"temperature.{name}": own[name] for name in ("kind", "initial")} if fixed else {}
    return preset_config("sac", PRESET, gamma=run.config["config"]["gamma"], **changes)


def _judged(run: "Run", seed: int, sets: Mapping[str, Dataset]) -> dict[str, Any]:
    """What is known of a seed's reward by these episodes."""
    learned = run.load_reward(seed)
    gamma, reward = learned.net.gamma, in_blocks(partial(run.reward, seed=seed))
    options = {"gamma": gamma, "after_end": learned.after_end(), "seed": seed}
    found = judge(reward, sets, expert=DEMONSTRATIONS, **options) | {"gamma": gamma}
    if learned.net.cfg.members > 1:
        deviation = in_blocks(lambda *transitions: run.reward_members(*transitions, seed=seed).std(0))
        mean = in_blocks(lambda *transitions: run.reward_members(*transitions, seed=seed).mean(0))
        found["calibration"] = calibration(mean, deviation, sets, seed=seed)
    return found


def in_blocks(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The function always called with as many transitions: every number of them would be compiled anew."""

    def reward(*transitions: Any) -> np.ndarray:
        parts, size = [], count(transitions[0])
        block = BLOCK if isinstance(transitions[0], np.ndarray) and transitions[0].ndim == 2 else SMALL_BLOCK
        for first in range(0, size, block):
            index = np.minimum(np.arange(first, first + block), size - 1)
            parts.append(function(*(rows(x, index) for x in transitions))[: size - first])
        return np.concatenate(parts)

    return reward


def _random(run: "Run", seed: int):
    """Uniformly random actions."""
    rng, space = np.random.default_rng(seed), run.task.action_space
    space.seed(int(rng.integers(2**31)))
    return lambda obs, step: np.stack([space.sample() for _ in range(len(obs))])
