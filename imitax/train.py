"""Start, resume and open runs: the Python API that the command line calls."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from imitax import figures
from imitax.algorithms import find, name_of
from imitax.artifacts import load_dynamics, load_policy, load_reward
from imitax.checkpoint import Checkpoint, checkpoints, load_checkpoint
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.config import Training, check_kinds, from_dict
from imitax.datasets import Dataset, Selection, load, normalization, pool, select, validate
from imitax.envs import EnvLike, Task
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.files import append_line, load_arrays, read_json, read_lines, sha256, write_atomic, write_json
from imitax.files import line as line_bytes
from imitax.loop import Callback, Setup, train_loop
from imitax.models import DYNAMICS
from imitax.networks import Dynamics, Normalizer, Policy, Termination, explicit, known_termination
from imitax.record import seed_folder
from imitax.run import Run
from imitax.statistics import summarise
from imitax.types import Spec

POLICY, REWARD = "policy.safetensors", "reward.safetensors"
"""Files of a run that another run can be given."""

PACKAGES = ("imitax", "jax", "jaxlib", "equinox", "optax", "numpy", "gymnasium", "mujoco", "minari")


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
) -> Run:
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
    module = find(name_of(cfg))
    if isinstance(env, str):
        training["env"] = env
    options = from_training({**training, "demos": _named(demos), "offline_data": _named(offline_data)})
    folder = default_folder(module, env) if out is None else Path(out)
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder} holds a run already: resume it with --resume {folder}, or choose another --out")
    return _start(module, cfg, options, env, demos, offline_data, folder, preset, callbacks)


def _named(source: Any) -> str | None:
    """How a data source is written into a run's config; None for data in memory."""
    return str(source) if isinstance(source, str | Path) else None


def from_training(fields: dict[str, Any]) -> Training:
    """`Training` from keyword arguments, lists allowed for tuples."""
    optional = ("demos", "offline_data", "out")
    return from_dict(Training, {k: v for k, v in fields.items() if not (v is None and k in optional)})


def preset_config(algorithm: str, preset: str) -> Any:
    """A named configuration of an algorithm.

    Raises:
        ConfigError: no such algorithm or preset.
    """
    presets = find(algorithm).PRESETS
    if preset not in presets:
        raise ConfigError(f"{algorithm} has no preset {preset!r}; there are {', '.join(presets)}")
    return presets[preset]


def default_folder(module: Any, env: EnvLike) -> Path:
    """`runs/ALGORITHM-ENV-TIME`."""
    name = env if isinstance(env, str) and env else "env"
    algorithm = module.__name__.rpartition(".")[2]
    return Path("runs") / f"{algorithm}-{name.replace('/', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"


def _start(
    module: Any,
    cfg: Any,
    options: Training,
    env: EnvLike,
    demos: Any,
    offline_data: Any,
    folder: Path,
    preset: str,
    callbacks: Sequence[Callback],
) -> Run:
    setup, dataset, selections = prepare(module, cfg, options, env, demos, offline_data, folder)
    config = {
        "algorithm": name_of(cfg),
        "preset": preset,
        "config": setup.cfg,
        "training": setup.training,
        "env": {"id": setup.task.env_id, "kwargs": setup.task.env_kwargs},
        "data": None if dataset is None else describe_data(dataset, selections, options),
        "offline_data": None if setup.offline is None else describe(setup.offline),
        "expert_return": setup.expert_return,
        "warm_start": _hash(options.init_from, POLICY),
        "reward": _hash(options.reward, REWARD),
        "model": _hash(options.model_from, DYNAMICS),
        "versions": {p: _version(p) for p in PACKAGES} | {"python": platform.python_version()},
        "commit": commit(),
        "platform": platform.platform(),
    }
    write_json(folder / "config.json", config)
    return _finish(setup, None, callbacks)


