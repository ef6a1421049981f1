"""Start and resume runs: the Python API that the command line calls."""

import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imitax import algorithms  # noqa: F401  registers the algorithms
from imitax.algorithm import Algorithm, algorithm_of, find
from imitax.artifacts import DYNAMICS, POLICY, REWARD
from imitax.checkpoint import Checkpoint, checkpoints, load_checkpoint
from imitax.config import Training, flatten, from_flat, override
from imitax.envs import EnvLike
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.files import load_arrays, read_json, write_json
from imitax.record import seed_folder
from imitax.run import Run
from imitax.training.given import digest
from imitax.training.loop import Callback, train_loop
from imitax.training.provenance import commit, describe, describe_demonstrations, versions
from imitax.training.results import summarise_run
from imitax.training.setup import Setup, prepare

FORMAT = 2
"""Of run folders; 1 (or none) is imitax 0.1's."""


def train(
    algorithm: str | Any,
    *,
    env: EnvLike = "",
    demos: Any = None,
    offline_data: Any = None,
    out: Path | str | None = None,
    preset: str = "default",
    callbacks: Sequence[Callback] = (),
    **training: Any,
) -> Run:  # keywords, as on the command line
    """Train, and return the finished run.

    ```python
    run = imitax.train("bc", env="Hopper-v5", demos="hopper-expert", episodes=10, steps=30_000)
    action = run.policy(obs)
    ```

    Args:
        algorithm: a name ("bc", "sac"), which takes its `preset`, or an algorithm's `Config`.
        env: a Gymnasium id, an environment, or a callable that makes one. Without it the demonstrations' own.
        demos: whatever `imitax.datasets.load` takes: a file, a bundled or Minari name, arrays, episodes, a Dataset.
        offline_data: recorded episodes that are no demonstrations, for algorithms that need them; as `demos`.
        out: folder of the run; `runs/ALGORITHM-ENV-TIME` when None. It must not hold a run yet.
        preset: named configuration of the algorithm.
        callbacks: called with an `Event` after every evaluation; returning False ends the run there.
        training: fields of `imitax.Training`, such as `steps`, `seeds`, `episodes`.

    Raises:
        ConfigError: an option is unknown, contradictory, or does not fit the environment.
        DataError: the demonstrations cannot be used, or do not fit the environment.
    """
    cfg = preset_config(algorithm, preset) if isinstance(algorithm, str) else algorithm
    found = algorithm_of(cfg)
    if isinstance(env, str):
        training["env"] = env
    options = from_training({**training, "demos": _named(demos), "offline_data": _named(offline_data)})
    folder = default_folder(found, env) if out is None else Path(out)
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder} holds a run already: resume it with --resume {folder}, or choose another --out")
    setup = prepare(found, cfg, options, env, (demos, offline_data), folder)
    write_json(folder / "config.json", describe_run(setup, preset))
    return _finish(setup, None, callbacks)


def _named(source: Any) -> str | None:
    """How a data source is written into a run's config; None for data in memory."""
    return str(source) if isinstance(source, str | Path) else None


def from_training(fields: dict[str, Any]) -> Training:
    """`Training` from keyword arguments, lists allowed for tuples."""
    optional = ("demos", "offline_data", "out")
    return from_flat(Training, {k: v for k, v in fields.items() if not (v is None and k in optional)})


def preset_config(algorithm: str, preset: str = "default", **changes: Any) -> Any:
    """A named configuration of an algorithm, with some of its settings changed.

    ```python
    imitax.preset_config("sac", gamma=0.98, **{"critic.hidden": (64, 64)})
    ```

    Args:
        algorithm: its name.
        preset: of its `PRESETS`.
        changes: settings by the name of their flag, with underscores.

    Raises:
        ConfigError: no such algorithm, preset or setting.
    """
    presets = find(algorithm).PRESETS
    if preset not in presets:
        raise ConfigError(f"{algorithm} has no preset {preset!r}; there are {', '.join(presets)}")
    return override(presets[preset], **changes)


def default_folder(algorithm: Algorithm, env: EnvLike) -> Path:
    """`runs/ALGORITHM-ENV-TIME`."""
    name = env if isinstance(env, str) and env else "env"
    return Path("runs") / f"{algorithm.name}-{name.replace('/', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"


def describe_run(setup: Setup, preset: str) -> dict[str, Any]:
    """What `config.json` holds."""
    options = setup.training
    return {
        "format": FORMAT,
        "algorithm": setup.algorithm.name,
        "preset": preset,
        "config": flatten(setup.cfg),
        "training": options,
        "env": {"id": setup.task.env_id, "kwargs": setup.task.env_kwargs},
        "data": describe_demonstrations(setup.data, options.seeds),
        "offline_data": describe(setup.data.offline),
        "expert_return": setup.data.expert_return,
        "warm_start": digest(options.init_from, POLICY),
        "reward": digest(options.reward, REWARD),
        "model": digest(options.model_from, DYNAMICS),
        "versions": versions(),
        "commit": commit(),
        "platform": platform.platform(),
    }


