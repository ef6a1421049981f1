"""Which policy is for which actions."""

from jaxtyping import PRNGKeyArray

from imitax.networks.categorical import Categorical
from imitax.networks.gaussian import Gaussian
from imitax.networks.mlp import Precision
from imitax.networks.policy import PolicyConfig, TanhGaussian
from imitax.spaces import Spec

PolicyHead = TanhGaussian | Gaussian | Categorical
"""Policies that are trained: `sample`, `choices`, `mode`, `log_prob`."""


def policy_head(spec: Spec, cfg: PolicyConfig, *, key: PRNGKeyArray, precision: Precision = "float32") -> PolicyHead:
    """A new policy for the actions of a task."""
    kind = Categorical if spec.is_finite else Gaussian if spec.is_open else TanhGaussian
    return kind(spec, cfg, key=key, precision=precision)
