"""The result tables of README and docs, generated from the result files so that no number is typed.

    python -m bench.experiments.tables           # rewrite what stands between the markers
    python -m bench.experiments.tables --check   # change nothing; status 1 if a page is stale

A page takes part when it has the markers `results:begin` and `results:end` as HTML comments. README gets the tables of
learning, our own presets only, and of speed; the page `docs/NAME.md` of an algorithm all learning results of that
algorithm; `docs/tabular.md` the table of MountainCar; `docs/data.md` the table of the datasets in the repository;
`docs/dynamics.md` that of the models that runs have fitted.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.experiments.mountain_car import ENDS, TITLES
from imitax.algorithms import ALGORITHMS
from imitax.datasets.d4rl import load_d4rl
from imitax.errors import DataError, ImitaxError
from imitax.files import read_lines, write_atomic
from imitax.statistics import d4rl_score, interval, iqm

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("bench/results")
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
Line = dict[str, Any]

TRAIN = "imitax train ALGORITHM … --results bench/results/learning.jsonl"
MAKE_UPDATE_RATE = ".venv/bin/python bench/update_rate.py --json > bench/results/update_rate.jsonl"
MAKE_PEERS = ".venv/bin/python bench/peers.py --json --out bench/results/peers.jsonl"
MAKE_MOUNTAIN_CAR = "make mountain-car"
MAKE_MODELS = "make bench-model"

LEARNING_NOTE = """\
IQM across seeds, with its 95 % bootstrap interval in brackets from three seeds on; with three to five seeds it is too
narrow. `last` is the evaluation after the last step, `best` the evaluation with the highest mean return, picked after
the fact. `of demonstrations` divides by the mean return of all episodes in the demonstration source. D4RL: 0 is its
random policy, 100 its expert. Where a seed was run more than once, the later line of the file counts. Sets of the name
`TASK-expert` without `imitax/` before it are other experts' demonstrations, which are not in the repository."""
UPDATE_RATE_NOTE = """\
One gradient update, sampling included. `share` is the floating-point work that the mathematics needs, divided by the
time and by the best rate of a float32 matrix product measured in the same run. Of several processes the median, with
the smallest and the largest figure in brackets. `together`: only the blocks before and after which both cores shared
their last-level cache (`bench/handover.py`). Measured in a virtual machine whose host moves its cores every few
seconds; apart, one core reads what the other wrote at a third of the throughput. `transitions/s`: of imagined ones,
or of those that an ensemble is fitted to, each member's batch counted once. Where a processor has several such
caches (`lscpu -e`, column L3), bind a training to cores of one (`taskset`)."""
PEERS_NOTE = """\
The same networks and batch size on one machine, run in turn; `ratio` is the median over rounds of peer's time by ours,
with the lowest and the highest round in brackets. `bench/peers.py` says what is equal and what is not."""

SHORT_NOTE = "These are our own presets. Those of papers and of the reference system, and ablations, are on the pages."

MODELS_NOTE = """\
Mean squared error on held-out transitions, outputs in units of their standard deviation; share of held-out outputs
inside the central intervals of probability 0.5 and 0.9; and root mean squared error after 1, 10 and 40 steps along
recorded actions, in the data's standard deviations."""

