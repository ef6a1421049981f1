"""The comparison of methods: their scores, every pair of them, and whether one has won."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from imitax.comparison import estimates
from imitax.comparison.methods import Entry, Runs, Which, gather, number
from imitax.comparison.words import notes, verdict
from imitax.compiled import guarded
from imitax.errors import ConfigError
from imitax.files import from_here
from imitax.record import METRICS
from imitax.run_config import as_written
from imitax.statistics import Estimate

SIGNIFICANT = 0.05

Cells = dict[str, dict[str, dict[int, float]]]
"""One score per seed, by method and task."""


@dataclass(frozen=True)
class Method:
    """One method's scores; all estimates are in the unit of `Comparison.measure`."""

    label: str
    seeds: dict[str, dict[int, float]]
    """One score per seed, by task."""
    score: Estimate
    """IQM over seeds and tasks."""
    success: Estimate | None
    """Share of evaluation episodes that succeeded, with its Wilson interval; None where success is not defined."""
    episodes: int
    """Evaluation episodes of all seeds."""
    folders: list[str]


@dataclass(frozen=True)
class Pair:
    """Two methods; `a` has the better score. Differences are positive where `a` is better."""

    a: str
    b: str
    difference: Estimate
    """Of the IQMs."""
    paired: Estimate | None
    """Mean difference of the same seeds; None where the two share none."""
    shared_seeds: int
    improvement: Estimate
    """Probability that a random seed of `a` is better than one of `b`."""
    p: float
    """Of the permutation test, corrected for the number of pairs."""
    smallest_p: float
    """What p would be if every seed of `a` were better than every seed of `b`."""
    better: bool
    """Whether `a` is better by the rule."""


@dataclass(frozen=True)
class Comparison:
    """What `compare` found."""

    measure: str
    higher_is_better: bool
    tasks: list[str]
    methods: list[Method]
    """The best score first."""
    pairs: list[Pair]
    winner: str | None
    """The method that is better than every other one by the rule, if there is one."""
    verdict: str
    rule: str
    notes: list[str] = field(default_factory=list)
    """What makes the comparison weaker than it looks."""

    def __repr__(self) -> str:
        return f"Comparison({', '.join(m.label for m in self.methods)}): {self.verdict}"


@guarded
def compare(runs: Runs, *, which: Which = "last", success: float | int | None = None) -> Comparison:
    """Compare methods by the evaluations that their runs recorded; nothing is rolled out anew.

    Args:
        runs: runs or their folders. Those with equal settings count as seeds of one method, on one task or several.
            A mapping gives methods labels: `{"ours": ["runs/a", "runs/b"], "bc": "runs/c"}`.
        which: the last evaluation of each seed, or its best, which flatters methods that vary.
        success: the return from which an episode counts as a success. None counts those with return 1 where every
            return is 0 or 1, and none elsewhere.

    Returns:
        Scores by method and by pair. Returns are compared as they are on one task; on several, as shares of the
        demonstrations' return, or as D4RL scores. Without environments, errors are compared, and low is good.

    Raises:
        ConfigError: the runs cannot be compared, or `which` is neither.
        CheckpointError: a folder holds no run, or no evaluation yet.
    """
    if which not in ("last", "best"):
        raise ConfigError(f"which is last or best, got {which!r}")
    entries = gather(runs)
    if len({entry.measure for entry in entries}) > 1:
        raise ConfigError("runs with an environment have returns, those without have errors: compare one or the other")
    tasks = _common_tasks(entries)
    entries = [entry for entry in entries if entry.task in tasks]
    name, key = _measure(entries, tasks)
    higher = entries[0].has_env
    cells: Cells = {}
    for entry in entries:
        with as_written(entry.run.folder / METRICS):
            found = entry.scores(which, key)
        cells.setdefault(entry.label, {}).setdefault(entry.task, {}).update(found)
    counted = _successes(entries, which, success)
    methods = [_method(label, cells[label], tasks, counted, entries) for label in cells]
    sign = 1 if higher else -1
    methods.sort(key=lambda m: np.nan_to_num(-sign * m.score.value, nan=np.inf))
    pairs = _pairs(methods, tasks, sign)
    best = methods[0].label
    won = len(methods) > 1 and all(pair.better for pair in pairs if pair.a == best)
    said = verdict(methods, pairs, won)
    weak = notes(entries, tasks, which, methods)
    return Comparison(name, higher, tasks, methods, pairs, best if won else None, said, RULE, weak)


