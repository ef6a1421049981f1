"""What a report says, gathered from runs."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from imitax import comparison
from imitax.comparison import Comparison, Entry
from imitax.comparison.methods import number
from imitax.comparison.tables import formatter, p_value, share, written
from imitax.datasets.doctor.report import Finding
from imitax.errors import ConfigError, ImitaxError
from imitax.figures.words import words
from imitax.files import from_here
from imitax.record import METRICS
from imitax.record.scores import format_return
from imitax.report import charts, data, reward, videos
from imitax.report.charts import Figure
from imitax.report.diagnose import diagnose, headline
from imitax.report.differences import differing, settings
from imitax.report.sentences import counted, duration, what_was_run
from imitax.report.series import About
from imitax.run_config import as_written
from imitax.statistics import iqm


@dataclass(frozen=True)
class RunPart:
    """One run of the page."""

    label: str
    folder: str
    sentence: str
    findings: list[Finding]
    headline: str
    training: list[Figure]
    constant: dict[str, str]
    settings: dict[str, str]
    data: list[data.Looked]
    reward: reward.RewardPart | None
    video: videos.Video | None
    unit: str
    seeds: int

    @property
    def worst(self) -> str:
        """The worst verdict."""
        return self.findings[0].verdict if self.findings else "unknown"


@dataclass(frozen=True)
class Content:
    """Everything that the template needs."""

    title: str
    version: str
    runs: list[RunPart]
    cards: list[tuple[str, str, str]]
    """Label, value, and what it means."""
    curves: list[Figure]
    scores: list[list[tuple[str, float | None]]]
    """Cells of the table of scores: text, and what it is sorted by."""
    score_heads: list[str]
    compared: Comparison | None
    pairs: list[list[tuple[str, float | None]]]
    score_figure: Figure | None
    why_not: str
    """Why there is no comparison."""
    differences: dict[str, list[str]]
    labels: list[str] = field(default_factory=list)
    """Of the runs, in the columns of the differences."""


def gather(
    runs: Any, *, success: float | int | None, examine: bool, trusted: bool, dims: Sequence[int] | None, version: str
) -> Content:
    """The content of a report.

    Args:
        runs, success: as of `imitax.report.write`.
        examine, trusted, dims: its `examine`, `trust_env` and `reward_dims`.
        version: of the library.
    """
    entries = comparison.gather(runs)
    parts = [_run(entry, examine, trusted, dims) for entry in entries]
    try:
        labelled: dict[str, list[Any]] = {}
        for entry in entries:
            labelled.setdefault(entry.label, []).append(entry.run)
        compared, why = comparison.compare(labelled, success=success), ""
    except ConfigError as e:
        compared, why = None, str(e)
    tasks = list(dict.fromkeys(entry.task for entry in entries))
    methods = list(dict.fromkeys(entry.label for entry in entries))
    heads, rows = _scores(entries)
    columns = [
        p.label if methods.count(p.label) == 1 and [q.label for q in parts].count(p.label) == 1 else p.folder
        for p in parts
    ]
    return Content(
        title=f"{', '.join(methods[:4])}{' …' if len(methods) > 4 else ''} on {', '.join(tasks)}",
        version=version,
        runs=parts,
        cards=_cards(entries, parts, compared),
        curves=charts.curves(entries),
        scores=rows,
        score_heads=heads,
        compared=compared if compared and len(compared.methods) > 1 else None,
        pairs=_pairs(compared) if compared else [],
        score_figure=charts.scores(compared, [entry.label for entry in entries]) if compared else None,
        why_not=why,
        differences=differing([part.settings for part in parts]) if len(parts) > 1 else {},
        labels=columns,
    )


def _run(entry: Entry, examine: bool, trusted: bool, dims: Sequence[int] | None) -> RunPart:
    run = entry.run
    with as_written(run.folder / METRICS):
        figures, constant = charts.training(entry.lines, entry.unit)
        findings = diagnose({seed: run.metrics(seed) for seed in run.seeds}, _about(entry))
    with as_written(run.folder / "config.json"):
        sentence, given = what_was_run(run.config, entry.unit), settings(run.config)
        looked = data.look(run, trusted) if examine else []
    if not (run.folder / "summary.json").exists():
        sentence += " The run has not finished."
    return RunPart(
        entry.label,
        from_here(run.folder),
        sentence,
        findings,
        headline(findings),
        figures,
        {words(name).name: f"{value:.4g}" for name, value in constant.items()},
        given,
        looked,
        reward.look(run, dims, examine, trusted),
        videos.find(run.folder),
        entry.unit,
        len(run.seeds),
    )


def _about(entry: Entry) -> About:
    """Facts about actions, from the policy's file where it is there already."""
    online = entry.unit == "environment steps"
    with suppress(ImitaxError):
        spec = entry.run.load_policy().actor.spec
        if spec.is_finite:
            sizes = np.asarray(spec.finite.sizes, np.float64)
            return About(len(sizes), float(np.log(sizes).sum()), True, online)
        half = np.asarray(spec.half, np.float64)
        return About(len(half), float(np.log(2 * half).sum()), False, online)
    return About(online=online)


