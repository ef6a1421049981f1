"""Imitation from recorded data alone: the table of the offline methods, and claims C1 to C4 of the CleanIL post.

    make bench-offline                                     # Hopper-v5, one job at a time; can be interrupted
    python -m bench.experiments.offline --halfcheetah FILE --walker2d FILE
    python -m bench.experiments.offline --list             # list unfinished jobs
    python -m bench.experiments.offline --figures          # draw and write the claims' curves from the existing runs

Several processes, each bound to a core of its own, can work on the same queue. Unless a row says otherwise, the
demonstrations are twenty episodes of the bundled hopper-expert and a run takes 100,000 updates. C1 holds out two more
episodes for early stopping.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.experiments.queue import Row, chosen, folder_of, options, report_unfinished, reported, unfinished, work
from imitax import figures
from imitax.files import line as line_bytes
from imitax.files import read_lines, write_atomic

LENGTH = ("--steps", "100000")
MEASURES = ("return_mean", "validation_action_error_mode", "validation_log_likelihood")


def medium_replay(task: str) -> str:
    """File of a task's suboptimal recorded data."""
    return f"data/{task}-medium-replay.hdf5"


def rows(halfcheetah: Path | None = None, walker2d: Path | None = None, length: Sequence[str] = LENGTH) -> list[Row]:
    """The table's rows in order, with those of other tasks if their demonstrations are given."""
    hopper = ("--env", "Hopper-v5", "--demos", "hopper-expert", "--episodes", "20", *length)
    table = [
        Row("bc", ("bc", *hopper), seeds=3),
        Row("iq_learn", ("iq_learn", "--preset", "offline", *hopper), seeds=3),
        Row("recoil", ("recoil", "--offline-data", medium_replay("hopper"), *hopper), seeds=3),
        Row("ibc", ("ibc", *hopper), seeds=3),
        Row("recoil-mixture", ("recoil", "--preset", "mixture", "--offline-data", medium_replay("hopper"), *hopper)),
        Row("iq_learn-sac", ("iq_learn", "--preset", "offline-sac", *hopper), seeds=3),
    ]
    if halfcheetah is not None:
        for episodes in (10, 20):
            data = ("--env", "HalfCheetah-v5", "--demos", str(halfcheetah), "--episodes", str(episodes + 2))
            for preset, name in (("cleanil", "l2=0"), ("cleanil-l2", "l2=0.01")):
                args = ("bc", "--preset", preset, *data, "--validation-episodes", "2", *length)
                table.append(Row(f"c1-{episodes}-{name}", args, seeds=5))
    for env, demos in (("Walker2d-v5", walker2d), ("HalfCheetah-v5", halfcheetah)):
        if demos is not None:
            data = ("--env", env, "--demos", str(demos), "--episodes", "20", *length)
            short = env.removesuffix("-v5").lower()
            table += [
                Row(f"bc-{short}", ("bc", *data)),
                Row(f"ibc-{short}", ("ibc", *data)),
                Row(f"iq_learn-{short}", ("iq_learn", "--preset", "offline", *data)),
                Row(f"recoil-{short}", ("recoil", "--offline-data", medium_replay(short), *data)),
            ]
    return table


CLAIMS = {
    "c1": {
        f"{episodes} episodes, {name}": f"c1-{episodes}-{name}" for episodes in (10, 20) for name in ("l2=0", "l2=0.01")
    },
    **{
        f"c2-{task}": {
            name: f"{algorithm}-{task}"
            for name, algorithm in (("BC", "bc"), ("IBC", "ibc"), ("IQ-Learn", "iq_learn"), ("ReCOIL", "recoil"))
        }
        for task in ("walker2d", "halfcheetah")
    },
    "c3": {"BC": "bc", "ReCOIL": "recoil", "ReCOIL, other data cloned too": "recoil-mixture"},
    "c4": {"cloning by advantage": "iq_learn", "climbing the critic": "iq_learn-sac", "BC": "bc"},
}
"""Rows that a claim's figure compares, by label."""

