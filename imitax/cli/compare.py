"""`imitax compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from imitax.cli.parsing import parse


@dataclass(frozen=True)
class Compare:
    """Which of several runs is better, by how much, and whether the seeds are enough to say so.

    The evaluations that the runs recorded are compared; nothing is rolled out anew.
    """

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Folders of runs. Runs with equal settings are seeds of one method; LABEL=RUN puts a run under a label."""
    which: Annotated[str, tyro.conf.arg(metavar="{last,best}")] = "last"
    """The last evaluation of each seed, or its best, which flatters methods that vary."""
    success: float | None = None
    """The return from which an episode counts as a success. By default 1, where every return is 0 or 1."""
    json: bool = False
    """Print nothing but one JSON object."""


def labelled(given: Sequence[str]) -> list[str] | dict[str, list[str]]:
    """Folders, or where one has a label folders by label; those without are called as their folder."""
    parts = [("", text) if Path(text).expanduser().exists() else _split(text) for text in given]
    if not any(label for label, _ in parts):
        return [path for _, path in parts]
    found: dict[str, list[str]] = {}
    for label, path in parts:
        found.setdefault(label or Path(path).resolve().name, []).append(path)
    return found


def _split(text: str) -> tuple[str, str]:
    label, equals, path = text.partition("=")
    return (label, path) if equals and label else ("", text)


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Compare = parse(Compare, args, "imitax compare")
    from imitax.comparison import compare
    from imitax.files import plain

    found = compare(labelled(order.runs), which=order.which, success=order.success)  # pyright: ignore[reportArgumentType]
    if order.json:
        print(json.dumps(plain(found)))
        return 0
    from rich.console import Console

    from imitax.comparison.tables import method_table, pair_table

    console = Console()
    console.print(method_table(found))
    if found.pairs:
        console.print(pair_table(found))
    for text in (found.verdict, *([found.rule] if found.pairs else []), *found.notes):
        console.print(text, markup=False, highlight=False, style="bold" if text is found.verdict else "")
    return 0
