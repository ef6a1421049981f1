"""The entropy weight of maximum-entropy policies: fixed, or tuned to a target entropy."""

import math
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.learner import Learner, OptimizerConfig
from imitax.settings import Positive, settings
from imitax.spaces import Spec
from imitax.types import Metrics

FINITE_SHARE, SOFT_SHARE = 0.4, 0.15
"""Target entropy of a finite set, as a share of the largest: of the policy, and of the softmax that it learns."""


class LogScalar(eqx.Module):
    """The logarithm of a trained positive number: a temperature, or the weight of a penalty."""

    value: Float[Array, ""]

    @classmethod
    def learner(cls, initial: float, lr: float) -> "Learner[LogScalar]":
        """Its learner before the first step."""
        return Learner.create(cls(jnp.asarray(math.log(initial))), OptimizerConfig(lr=lr))

    def __call__(self) -> Float[Array, ""]:
        """The number."""
        return jnp.exp(self.value)


@settings("temperature")
class Temperature:
    """Entropy weight alpha (Haarnoja et al. 2018b, section 5)."""

    kind: Literal["fixed", "tuned"] = "tuned"
    """fixed: alpha stays at `initial`. tuned: gradient steps move the policy's entropy to its target."""
    initial: Positive = 1.0
    """Alpha at the start."""
    target_entropy: float | None = None
    """Entropy, in nats, that tuning aims at; None is -|A|, for actions measured in half-widths of their box, and 0.4
    log K for a finite set of K actions (the 0.98 log K of Christodoulou 2019 keep the policy all but uniform), or 0.15
    log K where it is the softmax of the values whose entropy counts (`finite_values`)."""
    lr: float = 3e-4
    """Learning rate of log alpha."""

    def create(self) -> Learner[LogScalar]:
        """The temperature's learner before its first step."""
        return LogScalar.learner(self.initial, self.lr)

    def update(
        self,
        learner: Learner[LogScalar],
        entropy: Float[Array, "B"],
        mask: Float[Array, "B"],
        spec: Spec,
        share: float = FINITE_SHARE,
    ) -> Learner[LogScalar]:
        """One step towards the target entropy; nothing when fixed.

        Args:
            learner: the temperature.
            entropy: `-log pi(a|s)` of sampled actions.
            mask: 1 for states that count, 0 for the absorbing one.
            spec: of the actions.
            share: of the largest entropy of a finite set, where no target is given.
        """
        if self.kind == "fixed":
            return learner
        target = usual_entropy(spec, share) if self.target_entropy is None else self.target_entropy
        return learner.descend(temperature_loss, entropy, mask, target)[0]


def usual_entropy(spec: Spec, share: float = FINITE_SHARE) -> Float[Array, ""]:
    """The target entropy where none is given.

    -|A| is meant for a box of +-1; in another box the same policy's entropy is larger by `sum log half`, and the target
    moves with it.
    """
    if spec.is_finite:
        return share * jnp.log(jnp.asarray(spec.finite.sizes, float)).sum()
    return -len(spec.half) + jnp.log(spec.half).sum()


def temperature_loss(
    net: LogScalar, entropy: Float[Array, "B"], mask: Float[Array, "B"], target: Float[Array, ""] | float
) -> tuple[Float[Array, ""], Metrics]:
    """`alpha (H - target)`, averaged over the states that count (Haarnoja et al. 2018b, equation 18).

    An entropy below its target raises alpha.
    """
    return net() * ((entropy - target) * mask).sum() / jnp.maximum(mask.sum(), 1.0), {}