RULE = (
    "A method wins if against every other one its IQM is better, the 95 % bootstrap interval of the difference "
    "excludes 0, and a permutation test on the ranks of the seeds (with one task: Mann-Whitney), corrected for the "
    "number of pairs (Holm), gives p < 0.05."
)


def _common_tasks(entries: Sequence[Entry]) -> list[str]:
    by_label: dict[str, set[str]] = {}
    for entry in entries:
        by_label.setdefault(entry.label, set()).add(entry.task)
    common = set.intersection(*by_label.values())
    if not common:
        what = "; ".join(f"{label}: {', '.join(sorted(tasks))}" for label, tasks in by_label.items())
        raise ConfigError(f"the methods have no task in common, so their scores cannot be compared ({what})")
    return [task for task in dict.fromkeys(entry.task for entry in entries) if task in common]


def _measure(entries: Sequence[Entry], tasks: Sequence[str]) -> tuple[str, str]:
    """What is compared, in words and as the key of an evaluation."""
    key = entries[0].measure
    if key != "return_mean":
        return f"error on {'held-out' if key.startswith('validation') else 'training'} episodes", key
    if len(tasks) == 1:
        return "return", key
    for words, normalised in (("share of the demonstrations' return", "expert_fraction"), ("D4RL score", "d4rl")):
        lines = [line for entry in entries for line in entry.at("last").values()]
        if all(line.get(normalised) is not None for line in lines):
            return words, normalised
    raise ConfigError(f"returns of {', '.join(tasks)} have no common scale: compare the runs of one task at a time")


def _successes(entries: Sequence[Entry], which: Which, success: float | int | None) -> dict[str, tuple[int, int]]:
    """Successful and all episodes of each method; nothing where success is not defined."""
    returns: dict[str, list[float]] = {}
    for entry in entries:
        with as_written(entry.run.folder / METRICS):
            for line in entry.at(which).values():
                returns.setdefault(entry.label, []).extend(number(x) for x in line.get("returns") or [])
    if success is None:
        if not all(x in (0, 1) for values in returns.values() for x in values):
            return {}
        success = 1.0
    if not isinstance(success, int | float) or np.isnan(success):
        raise ConfigError(f"success must be a return from which an episode counts as one, got {success!r}")
    return {label: (int((np.array(x) >= success).sum()), len(x)) for label, x in returns.items() if x}


def _method(
    label: str,
    cells: Mapping[str, dict[int, float]],
    tasks: Sequence[str],
    counted: Mapping[str, tuple[int, int]],
    entries: Sequence[Entry],
) -> Method:
    own = [entry for entry in entries if entry.label == label]
    lines: list[dict[str, Any]] = [line for entry in own for line in entry.at("last").values()]
    rate = estimates.wilson(*counted[label]) if label in counted else None
    return Method(
        label,
        {task: dict(sorted(cells[task].items())) for task in tasks},
        estimates.iqm(_strata(cells, tasks)),
        rate,
        sum(len(line.get("returns") or []) for line in lines),
        [from_here(entry.run.folder) for entry in own],
    )


def _strata(cells: Mapping[str, Mapping[int, float]], tasks: Sequence[str], sign: int = 1) -> list[np.ndarray]:
    return [sign * np.array(list(cells[task].values()), np.float64) for task in tasks]


def _pairs(methods: Sequence[Method], tasks: Sequence[str], sign: int) -> list[Pair]:
    """Every pair, with p corrected for their number."""
    both = list(combinations(methods, 2))
    strata = {m.label: _strata(m.seeds, tasks, sign) for m in methods}
    ps = [estimates.permutation_p(strata[a.label], strata[b.label]) for a, b in both]
    pairs = []
    for (a, b), p in zip(both, estimates.holm(ps), strict=True):
        x, y = strata[a.label], strata[b.label]
        paired, shared = _paired(a, b, sign)
        gap, chance = estimates.difference(x, y), estimates.improvement(x, y)
        better = gap.value > 0 and gap.excludes_zero and p < SIGNIFICANT
        least = min(1.0, estimates.smallest_p(x, y) * len(both))
        pairs.append(Pair(a.label, b.label, gap, paired, shared, chance, p, least, better))
    return pairs


def _paired(a: Method, b: Method, sign: int) -> tuple[Estimate | None, int]:
    """Mean difference of the seeds that both have, which saw the same data and evaluation episodes."""
    found = []
    for task, scores in a.seeds.items():
        same = [seed for seed in scores if seed in b.seeds[task]]
        if same:
            found.append(sign * np.array([scores[seed] - b.seeds[task][seed] for seed in same]))
    return (estimates.mean(found) if found else None), sum(map(len, found))
