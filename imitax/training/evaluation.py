"""Evaluations of a run: rollouts of every seed's policy, and how well it explains its demonstrations.

Without an environment there are no returns, and the errors on held-out episodes are the score.
"""

from typing import Any

import numpy as np

from imitax import seeding
from imitax.evaluate import Evaluator, explain
from imitax.held_out import SCORES, measure
from imitax.networks import Policy
from imitax.seeding import Purpose
from imitax.stacking import unstack
from imitax.statistics import d4rl_score, expert_fraction
from imitax.training.setup import Setup


def evaluation_records(setup: Setup, evaluator: Evaluator | None, state: Any) -> dict[int, dict[str, Any]]:
    """What an evaluation measures of every seed; `evaluator` is None without an environment.

    Where the networks can act in other ways too (`alternatives`), their mean returns are recorded beside the policy's.
    """
    if evaluator is None:
        return error_records(setup, state)
    policies: Policy = setup.algorithm.policy(state)
    records = {}
    for i, (seed, rolled) in enumerate(zip(setup.training.seeds, evaluator(policies), strict=True)):
        mean = float(rolled.returns.mean())
        records[seed] = {
            "return_mean": mean,
            "expert_fraction": expert_fraction(mean, setup.expert_return),
            "d4rl": d4rl_score(setup.task.env_id, mean),
            "returns": rolled.returns.round(4),
            "lengths": rolled.lengths,
            "terminated": float(rolled.terminated.mean()),
        } | explanation(setup, policies, i)
    for name, alternative in setup.algorithm.alternatives(state).items():
        for seed, rolled in zip(setup.training.seeds, evaluator(alternative), strict=True):
            records[seed][f"return_mean_{name}"] = float(rolled.returns.mean())
    return records


def error_records(setup: Setup, state: Any) -> dict[int, dict[str, Any]]:
    """What an evaluation without an environment measures of every seed; returns are None.

    The measures of `held_out.measure` have the prefix `validation_`, or `train_` where no episode is held out.
    """
    policies: Policy = setup.algorithm.policy(state)
    records: dict[int, dict[str, Any]] = {}
    for i, seed in enumerate(setup.training.seeds):
        key = seeding.key(seed, Purpose.EVALUATION)
        data, prefix = setup.data.held_out(i), "validation_"
        if data is None:
            data, prefix = setup.data.learned(i), "train_"
        record = dict.fromkeys((*SCORES, "returns", "lengths")) | {"error_of": setup.task.spec.action.error_of}
        record |= explanation(setup, policies, i, ("train",))
        record |= {prefix + name: value for name, value in measure(unstack(policies, i), data, key).items()}
        for name, alternative in setup.algorithm.alternatives(state).items():
            record[f"{prefix}error_{name}"] = measure(unstack(alternative, i), data, key)["error"]
        records[seed] = record
    return records


def improves(setup: Setup, record: dict[str, Any], best: dict[str, Any]) -> dict[str, Any] | None:
    """The score of an evaluation that is better than the best one so far; None of any other.

    Without an environment it is the error on held-out episodes. Where none are held out there is no best policy, nor
    where rewards are learned from: recorded actions are then no measure of how good others are.
    """
    if setup.task.recorded is None:
        score = record["return_mean"]
        return {"return_mean": score} if score > best["return_mean"] else None
    error = None if setup.needs.rewards else record.get("validation_error")
    better = error is not None and error < best.get("error", np.inf)
    return {"return_mean": None, "error": error} if better else None


def explanation(
    setup: Setup, policies: Policy, index: int, parts: tuple[str, ...] = ("train", "validation")
) -> dict[str, float]:
    """How well one seed's policy explains its demonstrations, and those held out."""
    if not setup.data.selections:
        return {}
    selection, key = setup.data.selections[index], seeding.key(setup.training.seeds[index], Purpose.EVALUATION)
    found = {}
    for name, data in (("train", selection.train), ("validation", selection.validation)):
        if name in parts and data is not None and data.has_actions:
            measures = explain(unstack(policies, index), data.transitions(), key)
            found |= {f"{name}_{k}": float(v) for k, v in measures.items()}
    return found
