"""The policy that a run selects at its end: checked before training, written after it."""

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


def check_selection(algorithm: Algorithm, needs: Needs, options: Training, task: Task, data: Data) -> None:
    """Refuse a rule that this run cannot select by. Raises ConfigError."""
    rule = options.select
    if rule not in NEEDS_NOTHING and options.keep_policies == "none":
        raise ConfigError(f"--select {rule} chooses among policies of evaluations: leave --keep-policies none out")
    held_out = [selection.validation for selection in data.selections]
    facts = Facts(
        env=task.recorded is None,
        demonstrations=needs.expert,
        held_out=bool(held_out) and all(own is not None and own.has_actions for own in held_out),
        learned_reward=algorithm.reward is not None,
        images=any(leaf.kind == "image" for leaf in task.spec.observation.leaves),
    )
    if (why := why_not(rule, facts)) is not None:
        raise ConfigError(f"--select {rule} cannot be used: {why}")


def select_policy(folder: Path, rule: str, task: Task, demonstrations: Dataset | None) -> None:
    """Write what a finished run's rule selects, unless that was done; of the rule `last`, nothing."""
    if rule != "last" and kept.read(folder) is None:
        config = read_json(folder / "config.json")
        select(Candidates(folder, config, lambda: task, trusted=True, own=demonstrations), rule)
