"""The policy that a run selects at its end: checked before training, written after it."""

from dataclasses import replace
from pathlib import Path

from imitax.algorithm import Algorithm, Needs
from imitax.config import Training
from imitax.datasets import Dataset
from imitax.envs import Task
from imitax.errors import ConfigError
from imitax.files import read_json
from imitax.selection import kept
from imitax.selection.choice import Candidates, select
from imitax.selection.rules import NEEDS_NOTHING, Facts, why_not
from imitax.training.data import Data

DEFAULT = "validation_error"
"""Where the user holds episodes out: docs/select.md has what each rule keeps."""


def with_rule(
    algorithm: Algorithm, needs: Needs, options: Training, task: Task, data: Data, asked: int | None
) -> Training:
    """The options with a rule that this run can select by; `asked` is how many held-out episodes the user wants.

    Raises ConfigError if the user's rule is none.
    """
    kept = options.keep_policies != "none"
    facts = facts_of(algorithm, needs, task, data)
    if options.select is None:
        usable = bool(asked) and kept and why_not(DEFAULT, facts) is None
        return replace(options, select=DEFAULT if usable else "last")
    if options.select not in NEEDS_NOTHING and not kept:
        raise ConfigError(
            f"--select {options.select} chooses among policies of evaluations: leave --keep-policies none out"
        )
    if (why := why_not(options.select, facts)) is not None:
        raise ConfigError(f"--select {options.select} cannot be used: {why}")
    return options


def facts_of(algorithm: Algorithm, needs: Needs, task: Task, data: Data) -> Facts:
    """What this run has to select by."""
    held_out = [selection.validation for selection in data.selections]
    return Facts(
        env=task.recorded is None,
        demonstrations=needs.expert,
        held_out=bool(held_out) and all(own is not None and own.has_actions for own in held_out),
        learned_reward=algorithm.reward is not None,
        images=any(leaf.kind == "image" for leaf in task.spec.observation.leaves),
    )


def select_policy(folder: Path, rule: str | None, task: Task, demonstrations: Dataset | None) -> None:
    """Write what a finished run's rule selects, unless that was done; of the rule `last`, nothing."""
    if rule not in (None, "last") and kept.read(folder) is None:
        config = read_json(folder / "config.json")
        select(Candidates(folder, config, lambda: task, trusted=True, own=demonstrations), rule)
