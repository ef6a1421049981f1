"""The config of a run's folder: read, checked, and what is worth knowing of the run at a glance."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imitax.envs import Recorded, Task, recorded_task
from imitax.errors import CheckpointError, ConfigError, ImitaxError, printable
from imitax.files import plain, read_json
from imitax.record.scores import format_error, format_return
from imitax.spaces import from_described


def short(value: Any) -> str:
    """A value from a file as messages show it."""
    return printable(value)[:100]


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a run. CheckpointError when there is no run."""
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file: name the folder of the run, such as {folder.parent}")
    if not folder.exists():
        raise CheckpointError(f"{folder} does not exist, so it is not a run")
    if not (folder / "config.json").exists():
        nested = sorted(path.parent.name for path in folder.glob("*/config.json"))
        hint = f"; it has the runs {', '.join(nested[:5])}" if nested else ""
        raise CheckpointError(f"{folder} is not a run: it has no config.json{hint}")
    config = read_json(folder / "config.json")
    parts = {"algorithm": str, "config": dict, "training": dict, "env": dict}
    if not isinstance(config, dict) or any(not isinstance(config.get(name), cls) for name, cls in parts.items()):
        raise CheckpointError(f"{folder / 'config.json'} is damaged: it is not the config of a run")
    seeds = config["training"].get("seeds")
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise CheckpointError(f"{folder / 'config.json'} is damaged: its seeds are {short(seeds)}")
    if not isinstance(config.get("decided", {}), dict):
        raise CheckpointError(f"{folder / 'config.json'} is damaged: decided is {short(config['decided'])}")
    return config


def as_given(config: Mapping[str, Any]) -> dict[str, Any]:
    """The algorithm's settings of a run as they were given, where the data then decided some of them."""
    return config["config"] | config.get("decided", {})


def task_of(env: Mapping[str, Any]) -> Task:
    """The task of a run without an environment, from the part `env` of its config. CheckpointError if it is damaged."""
    recorded = Recorded(str(env.get("data")), "recorded")
    try:
        return recorded_task(recorded, int(env["observations"]), from_described(dict(env)))
    except (ConfigError, KeyError, TypeError, ValueError, OverflowError) as e:
        raise CheckpointError(f"the config of the run is damaged: its env does not say the spaces ({e})") from e


def same_env(env_id: Any, kwargs: Any, task: Task) -> bool:
    """Whether a task is the environment of this id and these arguments, as a file says them; modules do not count."""
    return same_id(env_id, task.env_id) and plain(kwargs or {}, exact=True) == plain(task.env_kwargs, exact=True)


def same_id(one: Any, other: Any) -> bool:
    """Whether two ids name one environment: modules do not count, nor versions where one of them has none."""
    ids = [str(name or "").rpartition(":")[2] for name in (one, other)]
    names = [re.sub(r"-v\d+$", "", name) for name in ids]
    without = [name for id, name in zip(ids, names, strict=True) if id == name]
    return ids[0] == ids[1] or (names[0] == names[1] and bool(without))


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Raise CheckpointError where what is read from a file of JSON is not what a run writes there."""
    try:
        yield
    except ImitaxError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
        raise CheckpointError(f"{path} is damaged: {type(e).__name__}: {short(e)}") from e


def read_summary(folder: Path) -> dict[str, Any]:
    """The scores of a finished run. CheckpointError while it is unfinished, or when they are damaged."""
    path = folder / "summary.json"
    if not path.exists():
        raise CheckpointError(
            f"{folder} has not finished, so that it has no summary: imitax train --resume {folder} goes on with it"
        )
    summary = read_json(path)
    with as_written(path):
        for part in (summary["last"], *([] if summary["best"] is None else [summary["best"]])):
            if not all(isinstance(line, dict) for line in part["per_seed"]):
                raise TypeError("no scores of seeds")
        int(summary["steps"])
    return summary


def facts(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Algorithm, environment, length and score of a run, by their names."""
    with as_written(folder / "config.json"):
        found = _described(config)
    if not (folder / "summary.json").exists():
        return found | {"return": "unfinished"}
    last = read_summary(folder)["last"]
    with as_written(folder / "summary.json"):
        if config["env"]["id"] is None:
            return found | {"error": format_error(last["error"])}
        fraction = "" if last["expert_fraction"] is None else f" ({last['expert_fraction']:.0%} of the demonstrations)"
        return found | {"return": ("not finite" if last["iqm"] is None else format_return(last["iqm"])) + fraction}


def _described(config: Mapping[str, Any]) -> dict[str, str]:
    history = config["training"].get("history", 1)
    return {
        "algorithm": f"{config['algorithm']} ({config['preset']})" + (f", history {history}" if history != 1 else ""),
        "env": str(config["env"]["id"] or f"none ({config['env'].get('data')})"),
        "seeds": ", ".join(map(str, config["training"]["seeds"])),
        "steps": f"{config['training']['steps']:,}",
    }


def dotted(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names; empty mappings are values."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        nested = isinstance(value, Mapping) and value
        found |= dotted(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return found
