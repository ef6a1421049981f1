"""Continue a run from its newest whole checkpoint."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imitax.algorithm import find
from imitax.artifacts import DYNAMICS, POLICY, REWARD
from imitax.checkpoint import Checkpoint, checkpoints, load_checkpoint
from imitax.config import Training, from_flat
from imitax.envs import EnvLike
from imitax.envs.kwargs import read
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.files import load_arrays, read_json, write_json
from imitax.process import entry
from imitax.record import seed_folder
from imitax.run import Run
from imitax.training.entry import FORMAT, finish
from imitax.training.given import digest
from imitax.training.loop import Callback
from imitax.training.setup import Setup, prepare


@entry
def resume(
    folder: Path | str,
    *,
    env: EnvLike | None = None,
    demos: Any = None,
    offline_data: Any = None,
    steps: int | None = None,
    env_workers: int | None = None,
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
        env_workers: as in `train`; None as the run was started. It changes no number.
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
    options = replace(from_flat(Training, config["training"]), env_kwargs=read(config["training"]["env_kwargs"]))
    if quiet is not None:
        options = replace(options, quiet=quiet)
    if env_workers is not None:
        options = replace(options, env_workers=env_workers)
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
    return finish(setup, checkpoint, callbacks)


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
