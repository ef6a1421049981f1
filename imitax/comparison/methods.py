"""Runs as entries of a comparison: which of them are seeds of one method, and what they score."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imitax.errors import CheckpointError, ConfigError
from imitax.record import METRICS
from imitax.run import Run
from imitax.run_config import as_given, as_written

Runs = Run | Path | str | Sequence[Run | Path | str] | Mapping[str, Run | Path | str | Sequence[Run | Path | str]]
"""A run or its folder, several, or these by labels."""

Which = Literal["last", "best"] | str
"""The last or the best evaluation; any other text is refused with a message."""

MEANINGLESS = ("env", "env_kwargs", "demos", "offline_data", "seeds", "devices", "env_workers", "results", "model_from")
MEANINGLESS += ("reward", "init_from", "tensorboard", "wandb", "quiet")
"""Options of training that do not tell methods apart: what the task is, and what changes no number."""
GIVEN = ("reward", "init_from")
"""Files that may differ from seed to seed of a method; whether there is one tells methods apart."""


@dataclass(frozen=True)
class Entry:
    """One run in a comparison."""

    run: Run
    label: str
    """Of the method."""
    tells_kwargs: bool = False
    """Whether the task's name has the environment's keyword arguments, which another run has otherwise."""

    @cached_property
    def evaluations(self) -> dict[int, list[dict[str, Any]]]:
        """Each seed's evaluations in order. CheckpointError before the first."""
        found = {}
        for seed in self.run.seeds:
            path = self.run.seed_folder(seed) / METRICS
            with as_written(path):
                lines = [line for line in self.run.metrics(seed) if line["kind"] == "eval"]
                found[seed] = sorted(lines, key=lambda line: int(line["step"]))
            if not lines:
                raise CheckpointError(f"{path.parent} has no evaluation yet")
        return found

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """All recorded lines of all seeds."""
        return [line for seed in self.run.seeds for line in self.run.metrics(seed)]

    @property
    def unit(self) -> str:
        """What steps are: environment steps of a run that has a replay or training episodes, else updates."""
        online = (self.run.seed_folder() / "replay").exists() or any("episode_return" in line for line in self.lines)
        return "environment steps" if online else "updates"

    @property
    def has_env(self) -> bool:
        """Whether policies are scored by returns; else by errors on recorded actions."""
        return self.run.config["env"].get("id") is not None

    @property
    def task(self) -> str:
        """Environment, or without one the data."""
        name, kwargs = _task(self.run)
        return f"{name} {kwargs}" if self.tells_kwargs and kwargs != "{}" else name

    @property
    def measure(self) -> str:
        """Key of the score in an evaluation."""
        if self.has_env:
            return "return_mean"
        first = next(iter(self.evaluations.values()))[0]
        return "validation_error" if "validation_error" in first else "train_error"

    def at(self, which: Which) -> dict[int, dict[str, Any]]:
        """The last or the best evaluation of each seed."""
        if which == "last":
            return {seed: lines[-1] for seed, lines in self.evaluations.items()}
        sign = 1 if self.has_env else -1  # the evaluation before the first update is no candidate
        return {
            seed: max(
                [x for x in lines if x["step"]] or lines,
                key=lambda line: _first(sign * number(line.get(self.measure)), -np.inf),
            )
            for seed, lines in self.evaluations.items()
        }

    def scores(self, which: Which, measure: str | None = None) -> dict[int, float]:
        """One score per seed; NaN where a policy diverged."""
        return {seed: number(line.get(measure or self.measure)) for seed, line in self.at(which).items()}


def number(value: Any) -> float:
    """A number of a file, whose null was NaN. TypeError for what is no number."""
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a score is no number")
    return float(value)


def _first(value: float, otherwise: float) -> float:
    return otherwise if np.isnan(value) else value


def _task(run: Run) -> tuple[str, str]:
    """Environment, or without one the data; and the environment's keyword arguments as JSON."""
    env = run.config["env"]
    name = env["id"] if env.get("id") is not None else env.get("data")
    return str(name), json.dumps(env.get("kwargs") or {}, sort_keys=True)