def resume(
    folder: Path | str,
    *,
    env: EnvLike | None = None,
    demos: Any = None,
    offline_data: Any = None,
    steps: int | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool | None = None,
) -> Run:
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
        CheckpointError: no run there, or all its checkpoints are damaged.
        ConfigError, DataError: the environment or the demonstrations are not those of the run.
    """
    folder = Path(folder)
    if not (folder / "config.json").exists():
        raise CheckpointError(f"{folder} is not a run: it has no config.json")
    config = read_json(folder / "config.json")
    module = find(config["algorithm"])
    cfg = from_dict(module.Config, config["config"])
    options = from_dict(Training, config["training"])
    if quiet is not None:
        options = replace(options, quiet=quiet)
    if steps is not None and steps != options.steps:
        if steps < options.steps:
            raise ConfigError(
                f"--resume with --steps {steps}: the run has {options.steps} already; give a larger number"
            )
        options = replace(options, steps=steps)
    if not options.env and env is None:
        raise ConfigError(f"{folder} was started with an environment in memory; pass it again: resume(folder, env=...)")
    source = options.demos if demos is None else demos
    if config["data"] is not None and source is None:
        raise ConfigError(
            f"{folder} was started with demonstrations in memory; pass them again: resume(folder, demos=...)"
        )
    beside = options.offline_data if offline_data is None else offline_data
    if config.get("offline_data") is not None and beside is None:
        raise ConfigError(
            f"{folder} was started with offline data in memory; pass them again: resume(folder, offline_data=...)"
        )
    setup, dataset, _ = prepare(module, cfg, options, env or options.env, source, beside, folder)
    for what, data, key in (("demonstrations", dataset, "data"), ("offline data", setup.offline, "offline_data")):
        if data is not None and data.hash() != config[key]["hash"]:
            raise DataError(
                f"the {what} have changed since the run started: hash {data.hash()[:12]}, "
                f"the run has {config[key]['hash'][:12]}"
            )
    if config["warm_start"] != _hash(options.init_from, POLICY):
        raise CheckpointError(f"{options.init_from} has changed since the run started from it")
    if config.get("model") != _hash(options.model_from, DYNAMICS):
        raise CheckpointError(f"{options.model_from} has changed since the run started from it")
    if options.reward is not None and config["reward"] != _hash(options.reward, REWARD):
        raise CheckpointError(f"{options.reward} has changed since the run started on it")
    checkpoint = newest(folder)
    if steps is not None:
        config["training"]["steps"] = options.steps
        write_json(folder / "config.json", config)
    return _finish(setup, checkpoint, callbacks)


def newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint of a run; a damaged one is passed over with a message, None if there is none yet.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged.
    """
    problems = []
    for path in reversed(checkpoints(folder / "checkpoints")):
        try:
            checkpoint = load_checkpoint(path)
            _check_shards(folder, checkpoint)
            return checkpoint
        except CheckpointError as e:
            print(f"imitax: {e}; trying the checkpoint before it", file=sys.stderr)
            problems.append(str(e))
    if problems:
        raise CheckpointError(f"{folder}: every checkpoint is damaged: " + "; ".join(problems))
    return None


def _check_shards(folder: Path, checkpoint: Checkpoint) -> None:
    seeds = read_json(folder / "config.json")["training"]["seeds"]
    for seed in seeds:
        for name in checkpoint.extra["shards"]:
            load_arrays(seed_folder(folder, seeds, seed) / "replay" / name)


