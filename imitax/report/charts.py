"""The charts of a report: learning curves, scores with their intervals, training metrics, returns of the data."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from imitax.comparison import Comparison, Entry
from imitax.comparison.tables import formatter, written
from imitax.figures.curves import align, seed_curves
from imitax.figures.metrics import training_metrics
from imitax.figures.words import panels, within
from imitax.report.svg import Chart, colour, limits
from imitax.statistics import interval, iqm

SHARES = {"accuracy", "saturation", "episode_terminated", "rollout_terminated", "weight_clipped"}
"""Metrics between 0 and 1."""

WIDE, NARROW = (760, 340), (340, 260)
"""Sizes of a chart on a screen and on a telephone, whose text would else be too small."""


class Legend(NamedTuple):
    """An entry of a legend."""

    kind: str
    """Class of its colour."""
    text: str


class Figure(NamedTuple):
    """A chart with its title and its legend."""

    title: str
    chart: Markup
    legend: list[Legend]
    caption: str = ""


def curves(entries: Sequence[Entry]) -> list[Figure]:
    """One figure of learning curves for each task."""
    found = []
    for task in dict.fromkeys(entry.task for entry in entries):
        units = {entry.unit for entry in entries if entry.task == task}
        unit = units.pop() if len(units) == 1 else "steps"
        own = [entry for entry in entries if entry.task == task]
        labels = list(dict.fromkeys(entry.label for entry in entries))
        measure = "returns" if own[0].has_env else own[0].measure
        lines: dict[str, list[Any]] = {}
        for entry in own:
            lines.setdefault(entry.label, []).extend(entry.lines)
        seeds = {label: seed_curves(records, measure) for label, records in lines.items()}
        expert = next((e.run.config.get("expert_return") for e in own), None) if own[0].has_env else None
        drawn = _Curves(seeds, labels, expert, unit, f"learning curves on {task}")
        charts = _curve(drawn, WIDE, "wide") + _curve(drawn, NARROW, "narrow")
        legend = [Legend(colour(labels.index(x)), f"{x}, {_seeds(len(s))}") for x, s in seeds.items() if s]
        what = "Return" if own[0].has_env else "Error on recorded actions (share)"
        found.append(Figure(task, charts, legend, f"{what} by {unit}. {_statistic(seeds)}"))
    return found


class _Curves(NamedTuple):
    """The learning curves of one task."""

    seeds: Mapping[str, Mapping[int, Any]]
    """Steps and values by method and seed."""
    labels: Sequence[str]
    """Of all methods of the page, which have the same colour everywhere."""
    expert: float | None
    unit: str
    title: str


def _curve(drawn: _Curves, size: tuple[int, int], kind: str) -> Markup:
    seeds, labels, expert, unit, title = drawn
    values = [y for by_seed in seeds.values() for _, ys in by_seed.values() for y in ys]
    last = max((x[-1] for by_seed in seeds.values() for x, _ in by_seed.values()), default=1.0)
    known = [] if expert is None else [expert]
    chart = Chart((0.0, last), limits([*values, *known], zero=True), *size).axes(unit, (6 if kind == "wide" else 4, 5))
    if expert is not None:
        drawn_values = [y for by_seed in seeds.values() for _, y in by_seed.values()]
        chart.level(expert, "demonstrations", left=begin_farther(drawn_values, expert))
    for label, by_seed in seeds.items():
        if not by_seed:
            continue
        shade = colour(labels.index(label))
        steps, scores = align(by_seed)
        if len(by_seed) >= 3 and len(steps):
            low, high = np.array([interval(row) for row in scores]).T
            chart.band(steps, low, high, shade)
        if len(by_seed) > 1 and len(seeds) <= 3:
            for seed, (x, y) in by_seed.items():
                chart.line(x, y, f"{shade} thin", f"{label}, seed {seed}")
        centre = [iqm(row) for row in scores]
        chart.line(steps, centre, shade, label)
        for x, y in zip(steps, centre, strict=True) if len(steps) <= 60 else ():
            chart.dot(x, y, shade, f"{label}, step {x:,.0f}: {y:,.4g}", 2.4)
    return chart.svg(title, kind)


def begin_farther(curves: Sequence[Any], level: float) -> bool:
    """Whether all curves begin farther from a level than they end, so that there is room for its name at the left."""
    first, last = (min((abs(y[i] - level) for y in curves if len(y)), default=0.0) for i in (0, -1))
    return bool(first > last)


def _statistic(seeds: Mapping[str, Mapping[int, Any]]) -> str:
    counts = [len(by_seed) for by_seed in seeds.values() if by_seed]
    if max(counts, default=0) < 2:
        return "One seed."
    if max(counts) < 3:
        return "Mean over seeds; thin lines are single seeds."
    return "Interquartile mean over seeds; bands are 95 % bootstrap intervals, from three seeds on."


def scores(found: Comparison, labels: Sequence[str]) -> Figure:
    """Each method's score with its interval, and its seeds as dots. `labels` are those of all methods of the page, in
    the order of their colours."""
    form, methods, labels = formatter(found), found.methods, list(dict.fromkeys(labels))
    values = [v for m in methods for s in m.seeds.values() for v in s.values()]
    values += [v for m in methods for v in (m.score.low, m.score.high)]
    charts = []
    for width, kind in ((760, "wide"), (340, "narrow")):
        height = 34 * len(methods) + 40
        left = min(24 + 6.6 * max(len(method.label) for method in methods), width * 0.34)
        chart = Chart(limits(values), (0, len(methods)), width, height, left, 24, 6, 34)
        chart.axes("", (5 if kind == "wide" else 3, 0))
        for i, method in enumerate(methods):
            y, shade = len(methods) - i - 0.5, colour(labels.index(method.label))
            told = f"{method.label}: {written(method.score, form)}"
            most = int((left - 12) / 6.4)
            name = method.label if len(method.label) <= most else method.label[: most - 1] + "…"
            chart.text(left - 10, chart.py(y) + 4, name, "label", "end")
            for task, by_seed in method.seeds.items():
                for seed, value in by_seed.items():
                    chart.dot(value, y, f"{shade} thin", f"{method.label}, {task}, seed {seed}: {form(value)}", 3)
            if np.isfinite(method.score.low):
                chart.line([method.score.low, method.score.high], [y, y], f"{shade} bar", told)
            chart.dot(method.score.value, y, shade, told, 5)
        charts.append(chart.svg("scores with intervals", kind))
    caption = f"{found.measure.capitalize()}: IQM over seeds (large), 95 % interval, single seeds (small)."
    return Figure("", Markup("").join(charts), [], caption)


def training(lines: Sequence[Mapping[str, Any]], unit: str) -> tuple[list[Figure], dict[str, float]]:
    """A small chart for each group of training metrics of a run, and the metrics that never change."""
    names, constant = training_metrics(lines)
    last = max((line["step"] for line in lines), default=1)
    found = []
    for title, members in panels(names).items():
        tables = [_table(lines, name) for name in members]
        values = np.concatenate([table.ravel() for _, table in tables])
        chart = Chart((0.0, last), _bounded(values, members), 320, 180, 52, 10, 8, 24).axes("", (4, 4))
        for i, (name, (steps, table)) in enumerate(zip(members, tables, strict=True)):
            for column in table.T if table.shape[1] > 1 else ():
                chart.line(steps, column, f"{colour(i)} thin")
            chart.line(steps, table.mean(1), colour(i), within(name, title))
        legend = [Legend(colour(i), within(name, title)) for i, name in enumerate(members)] if len(members) > 1 else []
        found.append(Figure(title, chart.svg(f"{title} by {unit}"), legend))
    return found, constant


def _bounded(values: np.ndarray, members: Sequence[str]) -> tuple[float, float]:
    """Limits of a small chart; those of shares do not pass 0 and 1."""
    low, high = limits(values)
    return (max(low, 0.0), min(high, 1.0)) if set(members) <= SHARES else (low, high)


def _table(lines: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], np.ndarray]:
    """Steps and values [T S] of a metric; NaN where a seed has none."""
    values: dict[int, dict[int, float]] = {}
    for line in lines:
        if name in line:
            values.setdefault(line["step"], {})[line["seed"]] = np.nan if line[name] is None else line[name]
    steps, seeds = sorted(values), sorted({seed for by_seed in values.values() for seed in by_seed})
    return steps, np.array([[values[step].get(seed, np.nan) for seed in seeds] for step in steps], np.float64)


def returns(values: np.ndarray) -> Figure:
    """Returns of recorded episodes, a dot each, in the order of recording."""
    chart = Chart((0.0, float(max(len(values) - 1, 1))), limits(values), 340, 150, 56, 12, 8, 34).axes(
        "episode", (4, 3)
    )
    for i, value in enumerate(values.tolist()[:2000]):
        chart.dot(i, value, "c0", f"episode {i}: {value:,.4g}", 2.6)
    return Figure("Returns of the demonstrations", chart.svg("returns of recorded episodes"), [])


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
