"""Continue a run from its newest whole checkpoint."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import jax

from imitax import trust
from imitax.artifacts import DYNAMICS, POLICY, REWARD, load_policy
from imitax.checkpoint import Checkpoint, checkpoints, load_checkpoint
from imitax.compiled import guarded
from imitax.config import Training, from_flat
from imitax.datasets.loading import expanded, named
from imitax.envs import EnvLike, Spaces
from imitax.envs.fitting import require_same
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.files import fixed, load_arrays, write_json
from imitax.record import seed_folder
from imitax.registry import find
from imitax.run import Run
from imitax.run_config import as_written, read_config, read_summary, task_of
from imitax.stacking import reserve_cpus
from imitax.training.entry import FORMAT, finish
from imitax.training.folder import CONFIG
from imitax.training.given import REWARD_END, digest
from imitax.training.loop import Callbacks, several
from imitax.training.recorded import recorded_settings
from imitax.training.setup import Setup, prepare


@guarded
def resume(
    folder: os.PathLike[str] | str,
    *,
    env: EnvLike | None = None,
    demos: Any = None,
    offline_data: Any = None,
    steps: int | None = None,
    env_workers: int | None = None,
    callbacks: Callbacks = (),
    quiet: bool | None = None,
    trust_env: bool = False,
    files: Mapping[str, Path | str] | None = None,
) -> Run:  # keywords, as on the command line; long by their explanations
    """Continue a run from its newest whole checkpoint, or from the start if it has none.

    The final parameters equal those of an uninterrupted run bit for bit on the same machine.

    Args:
        folder: of the run, or the run.
        env: needed again when the run was started with an environment or a callable.
        demos: needed again when the run was started with demonstrations in memory, or when they lie elsewhere now:
            their hash says whether they are the same.
        offline_data: likewise.
        steps: extends the run to more steps than it was started with.
        env_workers: as in `train`; None as the run was started. It changes no number.
        callbacks: as in `train`.
        quiet: print nothing; None as the run was started.
        trust_env: use the environment and the files that the config names although the folder was copied here.
        files: where `init_from`, `reward`, `model_from` or `results` lie now; the hashes of the first three decide
            whether they are the same.

    Raises:
        CheckpointError: no run there, all its checkpoints are damaged, or an older imitax wrote it.
        ConfigError, DataError: the environment or the demonstrations are not those of the run.
    """
    folder, callbacks = fixed(folder), several(callbacks)
    config = read_run(folder)
    given = {"demos": demos, "offline_data": offline_data, **(files or {})}
    given = {name: source for name, source in given.items() if source is not None}
    if not (trust_env or trust.is_own(folder, config)):
        check_named(folder, config, env, given)
    algorithm = find(config["algorithm"])
    cfg = recorded_settings(algorithm.Config, config)
    options = from_flat(Training, config["training"])
    if steps is not None and steps < options.steps:
        raise ConfigError(f"--resume with --steps {steps}: the run has {options.steps} already; give a larger number")
    changed = {"steps": steps, "quiet": quiet, "env_workers": env_workers}
    changed |= {name: Path(path) for name, path in (files or {}).items()}
    options = replace(options, **{name: value for name, value in changed.items() if value is not None})
    options = replace(options, devices=same_devices(options, config))
    if config["env"]["id"] is None and env is not None:
        raise ConfigError(f"{folder} was started without an environment: leave env (--env) out")
    if options.env == "" and env is None:
        raise ConfigError(f"{folder} was started with an environment in memory; pass it again: resume(folder, env=...)")
    source = tuple(_again(folder, config, name, given.get(name)) for name in ("demos", "offline_data"))
    place = options.env if env is None else env
    if not isinstance(place, str):
        options = replace(options, env_kwargs={})  # they went with the id
    if config["env"]["id"] is None:
        place, options = spaces_of(config), replace(options, action_low=None, action_high=None)
    setup = prepare(algorithm, cfg, options, place, source, folder)
    check_unchanged(setup, config)
    saved = seed_folder(folder, options.seeds, options.seeds[0]) / POLICY
    if saved.exists():
        require_same(setup.task, load_policy(saved)[0].actor.spec, str(folder))
    checkpoint = newest(folder)
    if checkpoint is None and (folder / "summary.json").exists():
        if options.steps == read_summary(folder)["steps"]:
            return Run(folder)
        raise CheckpointError(f"{folder} has finished, but its checkpoints are gone: it cannot go on; train a new run")
    if checkpoint is None and not options.quiet:
        print(f"imitax: {folder} has no checkpoint yet: the run starts again at step 0", file=sys.stderr)
    update_config(folder, config, steps, given)
    return finish(setup, checkpoint, callbacks)


def spaces_of(config: dict[str, Any]) -> Spaces:
    """The spaces of a run without an environment."""
    task = task_of(config["env"])
    assert isinstance(task.observation_space, gym.spaces.Box)  # as `recorded_task` makes it
    return Spaces(task.observation_space, task.action_space)


def same_devices(options: Training, config: dict[str, Any]) -> int | None:
    """The number of devices that the run has had, which its rounding depends on, or None where there are fewer."""
    had = config.get("devices", 1)
    if type(had) is not int or not 1 <= had <= len(options.seeds):
        raise CheckpointError(f"config.json is damaged: its number of devices is {had!r}")
    reserve_cpus(len(options.seeds), had)
    if options.devices is not None or jax.local_device_count() >= had:
        return had
    if not options.quiet:
        print(
            f"imitax: the run had {had} devices, and JAX has {jax.local_device_count()} here: it goes on with the same "
            "seeds, and numbers that differ by rounding",
            file=sys.stderr,
        )
    return None


def update_config(folder: Path, config: dict[str, Any], steps: int | None, given: Mapping[str, Any]) -> None:
    """Write what a resumption has changed: the number of steps, and where files lie now."""
    training = dict(config["training"])
    training |= {} if steps is None else {"steps": int(steps)}
    training |= {name: os.fspath(path) for name, path in given.items() if isinstance(path, str | os.PathLike)}
    if training != config["training"]:
        write_json(folder / CONFIG, config | {"training": training, "folder_mark": trust.mark(folder)}, exact=True)


def check_named(folder: Path, config: dict[str, Any], env: EnvLike | None, given: Mapping[str, Any]) -> None:
    """Refuse what a run names that was started elsewhere, unless it is given anew.

    Raises:
        ConfigError: it names code to import or a file to read.
    """
    options = config["training"]
    if env is None and options["env"]:
        trust.check_env(options["env"], options["env_kwargs"], str(folder))
    paths = {name: options.get(name) for name in ("init_from", "reward", "model_from", "results")}
    data = {name: options.get(name) for name in ("demos", "offline_data")}
    paths |= {name: source for name, source in data.items() if source and not named(source)}
    trust.check_files({name: path for name, path in paths.items() if name not in given}, str(folder))


def read_run(folder: Path) -> dict[str, Any]:
    """The config of a run that can be resumed."""
    config = read_config(folder)
    if config.get("format") != FORMAT:
        with as_written(folder / CONFIG):
            written = config["versions"]["imitax"]
        raise CheckpointError(
            f"{folder} was written by imitax {written}, whose checkpoints this version cannot "
            "continue: it can be opened and evaluated; to continue it, install that version"
        )
    return config


def _again(folder: Path, config: dict[str, Any], name: str, given: Any) -> Any:
    """Data as they are given again, or else as the run's config names them."""
    key, what = {"demos": ("data", "demonstrations"), "offline_data": ("offline_data", "offline data")}[name]
    source = config["training"][name] if given is None else given
    if config[key] is None:
        return source
    if source is None:
        raise ConfigError(f"{folder} was started with {what} in memory; pass them again: resume(folder, {name}=...)")
    if given is None and not named(source) and not expanded(source).exists():
        seen = "" if expanded(source).is_absolute() else ", seen from the current folder,"
        raise DataError(
            f"the {what} of {folder} are not at {source}{seen} any more: say where they are with "
            f"--{name.replace('_', '-')} FILE ({name}=...); their hash decides whether they are the same"
        )
    return source


