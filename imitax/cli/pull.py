"""`imitax pull`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from imitax.cli.parsing import parse
from imitax.files import from_here


@dataclass(frozen=True)
class Pull:
    """Fetch a run from the Hugging Face hub. It counts as somebody else's, and runs no code."""

    repo: tyro.conf.Positional[str]
    """USER/NAME."""
    out: Path | None = None
    """Folder to make; runs/NAME when not given."""
    revision: str | None = None
    """Branch, tag or commit; the newest when not given."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Pull = parse(Pull, args, "imitax pull")
    from imitax.hub import pull

    run = pull(order.repo, order.out, revision=order.revision)
    print(repr(run))
    print(f"evaluate it with imitax eval {from_here(run.folder)}")
    return 0
