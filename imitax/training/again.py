"""Train into a folder, or go on with the run of the same settings that it holds already."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imitax.compiled import guarded
from imitax.config import Training, flatten, from_flat
from imitax.errors import ConfigError
from imitax.files import plain
from imitax.registry import algorithm_of
from imitax.run import Run
from imitax.run_config import dotted, read_summary, short
from imitax.training.entry import describe_run, from_training, train
from imitax.training.folder import CONFIG
from imitax.training.loop import Callback
from imitax.training.recorded import recorded_settings
from imitax.training.resume import read_run, resume
from imitax.training.setup import prepare

SAME = ("algorithm", "config", "training", "env", "data", "offline_data", "warm_start", "reward", "model")
"""What two runs of the same settings have in common, by the parts of their config."""
FREE = (
    "steps",
    "env_workers",
    "devices",
    "init_from",
    "reward",
    "model_from",
    "results",
    "tensorboard",
    "wandb",
    "quiet",
)
"""Options of training that may differ: they change no number, or, of files, `SAME` has the hash. Steps are for the
caller."""


@guarded
def train_on(
    cfg: Any,
    out: Path | str,
    *,
    env: str,
    preset: str = "default",
    callbacks: Sequence[Callback] = (),
    **training: Any,
) -> Run:
    """Train, and return the finished run; one that the folder holds already goes on.

    A finished run is returned as it is, an interrupted one goes on from its newest checkpoint, and one of fewer steps
    goes on up to the number that is asked for.

    Args:
        cfg: of an algorithm.
        out: folder of the run.
        env: a Gymnasium id.
        preset: that the configuration is of.
        callbacks: as in `imitax.train`.
        training: fields of `imitax.Training`, but no data.

    Raises:
        ConfigError: the folder holds a run of other settings, or of more steps; or as `imitax.train`.
        CheckpointError: as `imitax.training.resume.resume`.
    """
    folder = Path(out).expanduser()
    if not (folder / CONFIG).exists():
        return train(cfg, env=env, out=folder, preset=preset, callbacks=callbacks, **training)
    refuse_other(cfg, folder, env=env, preset=preset, **training)
    options = from_training({**training, "env": env})
    if (folder / "summary.json").exists() and read_summary(folder)["steps"] == options.steps:
        return Run(folder)
    files = {name: getattr(options, name) for name in ("init_from", "reward", "model_from", "results")}
    return resume(
        folder,
        env=env,
        steps=options.steps,
        env_workers=options.env_workers,
        callbacks=callbacks,
        quiet=options.quiet,
        files={name: path for name, path in files.items() if path is not None},
    )


def refuse_other(cfg: Any, out: Path | str, *, env: str, preset: str = "default", **training: Any) -> None:
    """Refuse what `train_on` would, before it trains: settings that do not fit, and a folder with another run.

    Args:
        cfg: of an algorithm.
        out: folder of the run.
        env: a Gymnasium id.
        preset: that the configuration is of.
        training: fields of `imitax.Training`, but no data.

    Raises:
        ConfigError: as `train_on`.
    """
    folder = Path(out).expanduser()
    found, options = algorithm_of(cfg), from_training({**training, "env": env})
    setup = prepare(found, cfg, options, env, (None, None), folder)
    if not (folder / CONFIG).exists():
        return
    there, wanted = read_run(folder), describe_run(setup, preset)
    there["training"] = from_flat(Training, there["training"])  # with defaults for options that it did not know yet
    if there["algorithm"] == wanted["algorithm"]:
        there["config"] = flatten(recorded_settings(found.Config, there))
    check_same(folder, there, wanted)


def check_same(folder: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse a run that cannot go on as the one that is wanted, by their configs.

    Raises:
        ConfigError: with the settings that differ, or the number of steps.
    """
    if differences := _differing(there, wanted):
        told = "; ".join(f"{name} {short(a)}, not {short(b)}" for name, (a, b) in list(differences.items())[:5])
        more = f", and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise ConfigError(
            f"{folder} holds a run of other settings ({told}{more}): choose another --out, or delete that folder"
        )
    has, asked = there["training"].steps, wanted["training"].steps
    if has > asked:
        raise ConfigError(
            f"{folder} holds a run of {has:,} steps, and {asked:,} are asked for: ask for as many, or choose another "
            "--out"
        )


def _differing(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings with two values, by their dotted names."""
    a, b = (dotted(plain({name: config.get(name) for name in SAME}, exact=True)) for config in (there, wanted))
    free = {f"training.{name}" for name in FREE}
    names = [name for name in dict.fromkeys((*a, *b)) if name not in free and {} not in (a.get(name), b.get(name))]
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}
