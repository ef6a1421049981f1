"""Learned dynamics: the table of the model-based methods, with rewards and with demonstrations.

    make bench-model                                        # everything, one job at a time; interrupt it as you like
    python -m bench.experiments.model_based --list         # what is unfinished
    python -m bench.experiments.model_based --models       # draw and judge the models that runs have fitted

Start it twice, each process on a core of its own, and both work on the same queue. Recorded data are
data/TASK-medium-replay.hdf5, demonstrations ten episodes of the bundled TASK-expert, runs are 200,000 updates (300,000
of imitation on HalfCheetah-v5 and Walker2d-v5, 100,000 of C8 and C9), unless the row says otherwise. Rows without a
task's name are on Hopper-v5. The first row on some data fits their model, which the others of that seed take: the fit
would be the same.
"""

import json
from pathlib import Path

from bench.experiments.offline import medium_replay
from bench.experiments.queue import (
    Row,
    chosen,
    folder_of,
    options,
    order,
    report_unfinished,
    reported,
    unfinished,
    work,
)
from imitax import figures
from imitax.files import line as line_bytes
from imitax.files import read_lines, write_atomic

ENVIRONMENTS = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5", "walker2d": "Walker2d-v5"}
SINGLE_STEPS = (
    *("--imagination.horizon", "1", "--temperature.target-entropy=-3"),
    *("--variant", "horizon=1,target_entropy=-3"),
)
MBPO_CHOICES = {
    "hopper": ("--temperature.target-entropy=-1", "--variant", "target_entropy=-1"),
    "halfcheetah": SINGLE_STEPS,
    "walker2d": SINGLE_STEPS,
}
"""Where the authors of MBPO want another entropy or horizon than our defaults: their choices for each task."""
LONG = ("--steps", "200000")
LONGER = ("--steps", "300000")
SHORT = ("--steps", "100000")


def recorded(task: str = "hopper") -> tuple[str, ...]:
    """Arguments of a method that learns from recorded data."""
    return ("--env", ENVIRONMENTS[task], "--offline-data", medium_replay(task))


def demonstrated(task: str = "hopper") -> tuple[str, ...]:
    """Arguments of a method that learns from demonstrations too."""
    return (*recorded(task), "--demos", f"{task}-expert", "--episodes", "10")


def with_rewards(task: str = "hopper", suffix: str = "", seeds: int = 3) -> list[Row]:
    """Reinforcement learning in a model, and cloning of the same data."""
    env, model = ("--env", ENVIRONMENTS[task]), ("--model-from", "{folder}/mopo" + suffix + "-seed{seed}")
    return [
        Row(f"mopo{suffix}", ("mopo", *recorded(task), *LONG), seeds),
        Row(f"rambo{suffix}", ("rambo", *recorded(task), *LONG, *model), seeds),
        Row(f"bc-on-replay{suffix}", ("bc", *env, "--demos", medium_replay(task), "--steps", "30000"), seeds),
        Row(f"mbpo{suffix}", ("mbpo", *env, "--steps", "60000", *MBPO_CHOICES[task])),
    ]


def with_demonstrations() -> list[Row]:
    """Imitation in a model."""
    model = ("--model-from", "{folder}/omlirl-seed{seed}")
    table = [Row("omlirl", ("omlirl", *demonstrated(), *LONG), seeds=3)]
    table += [Row(name, (name, *demonstrated(), *LONG, *model), seeds=3) for name in ("rmirl", "rmirl_implicit")]
    table += [
        Row(f"omlirl-{task}", ("omlirl", *demonstrated(task), *LONGER)) for task in ENVIRONMENTS if task != "hopper"
    ]
    for kind in ("none", "mask"):  # claim C7, with the flags of this step
        args = ("omlirl", "--preset", "blog", "--terminal.kind", kind, "--variant", f"terminal={kind}")
        table.append(Row(f"c7-{kind}", (*args, *demonstrated(), *LONG, *model), seeds=3))
    args = ("rmirl", "--preset", "blog", *demonstrated("halfcheetah"), *SHORT)
    for kind in ("none", "closed_form"):  # claim C8: there the only ends are observations beyond 100
        rest = () if kind == "none" else ("--model-from", "{folder}/c8-none-seed{seed}")
        table.append(Row(f"c8-{kind}", (*args, *rest, "--terminal.kind", kind, "--variant", f"terminal={kind}")))
    for how in ("excluded", "upsampled"):  # claim C9; included is the row omlirl, up to the same number of updates
        args = ("omlirl", "--demonstrations", how, "--variant", f"demonstrations={how}")
        table.append(Row(f"c9-{how}", (*args, *demonstrated(), *SHORT), seeds=3))
    return table


def table() -> list[Row]:
    """All rows in their order."""
    plain = Row("mbpo-default", ("mbpo", "--env", "Hopper-v5", "--steps", "60000"))  # without the authors' entropy
    others = [row for task in ENVIRONMENTS if task != "hopper" for row in with_rewards(task, f"-{task}", seeds=1)]
    return [*with_rewards(), plain, *others, *with_demonstrations()]


def write_models(rows: list[Row], folder: Path, out: Path) -> None:
    """`dynamics.jsonl`: how good the models are that runs of these rows have fitted; `dynamics/ROW.png`: seed 0's.

    Models whose runs are not in the folder keep the lines that the file has of them.
    """
    file = out / "dynamics.jsonl"
    lines = {(line["row"], line["seed"]): line for line in (read_lines(file) if file.exists() else [])}
    for row, seed in order(rows):
        run = folder_of(row, seed, folder)
        if not (run / "dynamics.json").exists() or "--model-from" in row.args:
            continue
        report, config = json.loads((run / "dynamics.json").read_text()), json.loads((run / "config.json").read_text())
        about = {"row": row.name, "seed": seed, "algorithm": config["algorithm"], "env": config["env"]["id"]}
        about |= {"offline_data": config["offline_data"]["name"], "commit": config["commit"]}
        about |= {"demonstrations": config["config"].get("demonstrations"), "epochs": len(report["errors"])}
        kept = ("transitions", "held_out", "error", "nll", "elites", "coverage", "rollout_errors")
        lines[row.name, seed] = about | {name: report[name] for name in kept}
        if seed == 0:
            (out / "dynamics").mkdir(parents=True, exist_ok=True)
            figures.dynamics_figure(report, out / "dynamics" / f"{row.name}.png")
    write_atomic(file, b"".join(line_bytes(line) for line in lines.values()))


def main() -> None:
    """Work off the queue; what goes wrong ends with a message and status 2."""
    parser = options(__doc__, "runs/model_based")
    parser.add_argument("--models", action="store_true", help="only draw the models and note their errors")
    args = parser.parse_args()
    with reported():
        rows = chosen(table(), args.only)
        left = unfinished(rows, args.folder, args.seeds)
        if not args.list and not args.models:
            left = work(rows, args.folder, args.results, minutes=args.minutes, seeds=args.seeds)
        if not args.list:
            write_models(rows, args.folder, args.results.parent)
    report_unfinished(left)


if __name__ == "__main__":
    main()
