"""Discrete MDPs and inverse RL on them with exact expectations: ground truth for tests, and for small studies."""

from imitax.tabular.causal_entropy import max_causal_entropy
from imitax.tabular.demonstrations import Paths, empirical, sample
from imitax.tabular.identification import Behaviour, Identified, identify
from imitax.tabular.implicit import iq_learn, iq_learn_on_policy, recoil
from imitax.tabular.mdp import TabularMDP, dense, deterministic
from imitax.tabular.planning import Solution, occupancy, policy_evaluation, soft_value_iteration
from imitax.tabular.recovery import airl, f_irl, ml_irl
from imitax.tabular.solvers import Recovered

__all__ = [
    "Behaviour",
    "Identified",
    "Paths",
    "Recovered",
    "Solution",
    "TabularMDP",
    "airl",
    "dense",
    "deterministic",
    "empirical",
    "f_irl",
    "identify",
    "iq_learn",
    "iq_learn_on_policy",
    "max_causal_entropy",
    "ml_irl",
    "occupancy",
    "policy_evaluation",
    "recoil",
    "sample",
    "soft_value_iteration",
]
