"""The table of a finished run's scores."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imitax.record.scores import error_table, format_return


def print_scores(summary: dict[str, Any]) -> None:
    """Print the scores of the last and, where evaluations have scores, the best evaluation."""
    if summary["env"] is None:
        print_errors(summary)
        return
    title = f"{summary['algorithm']} {summary['env']}, {summary['eval_episodes']} episodes a seed"
    table = Table(title=escape(title))
    for column in ("evaluation", "return IQM", "95 % interval", "of demonstrations", "D4RL"):
        table.add_column(column, justify="left" if column == "evaluation" else "right")
    for which in ("last", "best"):
        score = summary[which]
        if score is None:
            continue
        low, high = score["interval"]
        interval = "" if low is None else f"{format_return(low)} to {format_return(high)}"
        fraction, d4rl = score["expert_fraction"], score["d4rl"]
        cells = ["" if fraction is None else f"{fraction:.3f}", "" if d4rl is None else f"{d4rl:.1f}"]
        iqm = "not finite" if score["iqm"] is None else format_return(score["iqm"])
        table.add_row(which, iqm, interval, *cells)
    Console().print(table)


def print_errors(summary: dict[str, Any]) -> None:
    """Print the errors of a run without an environment: of the last and the best evaluation, and parts of the last."""
    episodes = f"{summary['eval_episodes']} {summary['measured_on']}"
    title = escape(f"{summary['algorithm']} {summary['data']}, {episodes}")
    best = summary["best_steps"] and ", ".join(sorted({str(step) for step in summary["best_steps"].values()}))
    scores = {which: summary[which] for which in ("last", "best")}
    steps = {"last": str(summary["steps"]), "best": best or ""}
    Console().print(error_table(scores, title, steps, summary["error_of"]))


def print_selection(selection: Mapping[str, Any] | None) -> None:
    """Print which evaluation's policy each seed has selected, if the run has selected."""
    if selection is not None:
        steps = ", ".join(f"seed {seed} step {step:,}" for seed, step in selection["steps"].items())
        print(f"selected by {selection['rule']}: {steps}")
