"""The table of `mountain_car.jsonl`: what the tabular methods learn on MountainCar."""

import json
from collections.abc import Sequence
from typing import Any

from bench.experiments.mountain_car.learning import GOALS, TITLES
from bench.experiments.sections import Line
from bench.experiments.sections.markdown import short_commit, span, table

MAKE_MOUNTAIN_CAR = "make mountain-car"
MEASUREMENTS = {
    "gym_return_mean": ("return in Gymnasium", 0),
    "gym_reached_flag": ("reached the flag in Gymnasium", 2),
    "grid_reached_goal": ("reached the goal on the grid", 2),
    "grid_reached_goal_from_suboptimal_states": ("the same, from suboptimal data off the demonstrations", 2),
    "v_on_std": ("standard deviation of V on the demonstrations", 2),
    "v_off_std": ("standard deviation of V off the demonstrations", 2),
    "v_suboptimal_std": ("the same, in suboptimal data", 2),
    "rank_along_demonstrations": ("rank correlation of V and time along demonstrations", 2),
    "rank_against_optimal_on_suboptimal_states": ("rank correlation with optimal V in suboptimal data", 2),
}
"""Labels and decimals of the measurements that are shown."""


def mountain_car_section(lines: Sequence[Line]) -> str:
    """A table for each setting, with the lowest and highest value over seeds; a seed's later line replaces earlier."""
    if not lines:
        return f"Not measured yet:\n`{MAKE_MOUNTAIN_CAR}`."
    groups: dict[str, dict[int, Line]] = {}
    for line in lines:
        setting = {name: value for name, value in line["settings"].items() if name != "seed"}
        groups.setdefault(json.dumps(setting, sort_keys=True), {})[line["settings"]["seed"]] = line
    return "\n\n".join(_setting_section(dict(sorted(groups[setting].items()))) for setting in sorted(groups))


def _setting_section(by_seed: dict[int, Line]) -> str:
    group = list(by_seed.values())
    rows = [
        [label.removeprefix("goal "), shown, *(span([line[goal][m][key] for line in group], n) for m in TITLES)]
        for goal, label in GOALS.items()
        for key, (shown, n) in MEASUREMENTS.items()
    ]
    return table(["goal", "", *TITLES.values()], rows, left=2) + "\n\n" + _note(group, list(by_seed))


def _note(group: Sequence[Line], seeds: Sequence[int]) -> str:
    s: dict[str, Any] = group[0]["settings"]
    greedy = [line["greedy_optimal"] for line in group]
    commits = dict.fromkeys(short_commit(line["commit"]) for line in group)
    return (
        f"{s['bins']} cells along positions, {s['demos']} demonstrations, {s['suboptimal']:,} suboptimal episodes, "
        f"{s['episodes']} episodes in\nGymnasium. Lowest to highest of seeds {', '.join(map(str, seeds))} "
        f"(commit {', '.join(commits)}). The optimal policy without entropy\nreturns "
        f"{span([x['gym_return_mean'] for x in greedy], 0)} in Gymnasium and reaches the flag in a share of "
        f"{span([x['gym_reached_flag'] for x in greedy], 2)} of the episodes."
    )
