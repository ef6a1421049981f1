"""README's table of scores and lines on speed, and the table of docs/choose-an-algorithm.md, from the result files.

    python -m bench.scores_table           # rewrite what stands between the markers
    python -m bench.scores_table --check   # change nothing; status 1 if a page is stale

A cell is the IQM over seeds of the return after the last step, with the number of seeds. Only runs on data that the
project ships count: demonstrations whose names begin with `imitax/`, and the recorded sets in `data/`. Where a method
was run with several budgets on the same data, the setting with the most seeds counts, then the longest.
docs/results.md has every setting, with intervals, hashes and commits.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.experiments.pages import Markers
from bench.experiments.sections.markdown import table
from imitax.files import read_lines
from imitax.statistics import iqm

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
Line = dict[str, Any]
TASKS: dict[str, dict[str, Any]] = {
    "Hopper-v5": {},
    "HalfCheetah-v5": {},
    "Walker2d-v5": {},
    "Ant-v5": {"include_cfrc_ext_in_observation": False},
}
"""The tasks of the tables, with the keyword arguments that their environments are made with."""
PRESETS = ("default", "offline", "")
"""The presets that count: `offline` is IQ-Learn's default without an environment, random actions have none."""


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the pages, or with `--check` say which are stale."""
    parser = argparse.ArgumentParser(description="Generate README's and the chooser's tables from bench/results.")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if a page is stale")
    check = parser.parse_args(argv).check
    lines, sets = read_lines(RESULTS / "learning.jsonl"), shipped(ROOT)
    readme, chooser = ROOT / "README.md", ROOT / "docs" / "choose-an-algorithm.md"
    sections = {
        "scores": {readme: scores_table(lines, sets)},
        "speed": {readme: speed_lines(read_lines(RESULTS / "peers.jsonl"))},
        "choice": {chooser: choice_table(lines, sets, ROOT)},
    }
    stale = [page for name, pages in sections.items() for page in Markers(name).update(pages, ROOT, write=not check)]
    for page in dict.fromkeys(stale):
        print(f"{page.relative_to(ROOT)}: {'stale; run make tables' if check else 'written'}")
    sys.exit(1 if check and stale else 0)


def shipped(root: Path) -> frozenset[str]:
    """Names of the recorded sets in the repository's `data/`."""
    return frozenset(file.stem for file in root.glob("data/*.hdf5"))


def scores_table(lines: Iterable[Line], sets: frozenset[str]) -> str:
    """The Markdown table of result lines. `sets` names the recorded sets that are shipped."""
    lines = [line for line in lines if counts(line, sets)]
    runs: dict[tuple[str, str, str], dict[str, list[Line]]] = {}
    for (*row, task), seeds in sorted(chosen(lines).items()):
        runs.setdefault((row[0], row[1], row[2]), {})[task] = seeds
    experts = [expert_return(lines, task) for task in TASKS]
    rows = [["*demonstrations*", "", "", *("-" if x is None else f"{x:,.0f}" for x in experts)]]
    for (algorithm, preset, data), by_task in sorted(runs.items(), key=lambda item: item[0][2] != ""):
        name = f"`{algorithm}`" + f" {preset}".removesuffix(" default").rstrip()
        cells = [_cell(by_task.get(task)) for task in TASKS]
        rows.append([name, data, _budget(by_task.values()), *cells])
    return table(["algorithm", "data", "length", *(task.removesuffix("-v5") for task in TASKS)], rows, left=3)


def choice_table(lines: Iterable[Line], sets: frozenset[str], root: Path) -> str:
    """The same settings by what one has to learn from, as fractions of the demonstrations' return."""
    lines = [line for line in lines if counts(line, sets) and line["steps"]]
    experts = {task: expert_return(lines, task) for task in TASKS}
    rows: dict[tuple[str, str, str, str], dict[str, list[Line]]] = {}
    for (algorithm, preset, data, task), seeds in sorted(chosen(lines).items()):
        rows.setdefault((_given(seeds[0]), algorithm, preset, data), {})[task] = seeds
    cells = []
    for (given, algorithm, preset, data), by_task in sorted(rows.items()):
        name = f"`{algorithm}`" + f" {preset}".removesuffix(" default").rstrip()
        first = _first(by_task.get("Hopper-v5"), experts["Hopper-v5"], root)
        fractions = [_fraction(by_task.get(task), experts[task]) for task in TASKS]
        cells.append([given[1:], name, data, _budget(by_task.values()), fractions[0], first, *fractions[1:]])
    names = [task.removesuffix("-v5") for task in TASKS]
    header = ["you have", "algorithm", "data", "length", names[0], "95 % after", *names[1:]]
    return table(header, cells, left=4)


def _given(line: Line) -> str:
    """What a method learned from, with a digit in front that sorts it."""
    demonstrated = (line["data"] or "").startswith("imitax/")
    if line["regime"] == "online":
        return "1demonstrations, an environment" if demonstrated else "3an environment with rewards"
    if not demonstrated:
        return "4recorded data"
    return "2demonstrations, other data" if line["offline_data"] else "0demonstrations"


