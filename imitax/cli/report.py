"""`imitax report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from imitax.cli.compare import labelled
from imitax.cli.parsing import parse
from imitax.errors import ConfigError


@dataclass(frozen=True)
class Report:
    """Write one HTML page about runs: curves, scores, comparison, diagnosis, learned rewards, data, settings, video.

    The page needs no other file and no network. Runs may still be training.
    """

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Folders of runs. Runs with equal settings are seeds of one method; LABEL=RUN puts a run under a label."""
    out: Path = Path("report.html")
    """Where to."""
    success: float | None = None
    """The return from which an episode counts as a success. By default 1, where every return is 0 or 1."""
    data: bool = True
    """Read the data that the runs learned from, and examine them (imitax datasets doctor)."""
    reward_dims: tuple[int, int] | None = None
    """Two observations that the map of a learned reward shows; by default the first two principal components."""
    trust_env: bool = False
    """Read the data files that a run names although its folder was copied here."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Report = parse(Report, args, "imitax report")
    if order.out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out ends in .html, got {str(order.out)!r}")
    from imitax.report import write

    runs = labelled(order.runs)
    options = {"success": order.success, "examine": order.data, "trust_env": order.trust_env}
    path = write(runs, order.out, **options, reward_dims=order.reward_dims)  # pyright: ignore[reportArgumentType]
    print(f"report: {path}")
    return 0
