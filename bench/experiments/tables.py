"""The tables of README and docs: results, generated from the result files, and flags, generated from the code.

    python -m bench.experiments.tables           # rewrite the sections between the markers
    python -m bench.experiments.tables --check   # change nothing; exit with status 1 if a page is stale

A page takes part if it has the markers `results:begin` and `results:end` as HTML comments. `docs/results.md` or
README gets the learning results of our own presets and the tables of speed; `docs/NAME.md` all those of an algorithm;
`docs/select.md` what rules of selection keep; `docs/rewards.md` what learned rewards know of the true one;
`docs/tabular.md` the results on MountainCar; `docs/data.md` the datasets in the repository; `docs/dynamics.md` the
models that runs have fitted. `flags.py` describes the pages with tables of flags, `algorithm_tables.py` those of what
every algorithm takes.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.experiments import algorithm_tables, flags
from bench.experiments.pages import Markers
from bench.experiments.sections import Line
from bench.experiments.sections.datasets import datasets_section
from bench.experiments.sections.judging import judging_section
from bench.experiments.sections.learning import DEFAULTS_NOTE, is_default, learning_section
from bench.experiments.sections.models import models_section
from bench.experiments.sections.mountain_car import mountain_car_section
from bench.experiments.sections.selection import selection_section
from bench.experiments.sections.speed import peers_section, update_rate_section
from imitax.algorithms import ALGORITHMS
from imitax.errors import DataError, ImitaxError
from imitax.files import read_lines

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("bench/results")
MARKERS = Markers("results")


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the pages, or with `--check` say which are stale."""
    parser = argparse.ArgumentParser(description="Generate the tables of README and docs.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with status 1 if a page is stale")
    check = parser.parse_args(argv).check
    try:
        parts = update, flags.update, algorithm_tables.update
        stale = [page for part in parts for page in part(ROOT, write=not check)]
    except ImitaxError as error:
        print(f"imitax: {error}", file=sys.stderr)
        sys.exit(2)
    for page in dict.fromkeys(stale):
        print(f"{page.relative_to(ROOT)}: {'stale; run make tables' if check else 'written'}")
    sys.exit(1 if check and stale else 0)


def update(root: Path, *, write: bool) -> list[Path]:
    """The pages under `root` whose result tables do not match the result files; `write` brings them up to date.

    Raises DataError if no page has the markers of the overview or a page has one without the other, CheckpointError if
    a result file is damaged.
    """
    return MARKERS.update(sections(root), root, write=write)


def sections(root: Path) -> dict[Path, str]:
    """The generated section of every page that takes part."""

    def results(name: str) -> list[Line]:
        path = root / RESULTS / f"{name}.jsonl"
        return read_lines(path) if path.exists() else []

    learning, docs = results("learning"), root / "docs"
    datasets = sorted(
        [*root.glob("imitax/datasets/bundled/*.hdf5"), *root.glob("data/*.hdf5")], key=lambda path: path.name
    )
    overview = [
        "### Learning\n\n" + learning_section([line for line in learning if is_default(line)]) + "\n\n" + DEFAULTS_NOTE,
        "### Time of one update\n\n" + update_rate_section(results("update_rate")),
        "### Beside other libraries\n\n" + peers_section(results("peers")),
    ]
    overviews = [page for page in (root / "README.md", docs / "results.md") if MARKERS.on(page)]
    if not overviews:
        raise DataError(f"README.md or docs/results.md must hold {MARKERS.begin} and, after it, {MARKERS.end}")
    found = dict.fromkeys(overviews, "\n\n".join(overview))
    found |= {
        docs / f"{name}.md": learning_section([line for line in learning if line["algorithm"] == name])
        for name in ALGORITHMS
    }
    found[docs / "dynamics.md"] = models_section(results("dynamics"))
    found[docs / "rewards.md"] = judging_section(results("judging"))
    found[docs / "select.md"] = selection_section(results("selection"))
    found[docs / "tabular.md"] = mountain_car_section(results("mountain_car"))
    if MARKERS.on(docs / "data.md"):
        found[docs / "data.md"] = datasets_section(datasets, results("experts"))
    return {page: section for page, section in found.items() if MARKERS.on(page)}


if __name__ == "__main__":
    main()