def _fraction(seeds: list[Line] | None, expert: float | None) -> str:
    """IQM over seeds of return / `expert`, lowest and highest seed, number of seeds; a dash where not measured."""
    if not seeds or not expert or any(line["return_mean"] is None for line in seeds):
        return "-"
    values = [line["return_mean"] / expert for line in seeds]
    centre, low, high = (f"{round(x, 2) + 0.0:.2f}" for x in (iqm(values), min(values), max(values)))  # no -0
    return centre + (f" [{low}, {high}]" if len(seeds) > 1 else "") + f" ({len(seeds)})"


def _first(seeds: list[Line] | None, expert: float | None, root: Path) -> str:
    """Steps or updates after which each seed first reached 95 % of `expert`: lowest to highest."""
    if not seeds or not expert:
        return "-"
    reached = []
    for line in seeds:
        curve = [x for x in read_lines(root / line["curve"]) if np.mean(x["returns"]) >= 0.95 * expert]
        reached.append(min((x["steps"] for x in curve), default=None))
    known = sorted({x for x in reached if x is not None})
    if not known:
        return "never"
    span = " to ".join(f"{x / 1000:.0f}k" for x in (known[0], known[-1])[: len(known)])
    return span + (f", {reached.count(None)} never" if None in reached else "")


def counts(line: Line, sets: frozenset[str]) -> bool:
    """Whether a result is of a default preset, on one of the tasks, and on data that is shipped."""
    offline = (line["offline_data"] or "").partition("@")[0]
    data = line["data"]
    known = (data is None or data.startswith("imitax/") or data in sets) and (not offline or offline in sets)
    usual = TASKS.get(line["env"]) == line["env_kwargs"]
    return known and usual and line["preset"] in PRESETS and not line["variant"]


def chosen(lines: Iterable[Line]) -> dict[tuple[str, str, str, str], list[Line]]:
    """The seeds of one setting for each algorithm, preset, kind of data and task; later lines of a seed count."""
    settings: dict[tuple[str, str, str, str], dict[tuple, dict[int, Line]]] = {}
    for line in lines:
        cell = (line["algorithm"], line["preset"], _data(line), line["env"])
        setting = (line["steps"], line["data_hash"], line["offline_data"])
        settings.setdefault(cell, {}).setdefault(setting, {})[line["seed"]] = line
    most = {cell: max(found.items(), key=lambda item: (len(item[1]), item[0][0])) for cell, found in settings.items()}
    return {cell: list(seeds.values()) for cell, (_, seeds) in most.items()}


def _data(line: Line) -> str:
    """What a run learned from, without the task's name."""
    kinds = [name.partition("@")[0].partition("-")[2] for name in (line["data"], line["offline_data"]) if name]
    if line["data"] and line["episodes"] and kinds[0] == "expert":
        kinds[0] = f"{line['episodes']} expert"
    if not line["steps"]:
        return ""  # random actions
    return " + ".join(kinds) if kinds else "rewards"


def expert_return(lines: Iterable[Line], task: str) -> float | None:
    """Mean return of a task's expert demonstrations, which the normalised score of a run divides by."""
    for line in lines:
        if line["env"] == task and line["expert_fraction"] and (line["data"] or "").startswith("imitax/"):
            return line["return_mean"] / line["expert_fraction"]
    return None


def _cell(seeds: list[Line] | None) -> str:
    """The IQM over seeds with their number; a dash where nothing was measured."""
    if not seeds:
        return "-"
    if any(line["return_mean"] is None for line in seeds):
        return f"not finite ({len(seeds)})"
    return f"{iqm([line['return_mean'] for line in seeds]):,.0f} ({len(seeds)})"


def _budget(settings: Iterable[list[Line]]) -> str:
    """Environment steps or updates, as a range where tasks differ."""
    lines = [seeds[0] for seeds in settings]
    lengths = sorted({line["steps"] for line in lines})
    if lengths == [0]:
        return ""
    unit = "steps" if lines[0]["regime"] == "online" else "updates"
    return " to ".join(f"{length // 1000}k" for length in (lengths[0], lengths[-1])[: len(lengths)]) + f" {unit}"


def speed_lines(lines: Iterable[Line]) -> str:
    """A line for each comparison in `peers.jsonl`; of repeated ones the later counts."""
    comparisons: dict[str, dict[str, Line]] = {}
    for line in lines:
        if "comparison" in line:
            comparisons.setdefault(line["comparison"].partition("-")[0], {})[line["peer"]] = line
    return "\n".join(
        f"- `{algorithm}`: {next(iter(peers.values()))['ours_ms']:.3g} ms. "
        + ", ".join(
            f"{peer} {line['peer_version']} takes {line['ratio']:.1f} times as long ({line['peer_ms']:.3g} ms)"
            for peer, line in peers.items()
        )
        + "."
        for algorithm, peers in comparisons.items()
    )


if __name__ == "__main__":
    main()