MOUNTAIN_CAR = {
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


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the pages, or with `--check` say which are stale."""
    parser = argparse.ArgumentParser(description="Generate the result tables of README and docs from bench/results.")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if a page is stale")
    check = parser.parse_args(argv).check
    try:
        stale = update(ROOT, write=not check)
    except ImitaxError as error:
        print(f"imitax: {error}", file=sys.stderr)
        sys.exit(2)
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'stale; run make tables' if check else 'written'}")
    sys.exit(1 if check and stale else 0)


def update(root: Path, *, write: bool) -> list[Path]:
    """The pages under `root` whose tables do not match the result files; `write` brings them up to date.

    Raises DataError when README has no markers or a page has one without the other, CheckpointError when a result file
    is damaged.
    """
    learning = read(root / RESULTS / "learning.jsonl")
    everything = "\n\n".join(
        [
            "### Learning\n\n" + learning_section([x for x in learning if in_short(x)]) + "\n\n" + SHORT_NOTE,
            "### Time of one update\n\n" + update_rate_section(read(root / RESULTS / "update_rate.jsonl")),
            "### Beside other libraries\n\n" + peers_section(read(root / RESULTS / "peers.jsonl")),
        ]
    )
    sections = {root / "README.md": everything}
    for name in ALGORITHMS:
        page = root / "docs" / f"{name}.md"
        if page.exists() and BEGIN in page.read_text():
            sections[page] = learning_section([line for line in learning if line["algorithm"] == name])
    page = root / "docs" / "dynamics.md"
    if page.exists() and BEGIN in page.read_text():
        sections[page] = models_section(read(root / RESULTS / "dynamics.jsonl"))
    page = root / "docs" / "tabular.md"
    if page.exists() and BEGIN in page.read_text():
        sections[page] = mountain_car_section(read(root / RESULTS / "mountain_car.jsonl"))
    page = root / "docs" / "data.md"
    if page.exists() and BEGIN in page.read_text():
        bundled = root.glob("imitax/datasets/bundled/*.hdf5")
        files = sorted([*bundled, *root.glob("data/*.hdf5")], key=lambda path: path.name)
        sections[page] = datasets_section(files, read(root / RESULTS / "experts.jsonl"))
    stale = []
    for page, section in sections.items():
        before = page.read_text()
        after = replace_section(before, section, str(page.relative_to(root)))
        if after != before:
            stale.append(page)
            if write:
                write_atomic(page, after.encode())
                page.chmod(0o644)
    return stale


def in_short(line: Line) -> bool:
    """Whether README shows a result: our presets as they are, and random actions, the floor under them."""
    return line["algorithm"] == "random" or (line["preset"] in ("default", "offline") and not line["variant"])


def replace_section(text: str, section: str, name: str = "the page") -> str:
    """`text` with `section` between its markers. Raises DataError when the markers are missing, repeated or swapped."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(f"{name} must hold {BEGIN} and, after it, {END}, once each")
    return f"{text.partition(BEGIN)[0]}{BEGIN}\n{section}\n{END}{text.partition(END)[2]}"


def read(path: Path) -> list[Line]:
    """The lines of a result file, none if it does not exist."""
    return read_lines(path) if path.exists() else []


def learning_section(lines: Sequence[Line]) -> str:
    """The table of `learning.jsonl`: two rows, last and best, for each setting."""
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
        commits = ", ".join(dict.fromkeys(_short(line["commit"]) for line in group))
        for policy, prefix in (("last", ""), ("best", "best_")):
            returns = [line[f"{prefix}return_mean"] for line in group]
            scores = [d4rl_score(line["env"], _number(line[f"{prefix}return_mean"])) for line in group]
            fractions = [line[f"{prefix}expert_fraction"] for line in group]
            cells = [score(returns, "{:,.0f}", "not finite"), score(fractions, "{:.3f}"), score(scores, "{:.1f}")]
            rows.append([*about, seeds, policy, *cells, commits])
    return table(header.split("|"), rows, left=6) + "\n\n" + LEARNING_NOTE


def _setting(line: Line) -> tuple:
    """What must be equal for lines to be seeds of one experiment."""
    names = ("algorithm", "preset", "variant", "env", "data", "episodes", "steps", "regime", "data_hash")
    environment = json.dumps(line["env_kwargs"], sort_keys=True)
    return (*(line[name] for name in names), line["offline_data"], environment, line["eval_episodes"])


def _sortable(part: Any) -> tuple[bool, Any]:
    """Numbers by size and None first, in tuples whose parts differ in type."""
    return (part is not None, part if isinstance(part, (int, float)) else str(part))


def _describe(line: Line) -> list[str]:
    """The cells that say what was run."""
    algorithm = " ".join(filter(None, (line["algorithm"], line["preset"], line["variant"])))
    environment = line["env"] + (f" `{json.dumps(line['env_kwargs'], sort_keys=True)}`" if line["env_kwargs"] else "")
    data = f"{line['episodes']} of {line['data']} ({line['data_hash'][:8]})" if line["data"] else "-"
    if line["offline_data"]:
        data += f", offline {line['offline_data']}"
    return [algorithm, environment, data, f"{line['steps']:,} {'steps' if line['regime'] == 'online' else 'updates'}"]


def score(values: Sequence[float | None], form: str, unknown: str = "-") -> str:
    """IQM and interval of one value a seed; `unknown` when no seed has one, "not finite" when only some have."""
    if all(value is None for value in values):
        return unknown
    numbers = [_number(value) for value in values]
    if not np.isfinite(numbers).all():
        return "not finite"
    low, high = interval(numbers)
    return form.format(iqm(numbers)) + ("" if np.isnan(low) else f" [{form.format(low)}, {form.format(high)}]")


def _number(value: float | None) -> float:
    """A result file's null is a score that was not finite."""
    return float("nan") if value is None else float(value)


def _short(commit: str) -> str:
    """A commit as it is shown; versions of an installed package stay whole."""
    if commit.startswith("v"):
        return commit
    return commit[:7] + "-dirty" * commit.endswith("-dirty")


def update_rate_section(lines: Sequence[Line]) -> str:
    """The table of `update_rate.jsonl`: the median of a commit's processes, the latest commit that was measured."""
    if not lines:
        return f"Not measured yet:\n`{MAKE_UPDATE_RATE}`."
    columns: list[tuple[str, Callable[[list[Line]], str]]] = [
        ("update", lambda runs: runs[0]["update"]),
        ("precision", lambda runs: runs[0]["precision"]),
        ("cores", lambda runs: str(runs[0]["cores"])),
        ("processes", lambda runs: str(len(runs))),
        ("ms", lambda runs: _spread(runs, "ms", _milliseconds)),
        ("GFLOP", lambda runs: f"{runs[0]['gflop']:.3g}"),
        ("GFLOP/s of a matrix product", lambda runs: f"{median(run['matmul_gflops'] for run in runs):.0f}"),
        ("share", lambda runs: _spread(runs, "share", "{:.2f}".format)),
        ("blocks together", _blocks_together),
        ("ms together", lambda runs: _spread(runs, "ms_together", _milliseconds)),
        ("share together", lambda runs: _spread(runs, "share_together", "{:.2f}".format)),
        ("transitions/s", lambda runs: _spread(runs, "transitions_per_s", "{:,.0f}".format)),
    ]
    latest: dict[tuple[str, str, int], list[Line]] = {}
    for line in lines:
        key = (line["update"], line["precision"], line["cores"])
        before = latest.get(key, [])
        same = bool(before) and line.get("commit") is not None and line["commit"] == before[-1].get("commit")
        latest[key] = [*before, line] if same else [line]
    rows = [[cell(runs) for _, cell in columns] for runs in latest.values()]
    return table([name for name, _ in columns], rows, left=2) + "\n\n" + UPDATE_RATE_NOTE


def _spread(runs: list[Line], name: str, text: Callable[[float], str]) -> str:
    """Median, and smallest and largest where there are several; a dash where no run knows the figure."""
    values = [run[name] for run in runs if run.get(name) is not None]
    if not values:
        return "-"
    around = f" [{text(min(values))}, {text(max(values))}]" if len(values) > 1 else ""
    return text(median(values)) + around


def _milliseconds(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _blocks_together(runs: list[Line]) -> str:
    """How many of the blocks whose cores' distance is known ran with a shared cache."""
    known = [run for run in runs if "blocks" in run]
    return f"{sum(run['blocks_together'] for run in known)} of {sum(run['blocks'] for run in known)}" if known else "-"


def peers_section(lines: Sequence[Line]) -> str:
    """The table of `peers.jsonl`, from its lines that compare; its lines of single rounds are left out."""
    comparisons = {(line["comparison"], line["peer"]): line for line in lines if "comparison" in line}
    if not comparisons:
        return f"Not measured yet:\n`{MAKE_PEERS}`."
    columns: list[tuple[str, Callable[[Line], str]]] = [
        ("update", lambda line: line["comparison"]),
        ("peer", lambda line: f"{line['peer']} {line['peer_version']}"),
        ("precision", lambda line: line["precision"]),
        ("cores", lambda line: str(line["cores"])),
        ("rounds", lambda line: str(line["rounds"])),
        ("imitax, ms", lambda line: f"{line['ours_ms']:.3g}"),
        ("peer, ms", lambda line: f"{line['peer_ms']:.3g}"),
        ("ratio", lambda line: f"{line['ratio']:.2f} [{line['ratio_min']:.2f}, {line['ratio_max']:.2f}]"),
    ]
    rows = [[cell(line) for _, cell in columns] for line in comparisons.values()]
    return table([name for name, _ in columns], rows, left=3) + "\n\n" + PEERS_NOTE


def models_section(lines: Sequence[Line]) -> str:
    """The table of `dynamics.jsonl`."""
    if not lines:
        return f"Not measured yet:\n`{MAKE_MODELS}`."
    rows = []
    for line in sorted(lines, key=lambda line: (line["env"], line["algorithm"], line["row"], line["seed"])):
        elites = [line["error"][member] for member in line["elites"]]
        errors = line["rollout_errors"]
        after = [f"{errors[step - 1]:.3f}" if len(errors) >= step else "-" for step in (1, 10, 40)]
        data = line["offline_data"].partition("@")[0]
        if line["demonstrations"]:
            data += f", demonstrations {line['demonstrations']}"
        cells = [
            f"{line['transitions']:,}",
            str(line["epochs"]),
            f"{np.mean(elites):.4f}",
            f"{np.max(line['error']):.4f}",
        ]
        cells += [f"{line['coverage'][level]:.2f}" for level in ("0.5", "0.9")]
        rows.append([line["env"], data, str(line["seed"]), *cells, *after, _short(line["commit"])])
    header = "environment|data|seed|fitted to|epochs|elites|worst|0.5|0.9|1 step|10|40|commit"
    return table(header.split("|"), rows, left=2) + "\n\n" + MODELS_NOTE


def mountain_car_section(lines: Sequence[Line]) -> str:
    """A table of `mountain_car.jsonl` for each setting: lowest and highest of the seeds, of repeated ones the later."""
    if not lines:
        return f"Not measured yet:\n`{MAKE_MOUNTAIN_CAR}`."
    groups: dict[str, dict[int, Line]] = {}
    for line in lines:
        setting = {name: value for name, value in line["settings"].items() if name != "seed"}
        groups.setdefault(json.dumps(setting, sort_keys=True), {})[line["settings"]["seed"]] = line
    parts = []
    for setting in sorted(groups):
        group = [line for _, line in sorted(groups[setting].items())]
        s, greedy = group[0]["settings"], [line["greedy_optimal"] for line in group]
        rows = [
            [label.removeprefix("goal "), shown, *(span([line[end][m][key] for line in group], n) for m in TITLES)]
            for end, label in ENDS.items()
            for key, (shown, n) in MOUNTAIN_CAR.items()
        ]
        seeds, commits = sorted(groups[setting]), dict.fromkeys(_short(line["commit"]) for line in group)
        note = (
            f"{s['bins']} cells along positions, {s['demos']} demonstrations, {s['suboptimal']:,} suboptimal episodes, "
            f"{s['episodes']} episodes in\nGymnasium. Lowest to highest of seeds {', '.join(map(str, seeds))} "
            f"(commit {', '.join(commits)}). The optimal policy without entropy\nreturns "
            f"{span([x['gym_return_mean'] for x in greedy], 0)} in Gymnasium and reaches the flag in a share of "
            f"{span([x['gym_reached_flag'] for x in greedy], 2)} of the episodes."
        )
        parts.append(table(["goal", "", *TITLES.values()], rows, left=2) + "\n\n" + note)
    return "\n\n".join(parts)


def datasets_section(files: Sequence[Path], scores: Sequence[Line]) -> str:
    """What the datasets hold, what made them, and how good the policies behind the expert sets are (`scores`)."""
    rows, of_policies = [], {line["data_hash"]: line for line in scores}
    for file in files:
        data = load_d4rl(file)
        about = data.attributes
        steps = about["cut_steps"] if "cut_steps" in about else f"{int(about['training_steps']):,}"
        cells = [f"{data.transition_count:,}", f"{len(data.episodes):,}"]
        cells += [f"{data.returns.mean():,.0f} ± {data.returns.std():,.0f}", f"{data.returns.max():,.0f}"]
        score = d4rl_score(data.env_id, float(data.returns.mean())) if data.env_id else None
        cells += ["" if score is None else f"{score:.1f}"]
        line = of_policies.get(data.hash())
        cells += [f"{line['return_mean']:,.0f} ± {line['return_sd']:,.0f}" if line else ""]
        where = "package" if "bundled" in file.parts else "`data/`"
        rows.append([f"`{file.stem}`", where, f"`{data.hash()[:12]}`", steps, *cells])
    header = "set|in|hash begins with|steps of training|transitions|episodes|return|highest|D4RL|the policy's return"
    return table(header.split("|"), rows, left=4)


def span(values: Sequence[float | None], decimals: int) -> str:
    """Lowest to highest value, or one number where they look alike; "not finite" where one is not."""
    numbers = np.array([_number(value) for value in values])
    if not np.isfinite(numbers).all():
        return "not finite"
    low, high = (f"{round(float(x), decimals) + 0.0:.{decimals}f}" for x in (numbers.min(), numbers.max()))  # no -0
    return low if low == high else f"{low} to {high}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """A Markdown table whose first `left` columns are aligned to the left and the others to the right."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (escaped[0], rule, *escaped[1:]))


if __name__ == "__main__":
    main()