def gather(runs: Runs) -> list[Entry]:
    """Runs with the labels of their methods.

    Runs with equal settings are seeds of one method, on one task or several. Without labels, a method is called by its
    algorithm, with the preset and the variant where these are needed to tell methods apart, or by its folder.

    Raises:
        ConfigError: no run, or a label that has one seed of a task twice.
        CheckpointError: a folder holds no run.
    """
    if isinstance(runs, Mapping):
        listed = {str(label): _opened(given) for label, given in runs.items()}
        if empty := [label for label, members in listed.items() if not members]:
            raise ConfigError(f"{empty[0]} has no runs")
        entries = [Entry(run, label) for label, members in listed.items() for run in members]
    else:
        entries = _named(_groups(_opened(runs)))
    if not entries:
        raise ConfigError("give at least one run")
    tasks = {_task(entry.run) for entry in entries}
    names = [name for name, _ in tasks]
    entries = [replace(entry, tells_kwargs=names.count(_task(entry.run)[0]) > 1) for entry in entries]
    _check_seeds(entries)
    return entries


def _opened(given: Run | Path | str | Iterable[Run | Path | str]) -> list[Run]:
    if isinstance(given, (Run, Path, str)):
        given = [given]
    if not isinstance(given, Iterable):
        raise ConfigError(f"runs are runs or their folders, a list of these, or a dict of labels, got {given!r}")
    return [run if isinstance(run, Run) else Run(run) for run in given]


def _groups(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs of equal settings; a seed that a group has already on a task, or other data of a task, begins a new one."""
    groups: dict[str, list[list[Run]]] = {}
    for run in runs:
        config = run.config
        training = {k: v for k, v in config["training"].items() if k not in MEANINGLESS}
        training |= {name: config["training"].get(name) is not None for name in GIVEN}
        key = json.dumps([config["algorithm"], as_given(config), training], sort_keys=True, default=str)
        with as_written(run.folder / "config.json"):
            free = [group for group in groups.setdefault(key, []) if not any(_clash(run, other) for other in group)]
        if free:
            free[0].append(run)
        else:
            groups[key].append([run])
    return [group for members in groups.values() for group in members]


def _clash(a: Run, b: Run) -> bool:
    """Whether two runs of equal settings on one task share a seed, or have other data."""
    one, other = a.config, b.config
    if one["env"] != other["env"]:
        return False
    data = [[(c.get(name) or {}).get("hash") for name in ("data", "offline_data")] for c in (one, other)]
    return bool(set(a.seeds) & set(b.seeds)) or data[0] != data[1]


def _named(groups: list[list[Run]]) -> list[Entry]:
    """Entries with the shortest names that tell the groups apart."""

    def name(run: Run, parts: int) -> str:
        config = run.config
        words = [config["algorithm"], config.get("preset"), config["training"].get("variant")]
        return " ".join(str(word) for word in words[:parts] if word)

    for parts in (1, 2, 3):
        names = [name(group[0], parts) for group in groups]
        if len(set(names)) == len(names):
            break
    else:
        names = [group[0].folder.resolve().name for group in groups]
        names = [str(g[0].folder) if names.count(n) > 1 else n for n, g in zip(names, groups, strict=True)]
        names = [f"{n} ({i + 1})" if names.count(n) > 1 else n for i, n in enumerate(names)]
    return [Entry(run, label) for label, group in zip(names, groups, strict=True) for run in group]


def _check_seeds(entries: Sequence[Entry]) -> None:
    seen: dict[tuple[str, str, int], Path] = {}
    for entry in entries:
        for seed in entry.run.seeds:
            first = seen.setdefault((entry.label, entry.task, seed), entry.run.folder)
            if first is not entry.run.folder:
                raise ConfigError(
                    f"{entry.label} has seed {seed} of {entry.task} twice, in {first} and {entry.run.folder}: "
                    "give them different labels, or leave one out"
                )
