"""What a dynamics ensemble is fitted by: likelihood, bounds on its variance, weight decay."""

from dataclasses import field
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import Dynamics
from imitax.settings import Count, Range, settings
from imitax.types import Metrics, Transition

OFFICIAL_DECAY = (2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4)
"""The authors' weights, for four hidden layers."""


@settings("fit")
class DynamicsFit:
    """How an ensemble is fitted (Janner et al. 2019, MBPO, arXiv:1906.08253)."""

    batch_size: Count = 256
    """Transitions of each member in a step."""
    epochs: Count = 200
    """Passes over the data, at most."""
    patience: Count = 5
    """Stop after so many epochs in which no member improved."""
    improvement: float = 0.01
    """Share of its held-out error by which a member must fall below its best, for its weights to be kept."""
    holdout: Annotated[float, Range(0.0, 1.0, open_low=True, open_high=True)] = 0.1
    """Share of the data, whole episodes where there are any, that errors are measured on."""
    holdout_max: Count = 5000
    """Transitions held out, at most."""
    bootstrap: bool = True
    """Every member has a sample of its own from the data, drawn with replacement; else all have all, in other orders
    (CleanIL)."""
    bound_weight: float = 0.01
    """Weight of the distance between the learned bounds on the log variance."""
    decay: tuple[float, ...] = (2.5e-5, 5e-5, 7.5e-5, 1e-4)
    """Weight of `||W||^2 / 2` of each layer of each member; the last one stands for all further layers."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3))

    def __post_init__(self):
        if not self.decay:
            raise ConfigError("fit.decay is empty: give one weight for all layers, or 0")

    def loss(self, dynamics: Dynamics, t: Transition) -> tuple[Float[Array, ""], Metrics]:
        """Negative log likelihood, without constants, summed over members and averaged over outputs.

        Args:
            dynamics: the ensemble.
            t: transitions [N B] of each member.
        """
        p = dynamics.predict(t.obs, t.action)
        error = p.mean - dynamics.scaled_outputs(t.obs, t.next_obs, t.reward)  # [N B D]
        nll = (error**2 * jnp.exp(-p.log_var) + p.log_var).mean((1, 2))  # [N]
        bounds = self.bound_weight * (dynamics.log_var_max - dynamics.log_var_min).sum()
        decays = [self.decay[min(i, len(self.decay) - 1)] for i in range(len(dynamics.mlp.weights))]
        decay = sum(d * (w**2).sum() / 2 for d, w in zip(decays, dynamics.mlp.weights, strict=True))
        ends = jnp.zeros(())
        if dynamics.termination is None:
            ended = t.terminated.astype(float)
            ends = (jax.nn.softplus(p.end) - ended * p.end).mean(1).sum()
        return nll.sum() + bounds + decay + ends, {"model_nll": nll.mean(), "model_mse": (error**2).mean()}
