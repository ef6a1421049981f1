"""The table of `judging.jsonl`: what learned rewards know of the true one."""

from collections.abc import Sequence

from bench.experiments.sections import Line
from bench.experiments.sections.markdown import short_commit, span, table

COMMAND = "python -m bench.experiments.judging"
MEASURES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "starc": "STARC distance",
    "kendall": "Kendall's tau",
    "kendall_mixed": "tau, medium-replay",
}


def judging_section(lines: Sequence[Line]) -> str:
    """A row for each run, with intervals, and how it was measured; later lines of a run replace earlier ones."""
    if not lines:
        return f"Not measured yet:\n`{COMMAND}`."
    by_key = {(x["algorithm"], x["preset"], x["env"], x["steps"], x["episodes"], x["seed"]): x for x in lines}
    rows = []
    for _, line in sorted(by_key.items()):
        name = f"`{line['algorithm']}`" + f" {line['preset']}".removesuffix(" default").rstrip()
        own = "-" if line["expert_fraction"] is None else f"{line['expert_fraction']:.2f}"
        about = [name, line["env"], str(line["episodes"]), f"{line['steps']:,}", str(line["seed"]), own]
        rows.append(about + [estimate(line[measure]) for measure in MEASURES])
    header = ["reward of", "task", "demonstrations", "steps", "seed", "own policy", *MEASURES.values()]
    commits = dict.fromkeys(short_commit(line["run_commit"]) for line in by_key.values())
    fresh = span([float(line["fresh_episodes"]) for line in by_key.values()], 0)
    note = (
        f"Over demonstrations, replay, {fresh} fresh episodes of the policy and as many of random actions, and "
        "medium-replay\ndata, which the last column has alone: value, and 95 % bootstrap interval over episodes. "
        f"`own policy`: its last return,\nas a share of the demonstrations' (commit {', '.join(commits)})."
    )
    return table(header, rows, left=2) + "\n\n" + note


def estimate(values: Sequence[float]) -> str:
    """A value with its interval."""
    value, low, high = (f"{round(float(x), 2) + 0.0:.2f}" for x in values)  # no -0
    return f"{value} [{low}, {high}]"
