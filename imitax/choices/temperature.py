"""The entropy weight of maximum-entropy policies: fixed, or tuned to a target entropy."""

import math
from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.types import Metrics


class LogTemperature(eqx.Module):
    """The trained scalar, log alpha."""

    value: Float[Array, ""]

    def __call__(self) -> Float[Array, ""]:
        """Alpha."""
        return jnp.exp(self.value)


@dataclass(frozen=True)
class Temperature:
    """Entropy weight alpha (Haarnoja et al. 2018b, section 5)."""

    kind: Literal["fixed", "tuned"] = "tuned"
    """fixed: alpha stays at `initial`. tuned: gradient steps move the policy's entropy to its target."""
    initial: float = 1.0
    """Alpha at the start."""
    target_entropy: float | None = None
    """Entropy, in nats, that tuning aims at; None is -|A|, for actions measured in half-widths of their box."""
    lr: float = 3e-4
    """Learning rate of log alpha."""

    def __post_init__(self):
        if self.initial <= 0:
            raise ConfigError(f"temperature.initial must be positive, got {self.initial}")

    def create(self) -> Learner[LogTemperature]:
        """The temperature's learner before its first step."""
        return Learner.create(LogTemperature(jnp.asarray(math.log(self.initial))), OptimizerConfig(lr=self.lr))

    def update(
        self,
        learner: Learner[LogTemperature],
        entropy: Float[Array, "B"],
        real: Float[Array, "B"],
        half: Float[Array, "A"],
    ) -> Learner[LogTemperature]:
        """One step towards the target entropy; nothing when fixed.

        The loss is `alpha (H - target)`, averaged (Haarnoja et al. 2018b, equation 18): an entropy below its
        target raises alpha.

        Args:
            learner: the temperature.
            entropy: `-log pi(a|s)` of sampled actions.
            real: 1 for states that count, 0 for the absorbing one.
            half: half-widths of the action box. The default target -|A| is meant for a box of +-1; in another box
                the same policy's entropy is larger by `sum log half`, and the target moves with it.
        """
        if self.kind == "fixed":
            return learner
        target = -len(half) + jnp.log(half).sum() if self.target_entropy is None else self.target_entropy
        return learner.descend(temperature_loss, entropy, real, target)[0]


def temperature_loss(
    net: LogTemperature, entropy: Float[Array, "B"], real: Float[Array, "B"], target: Float[Array, ""] | float
) -> tuple[Float[Array, ""], Metrics]:
    """`alpha (H - target)`, averaged over the states that count."""
    return net() * ((entropy - target) * real).sum() / jnp.maximum(real.sum(), 1.0), {}