def resume(
    folder: Path | str,
    *,
    env: EnvLike | None = None,
    demos: Any = None,
    offline_data: Any = None,
    steps: int | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool | None = None,
) -> Run:  # keywords, as on the command line
    """Continue a run from its newest whole checkpoint, or from the start if it has none.

    The final parameters equal those of an uninterrupted run bit for bit on the same machine.

    Args:
        folder: of the run.
        env: needed again when the run was started with an environment or a callable.
        demos: needed again when the run was started with demonstrations in memory.
        offline_data: likewise.
        steps: extends the run to more steps than it was started with.
        callbacks: as in `train`.
        quiet: print nothing; None as the run was started.

    Raises:
        CheckpointError: no run there, all its checkpoints are damaged, or an older imitax wrote it.
        ConfigError, DataError: the environment or the demonstrations are not those of the run.
    """
    folder = Path(folder)
    config = read_run(folder)
    algorithm = find(config["algorithm"])
    cfg = from_flat(algorithm.Config, config["config"])
    options = from_flat(Training, config["training"])
    if quiet is not None:
        options = replace(options, quiet=quiet)
    if steps is not None and steps < options.steps:
        raise ConfigError(f"--resume with --steps {steps}: the run has {options.steps} already; give a larger number")
    options = replace(options, steps=options.steps if steps is None else steps)
    if not options.env and env is None:
        raise ConfigError(f"{folder} was started with an environment in memory; pass it again: resume(folder, env=...)")
    source = (
        _again(folder, config, "data", options.demos if demos is None else demos),
        _again(folder, config, "offline_data", options.offline_data if offline_data is None else offline_data),
    )
    setup = prepare(algorithm, cfg, options, env or options.env, source, folder)
    check_unchanged(setup, config)
    checkpoint = newest(folder)
    if steps is not None:
        config["training"]["steps"] = options.steps
        write_json(folder / "config.json", config)
    return _finish(setup, checkpoint, callbacks)


def read_run(folder: Path) -> dict[str, Any]:
    """The config of a run that can be resumed."""
    if not (folder / "config.json").exists():
        raise CheckpointError(f"{folder} is not a run: it has no config.json")
    config = read_json(folder / "config.json")
    if config.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder} was written by imitax {config['versions']['imitax']}, whose checkpoints this version cannot "
            "continue: it can be opened and evaluated; to continue it, install that version"
        )
    return config


def _again(folder: Path, config: dict[str, Any], key: str, source: Any) -> Any:
    """Data that have to be given again where they were in memory."""
    if config[key] is not None and source is None:
        what, name = {"data": ("demonstrations", "demos"), "offline_data": ("offline data", "offline_data")}[key]
        raise ConfigError(f"{folder} was started with {what} in memory; pass them again: resume(folder, {name}=...)")
    return source


def check_unchanged(setup: Setup, config: dict[str, Any]) -> None:
    """Refuse data and files that are not those that the run started with.

    Raises:
        DataError, CheckpointError: with what has changed.
    """
    for what, data, key in (
        ("demonstrations", setup.data.demos, "data"),
        ("offline data", setup.data.offline, "offline_data"),
    ):
        if data is not None and data.hash() != config[key]["hash"]:
            raise DataError(
                f"the {what} have changed since the run started: hash {data.hash()[:12]}, "
                f"the run has {config[key]['hash'][:12]}"
            )
    options = setup.training
    files = {
        "warm_start": (options.init_from, POLICY),
        "model": (options.model_from, DYNAMICS),
        "reward": (options.reward, REWARD),
    }
    for key, (path, name) in files.items():
        if config[key] != digest(path, name):
            raise CheckpointError(f"{path} has changed since the run started from it")


def newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint of a run; a damaged one is passed over with a message, None if there is none yet.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged.
    """
    problems = []
    for path in reversed(checkpoints(folder / "checkpoints")):
        try:
            checkpoint = load_checkpoint(path)
            seeds = read_json(folder / "config.json")["training"]["seeds"]
            for seed in seeds:
                for name in checkpoint.extra["shards"]:
                    load_arrays(seed_folder(folder, seeds, seed) / "replay" / name)
            return checkpoint
        except CheckpointError as e:
            print(f"imitax: {e}; trying the checkpoint before it", file=sys.stderr)
            problems.append(str(e))
    if problems:
        raise CheckpointError(f"{folder}: every checkpoint is damaged: " + "; ".join(problems))
    return None


def _finish(setup: Setup, checkpoint: Checkpoint | None, callbacks: Sequence[Callback]) -> Run:
    """Run the loop, then write what comes of it: summary, figures, result lines."""
    summary = setup.folder / "summary.json"
    if not (summary.exists() and read_json(summary)["steps"] == setup.training.steps):
        summarise_run(setup, train_loop(setup, checkpoint, callbacks))
    return Run(setup.folder, task=setup.task)
