"""How uncertain an ensemble is of its own predictions, and what that costs the policy."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.choices.temperature import LogScalar
from imitax.learner import Learner
from imitax.networks import Dynamics, Prediction
from imitax.settings import Positive, settings
from imitax.types import Metrics


@settings("pessimism")
class Pessimism:
    """The penalty lambda u(s, a) on rewards in a learned model (Yu et al. 2020, MOPO, arXiv:2005.13239)."""

    kind: Literal["none", "max_norm", "ensemble_variance", "ensemble_std"] = "max_norm"
    """u, of the observation's change, each coordinate in units of its standard deviation in the data. none: 0.
    max_norm: the largest norm of a member's standard deviation (MOPO). ensemble_variance: the variance of the members'
    mixture, averaged over coordinates (Lu et al. 2022, arXiv:2110.04135). ensemble_std: its root, averaged."""
    weight: Positive = 1.0
    """lambda; where tuned, at the start."""
    tuned: bool = False
    """Move lambda until lambda u is `target` on average."""
    target: float = 1.0
    """Mean penalty that tuning aims at, in units of the reward."""
    lr: float = 0.01
    """Learning rate of log lambda."""

    def uncertainty(self, dynamics: Dynamics, prediction: Prediction) -> Float[Array, "B"]:
        """u of each prediction."""
        o = dynamics.spec.obs_dim
        unit = (dynamics.output_std / jnp.concatenate([dynamics.input_std[:o], jnp.ones(1)]))[:o]
        mean = prediction.mean[..., :o] * unit[None, None]  # [N B O]
        var = jnp.exp(prediction.log_var[..., :o]) * unit[None, None] ** 2
        if self.kind == "max_norm":
            return jnp.sqrt(var.sum(-1)).max(0)
        mixture = var.mean(0) + mean.var(0)  # [B O]
        return (mixture if self.kind == "ensemble_variance" else jnp.sqrt(mixture)).mean(-1)

    def update(self, learner: Learner[LogScalar], u: Float[Array, "B"]) -> Learner[LogScalar]:
        """One step of lambda towards the target; nothing where it is fixed."""
        if self.kind == "none" or not self.tuned:
            return learner
        return learner.descend(weight_loss, u, self.target)[0]


def weight_loss(net: LogScalar, u: Float[Array, "B"], target: float) -> tuple[Float[Array, ""], Metrics]:
    """Falls in lambda where lambda u is below its target, rises where it is above."""
    return net() * jax.lax.stop_gradient(net() * u.mean() - target), {}
