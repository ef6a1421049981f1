"""Discrete MDPs and inverse RL on them with exact expectations: ground truth for tests, and for small studies."""

from imitax.tabular.causal_entropy import max_causal_entropy
from imitax.tabular.demonstrations import Paths, empirical, sample
from imitax.tabular.implicit import iq_learn, iq_learn_on_policy, recoil
from imitax.tabular.mdp import TabularMDP, dense, deterministic
from imitax.tabular.planning import Solution, occupancy, policy_evaluation, soft_value_iteration
from imitax.tabular.solvers import Recovered

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
