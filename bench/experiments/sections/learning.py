"""The table of `learning.jsonl`: the scores of finished training runs."""

import json
from collections.abc import Sequence
from typing import Any

from bench.experiments.sections import Line
from bench.experiments.sections.markdown import number, score, short_commit, table
from imitax.statistics import d4rl_score

TRAIN = "imitax train ALGORITHM … --results bench/results/learning.jsonl"
NOTE = """\
IQM across seeds, with its 95 % bootstrap interval in brackets from three seeds on; with three to five seeds it is too
narrow. `last` is the evaluation after the last step, `best` the evaluation with the highest mean return, chosen in
hindsight. `of demonstrations` divides by the mean return of all episodes in the demonstration source. D4RL: 0 is its
random policy, 100 its expert. If a seed was run more than once, the last run counts. Sets named `TASK-expert`, without
`imitax/` in front, are demonstrations of other experts, which are not in the repository."""
SMALL = 2
"""Returns below are shown with decimals: those of tasks that pay 1 for a success."""
DEFAULTS_NOTE = """\
These are the results of our own presets. The pages of the algorithms have those of other presets and of ablations."""


def is_default(line: Line) -> bool:
    """Whether README shows a result: our presets without changes, and random actions as a lower bound."""
    return line["algorithm"] == "random" or (line["preset"] in ("default", "offline") and not line["variant"])


def learning_section(lines: Sequence[Line]) -> str:
    """Two rows, last and best, for each setting."""
    if not lines:
        return f"No result yet. A training run started with `--results` adds its seeds:\n`{TRAIN}`."
    groups: dict[tuple, dict[int, Line]] = {}
    for line in lines:
        groups.setdefault(_setting(line), {})[line["seed"]] = line
    header = "algorithm|environment|demonstrations|length|seeds x episodes|policy|return|of demonstrations|D4RL|commit"
    rows = []
    for setting in sorted(groups, key=lambda setting: tuple(_sortable(part) for part in setting)):
        group = [line for _, line in sorted(groups[setting].items())]
        about = _describe(group[0])
        seeds = f"{len(group)} x {group[0]['eval_episodes']}"
        commits = ", ".join(dict.fromkeys(short_commit(line["commit"]) for line in group))
        for policy, prefix in (("last", ""), ("best", "best_")):
            returns = [line[f"{prefix}return_mean"] for line in group]
            scores = [d4rl_score(line["env"], number(line[f"{prefix}return_mean"])) for line in group]
            fractions = [line[f"{prefix}expert_fraction"] for line in group]
            form = "{:,.2f}" if all(abs(number(x)) < SMALL for x in returns) else "{:,.0f}"
            cells = [score(returns, form, "not finite"), score(fractions, "{:.3f}"), score(scores, "{:.1f}")]
            rows.append([*about, seeds, policy, *cells, commits])
    return table(header.split("|"), rows, left=6) + "\n\n" + NOTE


def _setting(line: Line) -> tuple:
    """What must be equal for lines to be seeds of one experiment."""
    names = ("algorithm", "preset", "variant", "env", "data", "episodes", "steps", "regime", "data_hash")
    environment = json.dumps(line["env_kwargs"], sort_keys=True)
    return (*(line[name] for name in names), line["offline_data"], environment, line["eval_episodes"])


def _sortable(part: Any) -> tuple[bool, Any]:
    """Sorts None first and numbers by size, in tuples whose parts may differ in type."""
    return (part is not None, part if isinstance(part, (int, float)) else str(part))


def _describe(line: Line) -> list[str]:
    """The cells of algorithm, environment, demonstrations and length."""
    algorithm = " ".join(filter(None, (line["algorithm"], line["preset"], line["variant"])))
    environment = line["env"] + (f" `{json.dumps(line['env_kwargs'], sort_keys=True)}`" if line["env_kwargs"] else "")
    data = f"{line['episodes']} of {line['data']} ({line['data_hash'][:8]})" if line["data"] else "-"
    if line["offline_data"]:
        data += f", offline {line['offline_data']}"
    return [algorithm, environment, data, f"{line['steps']:,} {'steps' if line['regime'] == 'online' else 'updates'}"]
