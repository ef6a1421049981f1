"""What a comparison says in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imitax.comparison.estimates import FEWEST
from imitax.comparison.methods import Entry, Which

if TYPE_CHECKING:
    from imitax.comparison.of_runs import Method, Pair


def verdict(methods: Sequence[Method], pairs: Sequence[Pair], won: bool) -> str:
    """Who won, or why nobody has."""
    best = methods[0].label
    if len(methods) == 1:
        return f"There is one method, {best}: nothing to compare."
    if not np.isfinite(methods[0].score.value):
        return "No winner: no score is finite."
    against = [pair for pair in pairs if pair.a == best]
    others = "the other one" if len(against) == 1 else "every other one"
    if won:
        return f"{best} wins: it is better than {others} by the rule."
    open_ = [pair for pair in against if not pair.better]
    names = ", ".join(pair.b for pair in open_)
    few = [pair for pair in open_ if pair.smallest_p >= 0.05]
    if few:
        return (
            f"No winner: with so few seeds no result could tell {best} from {', '.join(pair.b for pair in few)} "
            f"(the smallest possible p is {_p(min(pair.smallest_p for pair in few))}). Train more seeds."
        )
    worst = max(open_, key=lambda pair: pair.p)
    return f"No winner: {best} has the best score, but is not told apart from {names} (p {_p(worst.p)})."


def notes(entries: Sequence[Entry], tasks: Sequence[str], which: Which, methods: Sequence[Method]) -> list[str]:
    """What makes a comparison weaker than it looks."""
    found = []
    if which == "best":
        found.append(
            "The best evaluations are compared. They were chosen on the episodes that score them, which flatters "
            "methods that vary."
        )
    for task in tasks:
        found += _unequal([entry for entry in entries if entry.task == task], task if len(tasks) > 1 else "")
    unfinished = [e.run.folder.name for e in entries if not (e.run.folder / "summary.json").exists()]
    if unfinished:
        found.append(f"Unfinished: {', '.join(unfinished)}.")
    counts = [len(seeds) for method in methods for seeds in method.seeds.values()]
    if min(counts) < FEWEST:
        found.append(f"Intervals need {FEWEST} seeds of every task.")
    elif min(counts) < 6:
        found.append("With three to five seeds bootstrap intervals are too narrow.")
    diverged = [m.label for m in methods if not all(np.isfinite(list(s.values())).all() for s in m.seeds.values())]
    if diverged:
        found.append(f"A score is not finite: {', '.join(diverged)}.")
    if any(method.success is not None for method in methods):
        found.append(
            "Success rates are those of the evaluated policies: Wilson's interval is over episodes, and does not "
            "contain how policies differ from seed to seed."
        )
    return found


def _unequal(entries: Sequence[Entry], task: str) -> list[str]:
    """Budgets, data and evaluations that differ between the methods of a task."""
    place, found = f" on {task}" if task else "", []
    ends = {e.label: max(int(line["step"]) for line in e.at("last").values()) for e in entries}
    if len(set(ends.values())) > 1:
        found.append(f"Budgets differ{place}: {', '.join(f'{k} {v:,}' for k, v in ends.items())} steps.")
    for name, what in (("data", "demonstrations"), ("offline_data", "offline data")):
        if len({str((e.run.config.get(name) or {}).get("hash")) for e in entries}) > 1:
            found.append(f"The methods did not learn from the same {what}{place}.")
    demonstrations: dict[str, set[int]] = {}
    for e in entries:
        demonstrations.setdefault(e.label, set()).update(_demonstrations(e))
    if len(set().union(*demonstrations.values())) > 1:
        told = ", ".join(f"{k} {' or '.join(map(str, sorted(v)))}" for k, v in demonstrations.items() if v)
        found.append(f"Numbers of demonstrations learned from differ{place}: {told}.")
    counts = {len(line.get("returns") or []) for e in entries for line in e.at("last").values()}
    if len(counts) > 1:
        found.append(f"Evaluations have different numbers of episodes{place}: {', '.join(map(str, sorted(counts)))}.")
    return found


def _demonstrations(entry: Entry) -> set[int]:
    """How many episodes each seed learned from; nothing where the run does not say."""
    data = entry.run.config.get("data")
    return {0} if data is None else {len(rows) for rows in (data.get("train_episodes") or {}).values()}


def _p(value: float) -> str:
    return "not finite" if np.isnan(value) else f"{value:.2g}" if value >= 0.001 else "below 0.001"
