"""Start a run: the Python API that the command line calls."""

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from imitax import algorithms  # noqa: F401  registers the algorithms
from imitax.artifacts import DYNAMICS, POLICY, REWARD
from imitax.catalogue import split_alias
from imitax.checkpoint import Checkpoint
from imitax.compiled import guarded
from imitax.config import Training, flatten, from_flat, override, renamed, setting_names
from imitax.envs import EnvLike, Spaces
from imitax.envs.limits import as_registered
from imitax.errors import ConfigError, unknown
from imitax.files import fixed, from_here, read_json
from imitax.registry import algorithm_of, find
from imitax.run import Run
from imitax.settings import check_parts, number
from imitax.stacking import reserve_cpus
from imitax.training.decided import decide
from imitax.training.folder import check_folder, claim, default_folder, locked, release
from imitax.training.given import REWARD_END, digest
from imitax.training.loop import Callback, Callbacks, several, train_loop
from imitax.training.progress import SUMMARY
from imitax.training.provenance import commit, describe_demonstrations, describe_offline, describe_task, versions
from imitax.training.results import summarise_run
from imitax.training.selecting import select_policy
from imitax.training.setup import Setup, prepare
from imitax.training.signals import Signals

FORMAT = 2
"""Of run folders; 1 (or none) is imitax 0.1's."""


@guarded
def train(
    algorithm: str | Any,
    *,
    env: EnvLike | None = "",
    demos: Any = None,
    offline_data: Any = None,
    spaces: Any = None,
    out: os.PathLike[str] | str | None = None,
    overwrite: bool = False,
    preset: str = "default",
    callbacks: Callbacks = (),
    **training: Any,
) -> Run:  # keywords, as on the command line; long by their explanations
    """Train, and return the finished run.

    ```python
    run = imitax.train("bc", env="Hopper-v5", demos="hopper-expert", episodes=10, steps=30_000)
    action = run.policy(obs)
    ```

    Args:
        algorithm: a name ("bc", "sac"), which takes its `preset`, the name of a method that is a preset ("gail",
            "sqil"), or an algorithm's `Config`.
        env: a Gymnasium id or `EnvSpec`, an environment, or a callable that makes one. Without it the one that the data
            name. Offline methods train without one where the data name none, and with None whatever they name.
        demos: whatever `imitax.datasets.load` takes: a file, a bundled or Minari name, arrays, episodes, a Dataset.
        offline_data: recorded episodes that are no demonstrations, for algorithms that need them; as `demos`.
        spaces: (observation space, action space) in place of an environment; `action_low` and `action_high`, which are
            fields of `imitax.Training`, give the bounds of the actions alone, and otherwise they are inferred. An
            environment whose actions have no bounds takes them too.
        out: folder of the run; `runs/ALGORITHM-ENV-TIME` when None. It must not hold a run yet, and is made when
            everything has been checked.
        overwrite: delete the run that is in the folder.
        preset: named configuration of the algorithm.
        callbacks: one or several, called with an `Event` after every evaluation; returning False ends the run there.
        training: fields of `imitax.Training`, such as `steps`, `seeds`, `episodes`.

    Raises:
        ConfigError: an option is unknown, contradictory, or does not fit the environment.
        DataError: the demonstrations cannot be used, or do not fit the environment.
    """
    called, callbacks = algorithm if isinstance(algorithm, str) else None, several(callbacks)
    if isinstance(algorithm, str):
        preset = preset_of(algorithm, preset)
        algorithm = preset_config(split_alias(algorithm)[0], preset)
    found = algorithm_of(algorithm)
    check_parts(algorithm)
    refuse_settings(called or found.name, algorithm, training)
    if spaces is not None and not (env is None or env == ""):
        raise ConfigError("spaces stand for an environment: leave them out, or env")
    if isinstance(env, EnvSpec):
        env, training["env_kwargs"] = as_registered(env, training.get("env_kwargs") or {})
    if env is None or isinstance(env, str):
        training["env"] = env
    options = from_training({**training, "demos": _named(demos), "offline_data": _named(offline_data)})
    reserve_cpus(len(options.seeds), options.devices)
    folder = default_folder(found.name, env if isinstance(env, str) else "") if out is None else fixed(out)
    check_folder(folder, overwrite)
    place = (options.env if isinstance(env, str) else env) if spaces is None else Spaces.of(spaces)
    setup = prepare(found, algorithm, options, place, (demos, offline_data), folder)
    cfg, decided = decide(setup.cfg, setup.needs, setup.task, setup.data, options)
    setup = replace(setup, cfg=cfg, decided=decided)
    if out is None and setup.task.recorded is not None:
        folder = default_folder(found.name, setup.task.label)
    config = describe_run(setup, preset)
    setup = replace(setup, folder=claim(folder, config, overwrite=overwrite, numbered=out is None))
    try:
        return finish(setup, None, callbacks)
    except Exception:
        release(setup.folder)
        raise