def _cards(
    entries: Sequence[Entry], parts: Sequence[RunPart], compared: Comparison | None
) -> list[tuple[str, str, str]]:
    """What a reader wants to know first."""
    cards = []
    if compared is not None:
        best, form = compared.methods[0], formatter(compared)
        interval = (
            "" if np.isnan(best.score.low) else f"95 % interval {form(best.score.low)} to {form(best.score.high)}"
        )
        name = f"{compared.measure}, IQM" if len(compared.methods) == 1 else f"best {compared.measure}: {best.label}"
        cards.append((name, form(best.score.value), interval or "too few seeds for an interval"))
        fractions = [e.scores("last", "expert_fraction") for e in entries if e.label == best.label]
        known = [value for by_seed in fractions for value in by_seed.values() if np.isfinite(value)]
        if known and not compared.measure.startswith("share"):
            cards.append(("of the demonstrations", f"{round(100 * iqm(known))} %", "of their mean return"))
        if len(compared.methods) > 1:
            cards.append(("winner", compared.winner or "none", "by the rule below"))
    seeds = sum(part.seeds for part in parts)
    cards.append(("trained", counted(seeds, "policy", "policies"), counted(len(parts), "run")))
    seconds = sum(max((line.get("wall_s") or 0.0 for line in entry.lines), default=0.0) for entry in entries)
    cards.append(("training time", duration(seconds), "all runs together"))
    bad = sum(finding.verdict == "problem" for part in parts for finding in part.findings)
    look = sum(finding.verdict == "look" for part in parts for finding in part.findings)
    cards.append(
        ("diagnosis", counted(bad, "problem") if bad else "0 problems", f"{look} more worth a look" if look else "")
    )
    return cards


def _scores(entries: Sequence[Entry]) -> tuple[list[str], list[list[tuple[str, float | None]]]]:
    """One row for each seed."""
    if entries[0].has_env:
        columns = {"return_mean": "return", "expert_fraction": "of demonstrations", "d4rl": "D4RL"}
    else:
        columns = {entries[0].measure: "error"}
    rows, several = [], len({entry.task for entry in entries}) > 1
    for entry in entries:
        with as_written(entry.run.folder / METRICS):
            last, best = entry.at("last"), entry.at("best")
            for seed in entry.run.seeds:
                cells: list[tuple[str, float | None]] = [(entry.label, None), (str(seed), float(seed))]
                if several:
                    cells.insert(1, (entry.task, None))
                cells += [_cell(key, number(last[seed].get(key))) for key in columns]
                cells.append(_cell(entry.measure, number(best[seed].get(entry.measure))))
                step = int(best[seed]["step"])
                rows.append([*cells, (f"{step:,}", float(step))])
    return ["method", *(["task"] if several else []), "seed", *columns.values(), "best", "at step"], rows


def _cell(key: str, value: float) -> tuple[str, float | None]:
    if not np.isfinite(value):
        return "-", float("nan")
    if key in ("return_mean", "d4rl"):
        return (format_return(value) if key == "return_mean" else f"{value:.1f}"), value
    return f"{100 * value:.1f} %", value


def _pairs(compared: Comparison) -> list[list[tuple[str, float | None]]]:
    form = formatter(compared)
    return [
        [
            (f"{pair.a} - {pair.b}", None),
            (written(pair.difference, form), pair.difference.value),
            (
                written(pair.paired, form) + (f" ({pair.shared_seeds})" if pair.paired else ""),
                None if pair.paired is None else pair.paired.value,
            ),
            (written(pair.improvement, share), pair.improvement.value),
            (p_value(pair.p), pair.p),
            ("yes" if pair.better else "not shown", float(pair.better)),
        ]
        for pair in compared.pairs
    ]


def summary_rows(facts: Mapping[str, Any]) -> dict[str, str]:
    """Numbers about a dataset, by their names in words."""
    names = {
        "return_mean": "mean return",
        "return_sd": "standard deviation of returns",
        "length_mean": "mean length",
        "terminated_share": "share that the task ended",
        "obs_dim": "observation dimensions",
        "action_dim": "action dimensions",
    }
    return {
        names.get(k, k): f"{v:,.4g}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else str(v)
        for k, v in facts.items()
    }
