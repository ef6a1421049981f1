"""The table of evaluation scores that the terminal shows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from imitax.spaces import FiniteActions
from imitax.statistics import interval, iqm

DIMENSIONS = 20
"""Actions whose errors a table shows one by one."""


def score_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """A table of evaluation scores, with one row per seed and, for several seeds, the IQM with its 95 % interval.

    Each row holds `seed`, `returns`, `lengths` and, where known, `expert_fraction` and `d4rl`; rows are grouped by
    `label` ("last", "best") if they have one. ± is the standard deviation over a seed's episodes. The brackets hold the
    bootstrap interval across seeds, from three seeds on.
    """
    labels = list(dict.fromkeys(row.get("label") for row in rows))
    table = Table(title=title or None, title_justify="left", title_style="bold")
    if labels != [None]:
        table.add_column("policy")
    table.add_column("seed", justify="right")
    for column in ("return ± sd", "length", "of demonstrations", "D4RL"):
        table.add_column(column, justify="right")

    for label in labels:
        group = [row for row in rows if row.get("label") == label]
        first = [] if labels == [None] else [label or ""]
        for row in group:
            returns = np.asarray(row["returns"], np.float64)
            spread = f" ± {format_return(returns.std(ddof=1))}" if len(returns) > 1 else ""
            table.add_row(
                *first,
                str(row["seed"]),
                format_return(returns.mean()) + spread,
                f"{np.mean(row['lengths']):,.0f}",
                _cell([row.get("expert_fraction")], "{:.1%}".format),
                _cell([row.get("d4rl")], "{:.1f}".format),
            )
        if len(group) == 1:
            continue
        table.add_section()
        table.add_row(
            *first,
            "IQM",
            _cell([float(np.mean(row["returns"])) for row in group], format_return),
            "",
            _cell([row.get("expert_fraction") for row in group], "{:.1%}".format),
            _cell([row.get("d4rl") for row in group], "{:.1f}".format),
            style="bold",
            end_section=True,
        )
    return table


def format_return(value: float) -> str:
    """A return, with the digits that it needs: none after the point from 100 on, one from 1 on, three in all below."""
    if 0 < abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def format_error(value: float | None) -> str:
    """An error, a share of the action range, in percent with three digits."""
    return "not finite" if value is None or not np.isfinite(value) else f"{100 * value:.3g} %"


def error_table(
    scores: Mapping[str, Mapping[str, Any] | None], title: str, steps: Mapping[str, str], error_of: str
) -> Table:
    """A table of errors on recorded episodes, means over seeds: a row for each evaluation, then parts of the last.

    Args:
        scores: what `held_out.summarise_errors` returns, by the name of the evaluation; None is left out.
        title: of the table.
        steps: of the evaluations, where known.
        error_of: what errors are shares of, as `ActionSpace.error_of`: those of the actions have no unit.
    """
    table = Table(title=title, title_justify="left", title_style="bold")
    discrete = error_of == FiniteActions.error_of
    names = ("share of wrong actions",) if discrete else ("share of range", "action units")
    for column in ("", *names, "log-likelihood"):
        table.add_column(column, justify="right" if column else "left")

    def add(label: str, share: str, units: str = "", likelihood: str = "") -> None:
        table.add_row(label, share, *([] if discrete else [units]), likelihood)

    known = {name: score for name, score in scores.items() if score is not None}
    for name, score in known.items():
        label = name + (f" (step {steps[name]})" if steps.get(name) else "")
        units, likelihood = (_plain(score[measure]) for measure in ("action_error_mode", "log_likelihood"))
        add(label, format_error(score["error"]), units, likelihood)
    last = next(iter(known.values()), None)
    if last is None:
        return table
    table.add_section()
    by_dimension = last["action_error_by_dimension"]
    for i, error in enumerate(by_dimension[:DIMENSIONS]):
        add(f"action {i}", format_error(error) if discrete else "", _plain(error))
    if len(by_dimension) > DIMENSIONS:
        add(f"... {len(by_dimension) - DIMENSIONS} more in the files", "")
    table.add_section()
    parts = last["error_by_time"]
    for i, error in enumerate(parts):
        span = f"{100 * i // len(parts)} to {100 * (i + 1) // len(parts)} % of time"
        add(span, "-" if error is None or np.isnan(error) else format_error(error))
    return table


def choice_table(
    rule: str,
    chosen: Mapping[str, Mapping[int, int]],
    scores: Mapping[int, Sequence[Mapping[str, Any]]],
    title: str = "",
) -> Table:
    """A table of the evaluations among which policies are selected, with the scores of rules.

    Args:
        rule: that selects; the rows that it takes are bold.
        chosen: by the names of rules, the step that each takes of a seed, which is marked with an asterisk.
        scores: by seed, for each evaluation `step`, `return_mean` and what rules score.
        title: of the table.
    """
    table = Table(title=title or None, title_justify="left", title_style="bold")
    columns = [name for name in chosen if name not in ("last", "best")]
    for column in ("seed", "step", "return", *columns):
        table.add_column(column, justify="right")
    for seed, lines in scores.items():
        for line in lines:
            step = line["step"]

            def marked(text: str, name: str, at: tuple[int, int] = (seed, step)) -> str:
                return text + ("*" if chosen.get(name, {}).get(at[0]) == at[1] else "")

            value = line.get("return_mean")
            cells = [marked(f"{step:,}", "last"), marked("-" if value is None else format_return(value), "best")]
            cells += [marked(_score(line.get(name)), name) for name in columns]
            table.add_row(str(seed), *cells, style="bold" if chosen[rule][seed] == step else None)
        table.add_section()
    return table


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _plain(value: float | None) -> str:
    return "not finite" if value is None or not np.isfinite(value) else f"{value:.3g}"


def _cell(values: Sequence[float | None], form: Callable[[float], str]) -> str:
    """The IQM of the values, with its interval if there is one; a dash if a value is unknown."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "-"
    low, high = interval(known)
    return form(iqm(known)) + ("" if np.isnan(low) else f" [{form(low)}, {form(high)}]")
