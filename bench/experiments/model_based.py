"""Learned dynamics: the table of the model-based methods, with rewards and with demonstrations.

    make bench-model                                       # all rows, one job at a time; can be interrupted
    python -m bench.experiments.model_based --list         # list unfinished jobs
    python -m bench.experiments.model_based --models       # draw and evaluate the models that runs have fitted

Several processes, each bound to a core of its own, can work on the same queue. Unless a row says otherwise, the
recorded data are data/TASK-medium-replay.hdf5, the demonstrations ten episodes of the bundled TASK-expert, and a run
takes 200,000 updates (300,000 for imitation on HalfCheetah-v5 and Walker2d-v5, 100,000 for C8 and C9). Rows without a
task name are on Hopper-v5. The first row on a dataset fits the model; the other rows of the same seed load it, because
their fit would be the same.
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
    *("--model-rollouts.horizon", "1", "--temperature.target-entropy=-3"),
    *("--variant", "horizon=1,target_entropy=-3"),
)
MBPO_CHOICES = {
    "hopper": ("--temperature.target-entropy=-1", "--variant", "target_entropy=-1"),
    "halfcheetah": SINGLE_STEPS,
    "walker2d": SINGLE_STEPS,
}
"""Target entropies and horizons that MBPO's authors chose for each task, where they differ from our defaults."""
LONG = ("--steps", "200000")
LONGER = ("--steps", "300000")
SHORT = ("--steps", "100000")


def recorded(task: str = "hopper") -> tuple[str, ...]:
    """Arguments for recorded data."""
    return ("--env", ENVIRONMENTS[task], "--offline-data", medium_replay(task))


def demonstrated(task: str = "hopper") -> tuple[str, ...]:
    """Arguments for recorded data and demonstrations."""
    return (*recorded(task), "--demos", f"{task}-expert", "--episodes", "10")


def with_rewards(task: str = "hopper", suffix: str = "", seeds: int = 3) -> list[Row]:
    """Model-based reinforcement learning, and behaviour cloning of the same data."""
    env, model = ("--env", ENVIRONMENTS[task]), ("--model-from", "{folder}/mopo" + suffix + "-seed{seed}")
    return [
        Row(f"mopo{suffix}", ("mopo", *recorded(task), *LONG), seeds),
        Row(f"rambo{suffix}", ("rambo", *recorded(task), *LONG, *model), seeds),
        Row(f"bc-on-replay{suffix}", ("bc", *env, "--demos", medium_replay(task), "--steps", "30000"), seeds),
        Row(f"mbpo{suffix}", ("mbpo", *env, "--steps", "60000", *MBPO_CHOICES[task])),
    ]


def with_demonstrations() -> list[Row]:
    """Model-based imitation."""
    model = ("--model-from", "{folder}/omlirl-seed{seed}")
    table = [Row("omlirl", ("omlirl", *demonstrated(), *LONG), seeds=3)]
    table += [Row(name, (name, *demonstrated(), *LONG, *model), seeds=3) for name in ("rmirl", "rmirl_implicit")]
    table += [
        Row(f"omlirl-{task}", ("omlirl", *demonstrated(task), *LONGER)) for task in ENVIRONMENTS if task != "hopper"
    ]
    for kind in ("none", "mask"):  # claim C7
        args = ("omlirl", "--preset", "blog", "--terminal.kind", kind, "--variant", f"terminal={kind}")
        table.append(Row(f"c7-{kind}", (*args, *demonstrated(), *LONG, *model), seeds=3))
    args = ("rmirl", "--preset", "blog", *demonstrated("halfcheetah"), *SHORT)
    for kind in ("none", "closed_form"):  # claim C8: episodes end only where an observation exceeds 100
        rest = () if kind == "none" else ("--model-from", "{folder}/c8-none-seed{seed}")
        table.append(Row(f"c8-{kind}", (*args, *rest, "--terminal.kind", kind, "--variant", f"terminal={kind}")))
    for how in ("excluded", "upsampled"):  # claim C9; "included" is the row omlirl, up to the same number of updates
        args = ("omlirl", "--demonstrations", how, "--variant", f"demonstrations={how}")
        table.append(Row(f"c9-{how}", (*args, *demonstrated(), *SHORT), seeds=3))
    return table


def table() -> list[Row]:
    """All rows in order. mbpo-default is MBPO without its authors' target entropy."""
    plain = Row("mbpo-default", ("mbpo", "--env", "Hopper-v5", "--steps", "60000"))
    others = [row for task in ENVIRONMENTS if task != "hopper" for row in with_rewards(task, f"-{task}", seeds=1)]
    return [*with_rewards(), plain, *others, *with_demonstrations()]


def write_models(rows: list[Row], folder: Path, out: Path) -> None:
    """Write the errors of the fitted models to `dynamics.jsonl`, and figures for seed 0 to `dynamics/ROW.png`.

    If a run is not in the folder, the existing lines of its model are kept.
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
    """Run the queue; an error ends it with a message and status 2."""
    parser = options(__doc__, "runs/model_based")
    parser.add_argument("--models", action="store_true", help="only draw the models and write their errors")
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
