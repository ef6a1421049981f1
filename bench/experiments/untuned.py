"""Default settings on tasks that nobody tuned for: five small ones that come with Gymnasium.

    python -m bench.experiments.untuned --results bench/results/untuned.jsonl
    python -m bench.experiments.untuned --tasks reacher pusher --methods bc adversarial

Each task's expert is trained with SAC's defaults first, in the same folder, and shows ten episodes. Returns may be
negative and the untrained policy's is not 0, so that a fraction of the demonstrations' return means little here: a
score is the share of the way from the untrained policy, evaluated before its first step, to the demonstrations. The
file of results gets a line for each evaluation of the first seed, unless it has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imitax
from bench.experiments import expert
from bench.experiments.few_runs import append_new, finished, options


@dataclass(frozen=True)
class Task:
    """An environment, and for how many steps the expert and its imitators are trained."""

    env: str
    expert_steps: int
    steps: int


TASKS = {
    "pendulum": Task("Pendulum-v1", 20_000, 20_000),
    "double-pendulum": Task("InvertedDoublePendulum-v5", 30_000, 20_000),
    "reacher": Task("Reacher-v5", 50_000, 20_000),
    "pusher": Task("Pusher-v5", 100_000, 30_000),
    "swimmer": Task("Swimmer-v5", 100_000, 30_000),
}
METHODS = ("bc", "adversarial", "ls_iq", "iq_learn", "recoil_online", "f_irl", "ibc")


def demonstrated(name: str, folder: Path, share: float) -> Path:
    """The demonstrations of a task's expert, who is trained if they are not there."""
    file = folder / f"{name}-expert.hdf5"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        recipe = expert.Recipe(
            env=TASKS[name].env,
            name=file.stem,
            run=folder / file.stem,
            steps=max(6000, int(TASKS[name].expert_steps * share)),
            full_length_only=False,
            min_mean_return=float("-inf"),
            out=folder,
        )
        expert.main(recipe)
    return file


def shares(run: imitax.Run, demonstrations: float) -> list[float]:
    """Share of the way from the untrained policy to the demonstrations, for each evaluation after the first."""
    returns = [line["return_mean"] for line in run.metrics(seed=run.seeds[0]) if line["kind"] == "eval"]
    return [(x - returns[0]) / (demonstrations - returns[0]) for x in returns[1:]]


def lines(run: imitax.Run, scores: Sequence[float]) -> list[dict[str, Any]]:
    """A line for each evaluation of the first seed after the one before training, with its share."""
    config, seed = run.config, run.seeds[0]
    evaluations = [line for line in run.metrics(seed=seed) if line["kind"] == "eval"]
    about = {"algorithm": config["algorithm"], "preset": config["preset"], "env": config["env"]["id"]}
    about |= {"data": config["data"]["name"], "data_hash": config["data"]["hash"]}
    about |= {"episodes": len(config["data"]["train_episodes"][str(seed)]), "change": {}, "seed": seed}
    ends = {"untrained": round(evaluations[0]["return_mean"], 2), "demonstrations": round(config["expert_return"], 2)}
    return [
        about
        | {"steps": line["step"], "eval_episodes": len(line["returns"]), "return_mean": round(line["return_mean"], 2)}
        | ends
        | {"share": round(score, 3), "commit": config["commit"]}
        for line, score in zip(evaluations[1:], scores, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> dict[tuple[str, str], list[float]]:
    """Train what is missing and print the scores of the first seed; returns them by task and method."""
    parser = options(__doc__, "runs/untuned", METHODS)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    args, scores = parser.parse_args(arguments), {}
    results, args.results = args.results, None  # the runs' own lines are others
    for name in args.tasks:
        task = TASKS[name]
        demos = demonstrated(name, args.out, args.share)
        for method in args.methods:
            setting = {"env": task.env, "demos": demos, "episodes": args.episodes}
            run = finished(f"{method}-{name}", imitax.preset_config(method), args, task.steps, **setting)
            scores[name, method] = shares(run, run.config["expert_return"])
            append_new(results, lines(run, scores[name, method]))
            print(f"{name:16} {method:14}", *(f"{x:5.2f}" for x in scores[name, method]), flush=True)
    return scores


if __name__ == "__main__":
    main()
