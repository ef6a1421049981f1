"""Discrete MDPs and inverse RL on them with exact expectations: ground truth for tests, and for small questions."""

from imitax.tabular.irl import Recovered, iq_learn, iq_learn_on_policy, max_causal_entropy, recoil
from imitax.tabular.mdp import (
    Paths,
    Solution,
    TabularMDP,
    dense,
    deterministic,
    empirical,
    occupancy,
    policy_evaluation,
    sample,
    soft_value_iteration,
)

__all__ = [
    "Paths",
    "Recovered",
    "Solution",
    "TabularMDP",
    "dense",
    "deterministic",
    "empirical",
    "iq_learn",
    "iq_learn_on_policy",
    "max_causal_entropy",
    "occupancy",
    "policy_evaluation",
    "recoil",
    "sample",
    "soft_value_iteration",
]