def check_unchanged(setup: Setup, config: dict[str, Any]) -> None:
    """Refuse data and files that are not those that the run started with.

    Raises:
        DataError, CheckpointError: with what has changed.
    """
    for what, data, key in (
        ("demonstrations", setup.data.given.demos, "data"),
        ("offline data", setup.data.given.offline, "offline_data"),
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
    if options.reward is not None and config.get("reward_end") != REWARD_END:
        raise CheckpointError(
            "this run learned from a given reward by an earlier version, whose last rewards of episodes held what "
            "follows the end: its values do not fit those of today, start it anew"
        )


def newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint of a run; a damaged one is passed over with a message, None if there is none yet.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged.
    """
    problems = []
    for path in reversed(checkpoints(folder / "checkpoints")):
        try:
            checkpoint, seeds = load_checkpoint(path), read_config(folder)["training"]["seeds"]
            with as_written(path / "manifest.json"):
                shards = [Path(name).name for name in checkpoint.extra["shards"]]
            for seed in seeds:
                for name in shards:
                    load_arrays(seed_folder(folder, seeds, seed) / "replay" / name)
            return checkpoint
        except CheckpointError as e:
            print(f"imitax: {e}; trying the checkpoint before it", file=sys.stderr)
            problems.append(str(e))
    if problems:
        raise CheckpointError(f"{folder}: every checkpoint is damaged: " + "; ".join(problems))
    return None