def prepare(
    module: Any, cfg: Any, options: Training, env: EnvLike, demos: Any, offline_data: Any, folder: Path
) -> tuple[Setup, Dataset | None, list[Selection]]:
    """Check everything that can be wrong before training starts.

    Raises:
        ConfigError, DataError: with what is wrong and what to do.
    """
    check_kinds(cfg)
    dataset, offline = None, None
    if "expert" in cfg.needs:
        if demos is None:
            raise ConfigError(f"{name_of(cfg)} learns from demonstrations: give --demos FILE, NAME or Minari id")
        dataset = load(demos, env_kwargs=options.env_kwargs or None)
    elif demos is not None:
        raise ConfigError(f"{name_of(cfg)} learns from rewards and takes no demonstrations: leave --demos out")
    if "offline data" in cfg.needs:
        if offline_data is None:
            raise ConfigError(
                f"{name_of(cfg)} learns from offline data beside the demonstrations: give --offline-data FILE, NAME or "
                "Minari id"
            )
        offline = load(offline_data, env_kwargs=options.env_kwargs or None)
        if getattr(cfg, "needs_rewards", False) and not offline.has_rewards:
            raise DataError(f"{name_of(cfg)} learns from the rewards of its data, and {offline.name} has none")
    elif offline_data is not None:
        raise ConfigError(f"{name_of(cfg)} takes no offline data: leave --offline-data out")
    kwargs = options.env_kwargs
    if isinstance(env, str) and not env:
        source = dataset or offline
        if source is None or source.env_id is None:
            raise ConfigError("give --env: the environment's Gymnasium id")
        env = source.env_id
    for source in (dataset, offline):
        if isinstance(env, str) and not kwargs and source is not None and source.env_id == env:
            kwargs = source.env_kwargs
    task = Task.create(env, kwargs if isinstance(env, str) else None)
    if isinstance(env, str):
        options = replace(options, env=env, env_kwargs=kwargs)
    selections, normalizers = [], [Normalizer.identity(task.spec.obs_dim)] * len(options.seeds)
    for data, need_actions in ((dataset, getattr(cfg, "needs_actions", True)), (offline, True)):
        if data is not None:
            validate(
                data,
                observation_space=task.observation_space,
                action_space=task.action_space,
                env_id=task.env_id if isinstance(env, str) else None,
                env_kwargs=kwargs if isinstance(env, str) else None,
                need_actions=need_actions,
            )
    if dataset is not None:
        selections = [
            select(dataset, episodes=options.episodes, validation_episodes=options.validation_episodes, seed=seed)
            for seed in options.seeds
        ]
        if getattr(cfg, "normalize_obs", False):
            beside = offline if "model" in cfg.needs else None
            sets = [s.train if beside is None else pool(beside, s.train) for s in selections]
            normalizers = [Normalizer(*map(jnp.asarray, normalization(data))) for data in sets]
    elif offline is not None and getattr(cfg, "normalize_obs", False):
        normalizers = [Normalizer(*map(jnp.asarray, normalization(offline)))] * len(options.seeds)
    if dataset is None and (options.episodes is not None or options.validation_episodes or options.subsample != 1):
        raise ConfigError(
            f"episodes, validation_episodes and subsample are for demonstrations; {name_of(cfg)} has none"
        )
    if "env" in cfg.needs and cfg.warmup_steps >= options.steps:
        raise ConfigError(
            f"steps ({options.steps}) must exceed warmup_steps ({cfg.warmup_steps}), or nothing is learned"
        )
    reward = None if options.reward is None else _reward(options.reward, module, cfg, task)
    if reward is not None:  # the end is handled as where the reward was learned; `pay` adds what follows it
        cfg = replace(cfg, terminal=reward.terminal if reward.terminal.kind == "none" else Terminal("mask"))
    if "env" in cfg.needs and cfg.buffer_size < options.chunk:
        raise ConfigError(f"buffer_size ({cfg.buffer_size}) must hold at least one chunk of {options.chunk} steps")
    if options.subsample != 1 and getattr(cfg, "needs_stretches", False):
        raise ConfigError("reward_form=trajectory learns from consecutive transitions: leave --subsample out")
    termination, dynamics = None, None
    if "model" in cfg.needs:
        termination = _termination(cfg, task)
        dynamics = None if options.model_from is None else _model(options.model_from, cfg, task, termination)
    elif options.model_from is not None:
        raise ConfigError(f"{name_of(cfg)} has no model: leave --model-from out")
    validation = [s.validation for s in selections if s.validation is not None]
    setup = Setup(
        algorithm=module,
        cfg=cfg,
        training=options,
        task=task,
        folder=folder,
        train=[s.train for s in selections] or None,
        validation=validation or None,
        offline=offline,
        normalizers=normalizers,
        expert_return=float(dataset.returns.mean()) if dataset is not None and dataset.has_rewards else None,
        warm_start=None if options.init_from is None else _warm_start(options.init_from, task),
        reward=reward,
        termination=termination,
        dynamics=dynamics,
    )
    return setup, dataset, selections


def _termination(cfg: Any, task: Task) -> Termination | None:
    """The task's rule for learned models, where it is to be known."""
    if cfg.dynamics.termination != "known":
        return None
    termination = known_termination(task.env_id, task.env_kwargs, task.spec.obs_dim)
    if termination is None:
        raise ConfigError(
            f"where {task.env_id} ends is not known here: give --dynamics.termination learned, or, if it never ends, "
            "the same"
        )
    return termination


