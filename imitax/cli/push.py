"""`imitax push`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from imitax.cli.parsing import parse


@dataclass(frozen=True)
class Push:
    """Put a finished run on the Hugging Face hub: policies, rewards, scores, records, figures, video, a model card.

    Paths of this machine are left out of its config, and so are checkpoints, replay and fitted models.
    """

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    repo: tyro.conf.Positional[str]
    """USER/NAME; it is made if it is missing, and its files of the same names are replaced."""
    private: bool = False
    """Of a repository that is made: only you see it."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Push = parse(Push, args, "imitax push")
    from imitax.hub import push
    from imitax.run import Run

    print(push(Run(order.run), order.repo, private=order.private))
    return 0
