"""The rules by which one of a run's policies is taken, and what each of them needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from imitax.config import Rule
from imitax.errors import ConfigError, unknown

RULES: tuple[str, ...] = get_args(Rule)
LOWER_IS_BETTER = frozenset({"validation_error", "agreement"})
NEEDS_NOTHING = frozenset({"last", "best"})
"""Rules that need no policies but those that every run writes."""
NEEDS_ROLLOUTS = frozenset({"learned_reward", "agreement"})
NEEDS_HELD_OUT = frozenset({"validation", "validation_error"})
NEEDS_DATA = NEEDS_HELD_OUT | {"agreement"}


@dataclass(frozen=True)
class Facts:
    """What there is to select by."""

    env: bool
    """An environment, to roll policies out in."""
    demonstrations: bool
    held_out: bool
    """Episodes with actions that no policy has learned from."""
    learned_reward: bool
    images: bool
    """Some observations are images."""


def check_rule(rule: str) -> None:
    """Refuse a rule that does not exist. Raises ConfigError."""
    if rule not in RULES:
        raise ConfigError(unknown("rule", repr(rule), RULES))


def why_not(rule: str, facts: Facts) -> str | None:
    """Why a rule cannot be used, and what to do; None where it can."""
    if rule == "best" and not facts.env:
        return "it goes by returns, and without an environment there are none: take validation_error"
    if rule in NEEDS_ROLLOUTS and not facts.env:
        return "it rolls policies out, and there is no environment: take validation or validation_error"
    if rule == "learned_reward" and not facts.learned_reward:
        return "the algorithm learns no reward"
    if rule in NEEDS_DATA and not facts.demonstrations:
        return "there are no demonstrations that policies could be compared with (--demos)"
    if rule in NEEDS_HELD_OUT and not facts.held_out:
        return (
            "no episode with actions was held out: train with --validation-episodes, or select with --demos FILE of "
            "episodes that were not learned from"
        )
    if rule == "agreement" and facts.images:
        return (
            "distances between pixels say little about what they show, so it is not defined for images: take "
            "validation_error, or learned_reward where a reward is learned"
        )
    return None


def choose(rule: str, steps: Sequence[int], scores: Sequence[float | None]) -> int:
    """The step of the best score; of equal ones, the latest, which has learned longest.

    The rule `best` takes the earliest, which is what `which="best"` is.

    Args:
        rule: says whether high or low is good.
        steps: of the evaluations, in order.
        scores: of each; None or NaN is no score.

    Raises:
        ConfigError: there is no score.
    """
    if rule == "last":
        return steps[-1]
    sign = -1 if rule in LOWER_IS_BETTER else 1
    known = [(sign * x, step) for x, step in zip(scores, steps, strict=True) if x is not None and not math.isnan(x)]
    if not known:
        raise ConfigError(f"the rule {rule} has no finite score for any of the evaluations")
    return max(known, key=lambda pair: pair[0])[1] if rule == "best" else max(known)[1]