def _model(path: Path, cfg: Any, task: Task, termination: Termination | None) -> Dynamics:
    if "env" in cfg.needs:
        raise ConfigError(f"--model-from is for offline methods; {name_of(cfg)} fits its model as it goes")
    file = _found("--model-from", path, DYNAMICS, "; only offline runs with a model write one")
    dynamics, about = load_dynamics(file, termination)
    _check_fit("--model-from", path, "model", dynamics.spec, about, task)
    if getattr(cfg, "needs_rewards", False) and not dynamics.predicts_rewards:
        raise ConfigError(
            f"--model-from {path}: it was fitted to data without rewards, and {name_of(cfg)} learns from the model's: "
            "leave --model-from out"
        )
    return dynamics


def artifact(path: Path, name: str) -> Path:
    """The file that an option names: the file itself, or the one of this name in a run of one seed."""
    return path if path.is_file() else path / name


def _hash(path: Path | None, name: str) -> str | None:
    """Hash of the file that an option names, which the run's resumption checks; None without the option."""
    return None if path is None else sha256(artifact(path, name))


def _found(option: str, path: Path, name: str, why: str = "") -> Path:
    file = artifact(path, name)
    if not file.exists():
        several = sorted(p.name for p in path.glob("seed-*"))
        hint = f"; it has several seeds, name one: {path / several[0]}" if several else ""
        raise CheckpointError(f"{option} {path}: there is no {name}{why}{hint}")
    return file


def _check_fit(option: str, path: Path, what: str, spec: Spec, about: dict[str, Any], task: Task) -> None:
    if spec != task.spec:
        raise ConfigError(
            f"{option} {path}: its {what} is for {about['env']} with {spec.obs_dim} observations and "
            f"{spec.action_dim} actions, the environment {task.env_id} has other shapes or bounds"
        )


def _warm_start(path: Path, task: Task) -> Policy:
    policy, about = load_policy(_found("--init-from", path, POLICY))
    _check_fit("--init-from", path, "policy", policy.actor.spec, about, task)
    return explicit(policy)


def _reward(path: Path, module: Any, cfg: Any, task: Task) -> LearnedReward:
    if "expert" in cfg.needs or "env" not in cfg.needs:
        raise ConfigError(
            f"--reward is for algorithms that learn from rewards, such as sac; {name_of(cfg)} learns its own"
        )
    why = "; only runs that learn a reward, such as adversarial, have one"
    reward, about = load_reward(_found("--reward", path, REWARD, why))
    _check_fit("--reward", path, "reward", reward.net.spec, about, task)
    return reward


def describe(dataset: Dataset) -> dict[str, Any]:
    """What the run's config says of a dataset."""
    return {
        "name": dataset.name,
        "hash": dataset.hash(),
        "episodes_available": len(dataset.episodes),
        "return_mean": float(dataset.returns.mean()) if dataset.has_rewards else None,
    }


def describe_data(dataset: Dataset, selections: list[Selection], options: Training) -> dict[str, Any]:
    """What the run's config says of its demonstrations."""
    return describe(dataset) | {
        "train_episodes": {str(s): sel.train_indices for s, sel in zip(options.seeds, selections, strict=True)},
        "validation_episodes": {
            str(s): sel.validation_indices for s, sel in zip(options.seeds, selections, strict=True)
        },
    }


def _finish(setup: Setup, checkpoint: Checkpoint | None, callbacks: Sequence[Callback]) -> Run:
    """Run the loop, then write what comes of it: summary, figures, result lines."""
    summary = setup.folder / "summary.json"
    if not (summary.exists() and read_json(summary)["steps"] == setup.training.steps):
        outcome = train_loop(setup, checkpoint, callbacks)
        _summarise(setup, outcome)
    return Run(setup.folder, task=setup.task)


