"""The tables of `update_rate.jsonl` and `peers.jsonl`: how long an update takes, here and in other libraries."""

from collections.abc import Callable, Sequence
from statistics import median

from bench.experiments.sections import Line
from bench.experiments.sections.markdown import table

MAKE_UPDATE_RATE = ".venv/bin/python bench/update_rate.py --json > bench/results/update_rate.jsonl"
MAKE_PEERS = ".venv/bin/python bench/peers.py --json --out bench/results/peers.jsonl"
UPDATE_RATE_NOTE = """\
One gradient update, sampling included. `share` is the floating-point work that the mathematics needs, divided by the
time and by the best rate of a float32 matrix product in the same run. With several processes, the median and in
brackets the lowest and highest value. `together`: only blocks before and after which both cores shared their
last-level cache (`bench/handover.py`). Measured in a virtual machine whose host moves its cores every few seconds;
without a shared cache, a core reads what the other wrote at a third of the throughput. `transitions/s`: model
transitions, or transitions that an ensemble is fitted to (each member's batch counted once). On a processor with
several such caches (`lscpu -e`, column L3), bind a training run to cores that share one (`taskset`)."""
PEERS_NOTE = """\
The same networks and batch size on one machine, run in turn. `ratio` is the peer's time divided by ours: the median
over rounds, with the lowest and highest round in brackets. `bench/peers.py` says what is equal and what is not."""


def update_rate_section(lines: Sequence[Line]) -> str:
    """The median over the processes that measured an update at the last commit in the file."""
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


def peers_section(lines: Sequence[Line]) -> str:
    """The comparisons; lines of single rounds are left out."""
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


def _spread(runs: list[Line], name: str, text: Callable[[float], str]) -> str:
    """The median, with the smallest and largest value if there are several; a dash if no run has the value."""
    values = [run[name] for run in runs if run.get(name) is not None]
    if not values:
        return "-"
    around = f" [{text(min(values))}, {text(max(values))}]" if len(values) > 1 else ""
    return text(median(values)) + around


def _milliseconds(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _blocks_together(runs: list[Line]) -> str:
    """How many of the blocks for which it was measured ran with a shared cache."""
    known = [run for run in runs if "blocks" in run]
    return f"{sum(run['blocks_together'] for run in known)} of {sum(run['blocks'] for run in known)}" if known else "-"
