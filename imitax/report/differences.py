"""Settings of runs, flat, and those in which runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from imitax.run_config import as_given, dotted

ABSENT = "-"
QUIET = ("quiet", "tensorboard", "wandb", "results", "out")
"""Options of training that change no number."""


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and text; lists are written whole."""
    return {name: _text(value) for name, value in dotted(config, prefix).items()}


def settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Everything that a run was started with: the method's settings, the options of training, data and versions."""
    training = {name: value for name, value in config["training"].items() if name not in QUIET}
    found = {"algorithm": str(config["algorithm"]), "preset": _text(config.get("preset"))}
    found |= flat(as_given(config)) | flat(training)
    for name in ("data", "offline_data"):
        about = config.get(name)
        if isinstance(about, Mapping):
            found[f"{name} hash"] = str(about.get("hash"))[:12]
    return found | {"commit": _text(config.get("commit"))} | flat(config.get("versions") or {}, "version of ")


def differing(runs: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Settings that are not the same in all runs, with each run's value."""
    names = dict.fromkeys(name for run in runs for name in run)
    rows = {name: [run.get(name, ABSENT) for run in runs] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None or value == {} else str(value)
