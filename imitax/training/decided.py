"""Settings that the demonstrations decide, also where they were given, unless a setting of the rule forbids it.

For new runs alone: a resumed one goes on with what it has.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from imitax.algorithm import Needs
from imitax.config import Training, flatten, override
from imitax.datasets import Dataset
from imitax.envs import Task
from imitax.training.data import Data
from imitax.training.task import say

LEAST_HORIZON = 10
"""Steps; the horizon of values is not lowered below it."""


def decide(cfg: Any, needs: Needs, task: Task, data: Data, options: Training) -> tuple[Any, dict[str, Any]]:
    """The configuration that follows from the demonstrations, and what was given in place of it."""
    cfg, horizon = with_horizon(cfg, needs, task, data.demos, options)
    cfg, ends = with_ends(cfg, needs, [selection.train for selection in data.selections], options)
    return cfg, horizon | ends


def with_horizon(
    cfg: Any, needs: Needs, task: Task, demos: Dataset | None, options: Training
) -> tuple[Any, dict[str, float]]:
    """The configuration whose values end about where the time limit of a task without ends does, and what was given.

    After the limit values go on, with steps that nobody has seen. Where the horizon 1 / (1 - gamma) is as long as the
    limit or longer, it becomes `Needs.horizon_share` of that, but no less than LEAST_HORIZON. Demonstrations show
    whether the task ends by itself.
    """
    share, steps, given = needs.horizon_share, task.max_episode_steps, flatten(cfg).get("gamma", 0.0)
    if share is None or steps is None or demos is None or given < 1 - 1 / steps:
        return cfg, {}
    gamma = round(1 - 1 / max(share * steps, LEAST_HORIZON), 6)
    if gamma >= given or any(episode.terminated for episode in demos.episodes):
        return cfg, {}
    limit = f"a time limit ends episodes after {steps} steps"
    say(options, f"{limit}, so gamma is {gamma:g}, not {given:g} (horizon_share=None or --horizon-share none keeps it)")
    return override(cfg, gamma=gamma), {"gamma": given}


def with_ends(
    cfg: Any, needs: Needs, demos: Sequence[Dataset], options: Training
) -> tuple[Any, dict[str, dict[str, Any]]]:
    """The configuration that tells ends apart where most demonstrations have one, and what was given.

    An expert who is never seen to end shows that all ends are failures, and one state stands for all of them. Where
    demonstrations end, such as with a landing, there are ends to reach and others to avoid. Subsampled demonstrations
    have lost most of their ends.

    Args:
        cfg: of the algorithm.
        needs: its needs.
        demos: that each seed learns from; the one with the fewest ends decides for all.
        options: of the run.
    """
    if needs.stay_share is None or not demos or options.subsample != 1:
        return cfg, {}
    counts = [(sum(episode.terminated for episode in data.episodes), len(data.episodes)) for data in demos]
    ended, count = min(counts, key=lambda pair: pair[0] / pair[1])
    if ended <= needs.stay_share * count:
        return cfg, {}
    given = asdict(flatten(cfg)["terminal"])
    what = f"so terminal.kind is stay, not {given['kind']}"
    say(options, f"{ended} of {count} demonstrations terminate, {what} (stay_share=None or --stay-share none keeps it)")
    return override(cfg, **{"terminal.kind": "stay"}), {"terminal": given}
