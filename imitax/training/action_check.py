"""Which actions an algorithm can learn, as its `Needs` say: refused before training, in one place."""

from typing import Any

from imitax.algorithm import Algorithm, Needs
from imitax.datasets import Dataset
from imitax.envs import Task
from imitax.errors import ConfigError, DataError
from imitax.spaces import JOINT_LIMIT, FiniteActions


def check_demonstrated(name: str, needs: Needs, demos: Dataset | None) -> None:
    """Refuse demonstrations without actions where the algorithm learns from actions.

    Raises:
        DataError: with the reason.
    """
    if demos is not None and needs.actions and not demos.has_actions:
        raise DataError(
            f"{demos.name} cannot be used as it is: it has no actions, which {name} needs, because "
            f"{needs.without_actions}; docs/spaces.md has a table of what learns without"
        )


def check_actions(algorithm: Algorithm, cfg: Any, task: Task) -> None:
    """Refuse a finite set of actions where the algorithm cannot learn from it.

    Raises:
        ConfigError: with the reason.
    """
    needs, space = algorithm.needs(cfg), task.spec.action
    if not isinstance(space, FiniteActions):
        return
    amounts, fewer = "", "an environment with fewer actions"
    if task.recorded is not None:
        amounts = "; if they are amounts, give their limits: action_low and action_high (--action-low, --action-high)"
        fewer = f"fewer actions{amounts}"
    why = "its learned model takes actions as numbers" if needs.model is not None else needs.box_only
    if why:
        raise ConfigError(
            f"{algorithm.name} cannot learn the actions of {task.label}, {task.action_space}, because {why}; "
            f"docs/spaces.md has a table of what each algorithm takes{amounts}"
        )
    if needs.enumerates and space.joint_count > JOINT_LIMIT:
        raise ConfigError(
            f"{algorithm.name} goes through all joint actions, and {task.label} has {space.joint_count:,}, more than "
            f"{JOINT_LIMIT:,}: take bc, whose policy has a part for each factor, or {fewer}"
        )
