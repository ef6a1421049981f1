"""Evaluations of a run: rollouts of every seed's policy, and how well it explains its demonstrations."""

from typing import Any

from imitax import seeding
from imitax.evaluate import Evaluator, explain
from imitax.networks import Policy
from imitax.seeding import Purpose
from imitax.stacking import unstack
from imitax.statistics import d4rl_score, expert_fraction
from imitax.training.setup import Setup


def evaluation_records(setup: Setup, evaluator: Evaluator, state: Any) -> dict[int, dict[str, Any]]:
    """What an evaluation measures of every seed.

    Where the networks can act in other ways too (`alternatives`), their mean returns are recorded beside the policy's.
    """
    policies: Policy = setup.algorithm.policy(state)
    records = {}
    for i, (seed, rolled) in enumerate(zip(setup.training.seeds, evaluator(policies), strict=True)):
        mean = float(rolled.returns.mean())
        records[seed] = {
            "return_mean": mean,
            "expert_fraction": expert_fraction(mean, setup.data.expert_return),
            "d4rl": d4rl_score(setup.task.env_id, mean),
            "returns": rolled.returns.round(4),
            "lengths": rolled.lengths,
            "terminated": float(rolled.terminated.mean()),
        } | explanation(setup, policies, i)
    for name, alternative in setup.algorithm.alternatives(state).items():
        for seed, rolled in zip(setup.training.seeds, evaluator(alternative), strict=True):
            records[seed][f"return_mean_{name}"] = float(rolled.returns.mean())
    return records


def explanation(setup: Setup, policies: Policy, index: int) -> dict[str, float]:
    """How well one seed's policy explains its demonstrations, and those held out."""
    if not setup.data.selections:
        return {}
    selection, key = setup.data.selections[index], seeding.key(setup.training.seeds[index], Purpose.EVALUATION)
    found = {}
    for name, data in (("train", selection.train), ("validation", selection.validation)):
        if data is not None and data.has_actions:
            measures = explain(unstack(policies, index), data.transitions(), key)
            found |= {f"{name}_{k}": float(v) for k, v in measures.items()}
    return found