def _summarise(setup: Setup, outcome: dict[str, Any]) -> None:
    options, folder = setup.training, setup.folder
    curves = []
    for seed in options.seeds:
        lines = read_lines(seed_folder(folder, options.seeds, seed) / "metrics.jsonl")
        curves.append([line for line in lines if line["kind"] == "eval"])
    last = {seed: c[-1]["return_mean"] for seed, c in zip(options.seeds, curves, strict=True)}
    best = {seed: b["return_mean"] for seed, b in zip(options.seeds, outcome["best"], strict=True)}
    config = read_json(folder / "config.json")
    summary = {
        "algorithm": config["algorithm"],
        "env": setup.task.env_id,
        "steps": outcome["step"],
        "eval_episodes": options.eval_episodes,
        "expert_return": setup.expert_return,
        "last": summarise(last, setup.task.env_id, setup.expert_return),
        "best": summarise(best, setup.task.env_id, setup.expert_return),
        "best_steps": {str(s): b["step"] for s, b in zip(options.seeds, outcome["best"], strict=True)},
        "wall_s": round(outcome["wall_s"], 1),
        "commit": config["commit"],
    }
    write_json(folder / "summary.json", summary)
    records = [line for curve in curves for line in curve]
    label = config["algorithm"] + (f" {options.variant}" if options.variant else "")
    figures.learning_curve(
        {label: records},
        folder / "figures" / "learning-curve.png",
        expert_return=setup.expert_return,
        title=setup.task.env_id,
        x_label="environment steps" if "env" in setup.cfg.needs else "updates",
    )
    for seed in options.seeds:
        run_folder = seed_folder(folder, options.seeds, seed)
        figures.training_figure(read_lines(run_folder / "metrics.jsonl"), run_folder / "figures" / "training.png")
    if options.results is not None:
        _append_results(setup, config, summary, curves)


def _append_results(setup: Setup, config: dict[str, Any], summary: dict[str, Any], curves: list[list[dict]]) -> None:
    """One line a seed in the result file, and its curve beside it."""
    options = setup.training
    results = options.results
    assert results is not None
    data, offline = config["data"], config.get("offline_data")
    for i, (seed, curve) in enumerate(zip(options.seeds, curves, strict=True)):
        variant = f"-{options.variant}" if options.variant else ""
        stem = f"{config['algorithm']}-{config['preset']}{variant}-{setup.task.env_id.replace('/', '-')}"
        stem += f"-{options.steps}-seed{seed}-{config['commit'][:7]}"
        curve_file = results.parent / "curves" / f"{stem}.jsonl"
        number = 1
        while curve_file.exists():  # result files are never edited: a repeated run keeps both curves
            number += 1
            curve_file = results.parent / "curves" / f"{stem}-{number}.jsonl"
        lines = [{k: line[k] for k in ("seed", "step", "wall_s", "returns")} for line in curve]
        lines = [{"seed": x["seed"], "steps": x["step"], "wall_s": x["wall_s"], "returns": x["returns"]} for x in lines]
        write_atomic(curve_file, b"".join(line_bytes(x) for x in lines))
        last, best = summary["last"]["per_seed"][i], summary["best"]["per_seed"][i]
        append_line(
            results,
            {
                "algorithm": config["algorithm"],
                "regime": "online" if "env" in setup.cfg.needs else "offline",
                "preset": config["preset"],
                "variant": options.variant,
                "env": setup.task.env_id,
                "env_kwargs": setup.task.env_kwargs,
                "data": None if data is None else data["name"],
                "data_hash": None if data is None else data["hash"],
                "offline_data": None if offline is None else f"{offline['name']}@{offline['hash'][:12]}",
                "episodes": None if setup.train is None else len(setup.train[i].episodes),
                "steps": summary["steps"],
                "seed": seed,
                "eval_episodes": options.eval_episodes,
                "return_mean": last["return_mean"],
                "expert_fraction": last["expert_fraction"],
                "d4rl": last["d4rl"],
                "best_return_mean": best["return_mean"],
                "best_expert_fraction": best["expert_fraction"],
                "best_steps": summary["best_steps"][str(seed)],
                "wall_s": summary["wall_s"],
                "cores": cores(),
                "seeds_in_run": len(options.seeds),
                "commit": config["commit"],
                "curve": _from_here(curve_file),
            },
        )


def cores() -> int | None:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _from_here(path: Path) -> str:
    """A path as seen from the working directory, so that result files do not depend on where the checkout is."""
    full, here = path.resolve(), Path.cwd().resolve()
    return str(full.relative_to(here) if full.is_relative_to(here) else path)


def commit() -> str:
    """Commit of the library's checkout, with `-dirty` if it has changes; the version when installed from a package.

    Results that runs have appended since are no changes.
    """
    git = ["git", "-C", str(Path(__file__).parent.parent)]
    status = ["status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)bench/results"]

    def ask(*command: str) -> str:
        return subprocess.run([*git, *command], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return ask("rev-parse", "HEAD") + ("-dirty" if ask(*status) else "")
    except (OSError, subprocess.CalledProcessError):
        return f"v{_version('imitax')}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
