"""What learned rewards know of the true one: every method that learns a reward, judged alike.

    python -m bench.experiments.judging                      # train a run a method on Hopper, and judge their rewards
    python -m bench.experiments.judging --runs runs/a runs/b # judge finished runs, of any task of the table
    python -m bench.experiments.judging --list               # list runs that are yet to be trained

Rewards are judged as `imitax reward evaluate RUN --data MEDIUM-REPLAY` does it: on the run's demonstrations, its
replay, fresh episodes of its policy and of random actions, and on the task's recorded data of mixed quality. Runs are
trained through the queue: ten demonstrations, 40,000 steps or updates, one seed. Runs that the file has lines of are
not judged again.
"""

import argparse
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from bench.experiments.offline import medium_replay
from bench.experiments.queue import (
    Row,
    folder_of,
    measure_new,
    options,
    order,
    report_unfinished,
    reported,
    work_in_groups,
)
from bench.experiments.table import THREE, cell, demonstrated, model_from
from imitax.datasets import load
from imitax.errors import ConfigError
from imitax.rewards import evaluate_reward
from imitax.run import Run
from imitax.training.provenance import commit

RESULTS = Path("bench/results/judging.jsonl")
ONLINE = ("adversarial", "adversarial/airl", "adversarial/dac", "f_irl", "ml_irl")
OFFLINE = ("omlirl", "rmirl")
"""The first fits the model for both."""
STEPS, EPISODES = 40_000, 10
MEASURES = ("pearson", "spearman", "starc", "kendall")


def rows() -> list[Row]:
    """The runs."""
    made = [cell(method, "hopper", STEPS, *demonstrated("hopper", EPISODES), seeds=1) for method in ONLINE]
    recorded = demonstrated("hopper", EPISODES, offline=True)
    model = {"omlirl": (), "rmirl": model_from("omlirl", "hopper")}
    return made + [cell(method, "hopper", STEPS, *recorded, *model[method], seeds=1) for method in OFFLINE]


def judged(folder: Path, episodes: int) -> list[dict[str, Any]]:
    """A line for each seed of a run.

    Args:
        folder: of the run.
        episodes: fresh ones of its policy, and of random actions.

    Raises ConfigError if its task has no recorded data of mixed quality here.
    """
    run, found = Run(folder, trust_env=True), []
    config, data = run.config, run.config["data"]
    tasks = [task for task, env in THREE.items() if env == config["env"]["id"]]
    if not tasks:
        raise ConfigError(f"{folder} is a run of {config['env']['id']}, which has no medium-replay data here")
    mixed = load(medium_replay(tasks[0]))
    returns = {x["seed"]: x for x in run.summary["last"]["per_seed"]}
    for seed in run.seeds:
        result = evaluate_reward(run, [mixed], episodes=episodes, seed=seed)
        about = {"algorithm": config["algorithm"], "preset": config["preset"], "env": config["env"]["id"]}
        about |= {"data": data["name"], "data_hash": data["hash"]}
        about |= {"episodes": len(data["train_episodes"][str(seed)]), "steps": run.summary["steps"], "seed": seed}
        about |= {"expert_fraction": returns[seed]["expert_fraction"], "run_commit": config["commit"]}
        about |= {"commit": commit(), "fresh_episodes": episodes, "run": folder.name}
        estimates = {name: list(astuple(result["all"][name])) for name in MEASURES}
        estimates["kendall_mixed"] = list(astuple(result["sets"][mixed.name]["kendall"]))
        found.append(about | estimates)
    return found


def judge_all(folders: Sequence[Path], results: Path, episodes: int) -> None:
    """Judge the runs that a result file has no lines of."""
    measure_new(folders, results, lambda folder: judged(folder, episodes))


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = options(__doc__, "runs/judging")
    made.add_argument("--runs", type=Path, nargs="+", metavar="RUN", help="judge these runs, and train none")
    made.add_argument("--out", type=Path, default=RESULTS, help="file of the measurements")
    made.add_argument("--fresh", type=int, default=20, help="fresh episodes of a policy, and of random actions")
    return made


def main() -> None:
    """Train what is missing, and judge; an error ends it with a message and status 2."""
    args = parser().parse_args()
    with reported():
        if args.runs is not None:
            judge_all(args.runs, args.out, args.fresh)
            return
        left = work_in_groups([rows()], args)
        if not args.list:
            wanted = [folder_of(row, seed, args.folder) for row, seed in order(rows(), args.seeds)]
            judge_all([folder for folder in wanted if (folder / "summary.json").exists()], args.out, args.fresh)
    report_unfinished(left)


if __name__ == "__main__":
    main()