TITLES = {
    "c1": "C1: BC on HalfCheetah-v5, with and without weight penalty",
    "c2-walker2d": "C2: offline methods on Walker2d-v5",
    "c2-halfcheetah": "C2: offline methods on HalfCheetah-v5",
    "c3": "C3: ReCOIL and BC on Hopper-v5",
    "c4": "C4: ways to get a policy from IQ-Learn's critic, Hopper-v5",
}
"""Of the claims' figures."""


def evaluations(row: Row, folder: Path) -> list[dict]:
    """The evaluations of all runs of a row, without single episodes."""
    found = []
    for seed in range(row.seeds):
        file = folder_of(row, seed, folder) / "metrics.jsonl"
        if file.exists():
            found += [line for line in read_lines(file) if line["kind"] == "eval"]
    return [{k: v for k, v in line.items() if k not in ("returns", "lengths", "kind")} for line in found]


def written(file: Path) -> dict[str, list[dict]]:
    """The existing curves of a claim, by label."""
    curves: dict[str, list[dict]] = {}
    for line in read_lines(file) if file.exists() else []:
        curves.setdefault(line.pop("label"), []).append(line)
    return curves


def early_stopped(lines: list[dict]) -> list[dict]:
    """For each seed, the evaluation with the highest held-out likelihood."""
    seeds = sorted({line["seed"] for line in lines})
    return [
        max((x for x in lines if x["seed"] == seed), key=lambda x: x["validation_log_likelihood"]) for seed in seeds
    ]


def write_claims(table: list[Row], folder: Path, out: Path) -> None:
    """Write the curves of every claim to `CLAIM.jsonl` and `CLAIM.png`, and the choices of early stopping.

    If a seed's run is not in the folder, its existing curve in `CLAIM.jsonl` is kept.
    """
    by_name = {row.name: row for row in table}
    for claim, members in CLAIMS.items():
        curves = {label: evaluations(by_name[name], folder) for label, name in members.items() if name in by_name}
        for label, lines in written(out / f"{claim}.jsonl").items():
            found = curves.setdefault(label, [])
            here = {line["seed"] for line in found}
            found += [line for line in lines if line["seed"] not in here]
        curves = {label: curves[label] for label in members if curves.get(label)}
        if not curves:
            continue
        rows_out = [{"label": label, **line} for label, lines in curves.items() for line in lines]
        write_atomic(out / f"{claim}.jsonl", b"".join(line_bytes(x) for x in rows_out))
        held_out = any("validation_log_likelihood" in line for line in rows_out)
        names = MEASURES if held_out else tuple(name.replace("validation", "train") for name in MEASURES)
        figures.compare(curves, names, out / f"{claim}.png", title=TITLES[claim], x_label="updates")
        if held_out:
            stopped = {label: early_stopped(lines) for label, lines in curves.items()}
            write_atomic(out / f"{claim}-early-stop.json", json.dumps(stopped, indent=1).encode())


def main() -> None:
    """Run the queue; an error ends it with a message and status 2."""
    parser = options(__doc__, "runs/offline")
    parser.add_argument("--halfcheetah", type=Path, help="demonstrations of HalfCheetah-v5")
    parser.add_argument("--walker2d", type=Path, help="demonstrations of Walker2d-v5")
    parser.add_argument("--figures", action="store_true", help="only draw the claims from the existing runs")
    args = parser.parse_args()
    with reported():
        table = rows(args.halfcheetah, args.walker2d)
        kept = chosen(table, args.only)
        left = unfinished(kept, args.folder, args.seeds)
        if not args.list and not args.figures:
            left = work(kept, args.folder, args.results, minutes=args.minutes, seeds=args.seeds)
        if not args.list:
            write_claims(table, args.folder, args.results.parent / "claims")
    report_unfinished(left)


if __name__ == "__main__":
    main()
