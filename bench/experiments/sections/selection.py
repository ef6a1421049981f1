"""The table of `selection.jsonl`: how much of the best checkpoint's return each rule keeps."""

from collections.abc import Sequence

import numpy as np

from bench.experiments.sections import Line
from bench.experiments.sections.markdown import short_commit, span, table

COMMAND = "python -m bench.experiments.selection"
RULES = ("last", "validation", "validation_error", "learned_reward", "agreement")
"""Of `best`, the share is 1."""


def selection_section(lines: Sequence[Line]) -> str:
    """A row for each method and task, one over all, and how it was measured; later lines of a seed replace earlier."""
    if not lines:
        return f"Not measured yet:\n`{COMMAND}`."
    by_key = {(x["algorithm"], x["preset"], x["env"], x["steps"], x["seed"], x["rule"]): x for x in lines}
    cells: dict[tuple[str, ...], list[Line]] = {}
    for line in by_key.values():
        cells.setdefault((line["algorithm"], line["preset"], line["env"], f"{line['steps']:,}"), []).append(line)
    rows = []
    for (algorithm, preset, env, steps), group in sorted(cells.items()):
        seeds = len({line["seed"] for line in group})
        best = span([line["return_mean"] for line in group if line["rule"] == "best"], 0)
        name = f"`{algorithm}`" + f" {preset}".removesuffix(" default").rstrip()
        rows.append([name, env, steps, str(seeds), best, *(share(group, rule) for rule in RULES)])
    everything = list(by_key.values())
    rows.append(["all", "", "", "", "", *(share(everything, rule) for rule in RULES)])
    header = ["algorithm", "task", "steps", "seeds", "return of `best`", *(f"`{rule}`" for rule in RULES)]
    return table(header, rows, left=2) + "\n\n" + _note(everything)


def share(lines: Sequence[Line], rule: str) -> str:
    """Mean share over runs, lowest and highest, and their number; a dash where the rule cannot be used."""
    values = [line["share"] for line in lines if line["rule"] == rule and line["share"] is not None]
    if not values:
        return "-"
    mean, low, high = (f"{round(float(x), 2) + 0.0:.2f}" for x in (np.mean(values), min(values), max(values)))
    return mean + (f" [{low}, {high}]" if len(values) > 1 else "") + f" ({len(values)})"


def _note(lines: Sequence[Line]) -> str:
    commits = dict.fromkeys(short_commit(line["commit"]) for line in lines)
    counts = {
        name: span([float(line[name]) for line in lines], 0) for name in ("evaluations", "rollouts", "fresh_episodes")
    }
    return (
        "Share of the return of the checkpoint that evaluations in training found best, both measured on "
        f"{counts['fresh_episodes']} fresh\nepisodes: mean over runs [lowest, highest] (number). It can exceed 1, as "
        f"evaluations are noisy. Rules chose among\n{counts['evaluations']} evaluations, with {counts['rollouts']} "
        f"episodes of each policy where they roll policies out (commit {', '.join(commits)})."
    )
