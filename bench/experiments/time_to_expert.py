"""How long a default takes to reach the demonstrations: seconds until an evaluation is at 0.95 of their return.

    python -m bench.experiments.time_to_expert --out runs/time --results bench/results/time_to_expert.jsonl

One seed a task, ten bundled demonstrations, with all the cores that the process may use. Nothing else must run. Seconds
count from the start of training, with compilation and evaluations of twenty episodes, and without imports and checks.
A run ends with the evaluation that gets there, or after the task's steps. Finished runs are not trained again.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import imitax
from bench.experiments.few_runs import append_new, finished, options
from bench.experiments.table import ANT, FOUR
from imitax.training.loop import Event

SHARE = 0.95
"""Of the demonstrations' return."""


@dataclass(frozen=True)
class Task:
    """For how many steps a task is trained at most, and how often it is evaluated."""

    steps: int
    eval_every: int


TASKS = {
    "hopper": Task(40_000, 1_000),
    "halfcheetah": Task(100_000, 5_000),
    "walker2d": Task(100_000, 5_000),
    "ant": Task(100_000, 5_000),
}
METHODS = ("adversarial", "iq_learn", "ls_iq", "recoil_online")


def there(event: Event) -> bool:
    """Goes on while no evaluation is at the level."""
    return any(record["expert_fraction"] < SHARE for record in event.records.values())


def line(run: imitax.Run) -> dict[str, Any]:
    """What a finished run says; `seconds` is None where the level was not reached."""
    evaluations = [record for record in run.metrics(seed=run.seeds[0]) if record["kind"] == "eval"]
    last, config = evaluations[-1], run.config
    reached = last["expert_fraction"] >= SHARE
    return {
        "algorithm": config["algorithm"],
        "preset": config["preset"],
        "env": config["env"]["id"],
        "data": config["data"]["name"],
        "seed": run.seeds[0],
        "seconds": round(last["wall_s"], 1) if reached else None,
        "steps": last["step"],
        "expert_fraction": round(last["expert_fraction"], 3),
        "eval_episodes": len(last["returns"]),
        "cores": len(os.sched_getaffinity(0)),
        "commit": config["commit"],
    }


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Train what is missing, print and return the lines."""
    parser = options(__doc__, "runs/time", METHODS)
    parser.set_defaults(methods=["adversarial"])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    args, found = parser.parse_args(arguments), []
    results, args.results = args.results, None  # the runs end early: their own lines would be of another length
    for method in args.methods:
        for name in args.tasks:
            task, kwargs = TASKS[name], json.loads(ANT[1]) if name == "ant" else {}
            setting = {"env": FOUR[name], "env_kwargs": kwargs, "demos": f"{name}-expert", "episodes": args.episodes}
            setting |= {"eval_every": task.eval_every, "callbacks": there}
            run = finished(f"{method}-{name}", imitax.preset_config(method), args, task.steps, **setting)
            found.append(line(run))
            append_new(results, found[-1:])
            print(found[-1], flush=True)
    return found


if __name__ == "__main__":
    main()
