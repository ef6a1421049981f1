"""`imitax train --resume`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imitax.cli.parsing import parse


@dataclass(frozen=True)
class Resume:
    """Continue a run from its newest checkpoint.

    What the run was given by path may lie elsewhere now: name it again, and its hash says whether it is the same.
    """

    resume: Path
    """Folder of the run."""
    steps: int | None = None
    """Extend the run to this many steps."""
    env_workers: int | None = None
    """Processes that step environments in parallel with the main process; as the run was started when not given."""
    demos: str | None = None
    """Where the demonstrations are now."""
    offline_data: str | None = None
    """Where the offline data are now."""
    init_from: Path | None = None
    """Where the policy is now that the run started from."""
    reward: Path | None = None
    """Where the learned reward is now."""
    model_from: Path | None = None
    """Where the fitted model is now."""
    results: Path | None = None
    """The result file to append to, in place of the run's own."""
    env: str | None = None
    """The environment's id, as the run has it: the word for an environment whose import runs code of others."""
    trust_env: bool = False
    """Use the environment and the files that the run names: for run folders that come from others."""
    quiet: bool = False
    """Print nothing."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Resume = parse(Resume, args, "imitax train")
    from imitax.cli.scores import print_scores, print_selection
    from imitax.training.resume import resume

    given = {name: getattr(order, name) for name in ("init_from", "reward", "model_from", "results")}
    run = resume(
        order.resume,
        env=order.env,
        demos=order.demos,
        offline_data=order.offline_data,
        steps=order.steps,
        env_workers=order.env_workers,
        quiet=order.quiet or None,
        trust_env=order.trust_env,
        files={name: path for name, path in given.items() if path is not None},
    )
    if not order.quiet:
        print_scores(run.summary)
        print_selection(run.selection)
    return 0