def refuse_settings(called: str, cfg: Any, training: Iterable[str]) -> None:
    """Refuse settings of the algorithm among the options of a run, and say where they belong. Raises ConfigError."""
    known, own = setting_names(Training), setting_names(type(cfg))
    for name in training:
        now = renamed(name)
        if name not in known and now.partition(".")[0] in own:
            setting = f"{now}=..." if now.isidentifier() else f'**{{"{now}": ...}}'
            raise ConfigError(
                f"{name} is a setting of the algorithm: imitax.train(imitax.preset_config({called!r}, {setting}), ...)"
            )


def _named(source: Any) -> str | None:
    """How a data source is written into a run's config; None for data in memory."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else None


def from_training(fields: dict[str, Any]) -> Training:
    """`Training` from keyword arguments, lists allowed for tuples, and one number for the bounds of all actions."""
    optional = ("demos", "offline_data", "out")
    for name in ("action_low", "action_high"):
        if (bound := fields.get(name)) is not None:
            several = (bound,) if np.ndim(bound) == 0 else bound
            fields = fields | {name: tuple(map(float, number(several, tuple[float, ...], name)))}
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
    preset, algorithm = preset_of(algorithm, preset), split_alias(algorithm)[0]
    presets = find(algorithm).PRESETS
    if preset not in presets:
        rest = unknown("preset", repr(preset), presets).removeprefix("unknown preset")
        raise ConfigError(f"{algorithm} has no preset{rest}")
    return override(presets[preset], **changes)


def preset_of(algorithm: str, preset: str) -> str:
    """The preset that is meant: an alias such as "gail" has its own.

    Raises:
        ConfigError: another one is given too.
    """
    own = split_alias(algorithm)[1]
    if own is not None and preset not in ("default", own):
        raise ConfigError(
            f"{algorithm} is the preset {own} of {split_alias(algorithm)[0]}: leave preset={preset!r} out"
        )
    return own or preset


def describe_run(setup: Setup, preset: str) -> dict[str, Any]:
    """What `config.json` holds."""
    options = setup.training
    return {
        "format": FORMAT,
        "algorithm": setup.algorithm.name,
        "preset": preset,
        "config": flatten(setup.cfg),
        "decided": setup.decided,
        "training": options,
        "devices": setup.devices,
        "env": describe_task(setup.task),
        "observation_space": setup.task.spec.single.describe(),
        "data": describe_demonstrations(setup.data, options.seeds),
        "offline_data": describe_offline(setup.data, options.seeds),
        "expert_return": setup.expert_return,
        "warm_start": digest(options.init_from, POLICY),
        "reward": digest(options.reward, REWARD),
        "reward_end": None if options.reward is None else REWARD_END,
        "model": digest(options.model_from, DYNAMICS),
        "versions": versions(),
        "commit": commit(),
        "platform": platform.platform(),
    }


def finish(setup: Setup, checkpoint: Checkpoint | None, callbacks: Sequence[Callback]) -> Run:
    """Run the loop, then write what comes of it: summary, figures, result lines, a selected policy."""
    summary, signals = setup.folder / SUMMARY, Signals()
    if not (summary.exists() and read_json(summary)["steps"] == setup.training.steps):
        if not setup.training.quiet:
            print(f"run: {from_here(setup.folder)}", file=sys.stderr)
        with locked(setup.folder), signals:
            summarise_run(setup, train_loop(setup, checkpoint, callbacks, signals))
    task = setup.task.single or setup.task
    select_policy(setup.folder, setup.training.select, task, setup.data.demos)
    if signals.caught:
        signals.end(setup.folder, None)
    return Run(setup.folder, task=task, measured=setup.measured)
