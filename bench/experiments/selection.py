"""How much of the best checkpoint's return each rule keeps that selects a policy.

    python -m bench.experiments.selection                      # train 18 runs that keep their policies, and measure
    python -m bench.experiments.selection --runs runs/a runs/b # measure finished runs that have kept theirs
    python -m bench.experiments.selection --list               # list runs that are yet to be trained

The best checkpoint is the one with the highest return on the episodes that training evaluates on. It and what the rules
select are evaluated on fresh episodes, on which nothing was selected; the share is the quotient of these two returns.
So `best` has a share of 1, and chance can bring a rule above it. Runs are trained through the queue: clones and
adversarial imitation on three tasks, three seeds, 60,000 steps, twelve demonstrations of which two are held out, an
evaluation every 5,000 steps. Runs that the file has lines of are not measured again.
"""

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

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
from bench.experiments.table import THREE, cell
from imitax.artifacts import load_policy
from imitax.errors import ConfigError
from imitax.evaluate import Evaluator
from imitax.run import Run
from imitax.selection import kept
from imitax.stacking import stack
from imitax.training.provenance import commit

RESULTS = Path("bench/results/selection.jsonl")
METHODS = ("bc", "adversarial")
STEPS = 60_000
KEEPING = ("--episodes", "12", "--validation-episodes", "2", "--keep-policies", "all", "--variant", "selection")


def rows() -> list[Row]:
    """The runs."""
    return [cell(method, task, STEPS, "--demos", f"{task}-expert", *KEEPING) for method in METHODS for task in THREE]


def measure(folder: Path, rollouts: int, fresh: int) -> list[dict[str, Any]]:
    """A line for each seed of a run and each rule that can be used.

    Args:
        folder: of the run.
        rollouts: episodes of each policy for the rules that roll policies out.
        fresh: episodes on which what they select is evaluated.
    """
    run = Run(folder, trust_env=True)
    choice = run.select("last", others=True, episodes=rollouts, write=False)
    if "best" not in choice.known:
        raise ConfigError(f"{folder} has no returns, so that no policy of its is the best")
    taken = {rule: choice.by(rule) for rule in choice.known}
    found = []
    for seed in run.seeds:
        steps = sorted({steps[seed] for steps in taken.values()})
        returns = fresh_returns(run, seed, steps, fresh)
        best = returns[taken["best"][seed]]
        about = describe(run, seed, len(choice.scores[seed])) | {"rollouts": rollouts, "fresh_episodes": fresh}
        for rule, of_seeds in taken.items():
            value = returns[of_seeds[seed]]
            share = value / best if best > 0 else None
            found.append(about | {"rule": rule, "step": of_seeds[seed], "return_mean": value, "share": share})
    return found


def fresh_returns(run: Run, seed: int, steps: Sequence[int], episodes: int) -> dict[int, float]:
    """Mean returns of a seed's kept policies on episodes that training has not evaluated on."""
    found = {}
    with closing(Evaluator(run.task, (seed,), episodes, index=1)) as evaluator:
        for step in steps:
            policy = load_policy(kept.file_of(run.seed_folder(seed), step))[0]
            found[step] = float(evaluator(stack([policy]))[0].returns.mean())
    return found


def describe(run: Run, seed: int, evaluations: int) -> dict[str, Any]:
    """What a line says of its run."""
    config, data = run.config, run.config["data"] or {}
    counts = {part: len(data.get(f"{part}_episodes", {}).get(str(seed)) or ()) for part in ("train", "validation")}
    return {
        "algorithm": config["algorithm"],
        "preset": config["preset"],
        "env": config["env"]["id"],
        "data": data.get("name"),
        "data_hash": data.get("hash"),
        "episodes": counts["train"],
        "held_out_episodes": counts["validation"],
        "steps": run.summary["steps"],
        "evaluations": evaluations,
        "seed": seed,
        "run": run.folder.name,
        "run_commit": config["commit"],
        "commit": commit(),
    }


def measure_all(folders: Sequence[Path], results: Path, rollouts: int, fresh: int) -> None:
    """Measure the runs that a result file has no lines of."""
    measure_new(folders, results, lambda folder: measure(folder, rollouts, fresh))


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = options(__doc__, "runs/selection")
    made.add_argument("--runs", type=Path, nargs="+", metavar="RUN", help="measure these runs, and train none")
    made.add_argument("--out", type=Path, default=RESULTS, help="file of the measurements")
    made.add_argument("--rollouts", type=int, default=10, help="episodes of each policy that rules look at")
    made.add_argument("--fresh", type=int, default=50, help="episodes that score what is selected")
    return made


def main() -> None:
    """Train what is missing, and measure; an error ends it with a message and status 2."""
    args = parser().parse_args()
    with reported():
        if args.runs is not None:
            measure_all(args.runs, args.out, args.rollouts, args.fresh)
            return
        left = work_in_groups([rows()], args)
        missing = [folder_of(row, seed, args.folder) for row, seed in left]
        wanted = [folder_of(row, seed, args.folder) for row, seed in order(rows(), args.seeds)]
        if not args.list:
            finished = [folder for folder in wanted if folder not in missing and (folder / "summary.json").exists()]
            measure_all(finished, args.out, args.rollouts, args.fresh)
    report_unfinished(left)


if __name__ == "__main__":
    main()
