"""Action-value critics: an ensemble of networks on observation and action."""

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.networks.mlp import MLP, Activation, Precision
from imitax.types import Spec


@dataclass(frozen=True)
class CriticConfig:
    """Networks of the critic ensemble."""

    hidden: tuple[int, ...] = (256, 256)
    """Units of the hidden layers."""
    activation: Activation = "relu"
    """Hidden nonlinearity."""
    members: int = 2
    """N, number of critics; targets take their minimum (twin critics, Fujimoto et al. 2018)."""
    layer_norm: bool = False
    """Normalise the hidden layers (Ball et al. 2023): bounds how far Q extrapolates off the data."""


class Critic(eqx.Module):
    """N action-value functions in one batched product: `[B, O], [B, A] -> [N, B]`."""

    mlp: MLP

    def __init__(self, spec: Spec, cfg: CriticConfig, *, key: PRNGKeyArray, precision: Precision = "float32"):
        self.mlp = MLP(
            (spec.obs_dim + spec.action_dim, *cfg.hidden, 1),
            key=key,
            members=cfg.members,
            activation=cfg.activation,
            layer_norm=cfg.layer_norm,
            precision=precision,
        )

    def __call__(self, obs: Float[Array, "B O"], action: Float[Array, "B A"]) -> Float[Array, "N B"]:
        """Values of all members."""
        return self.mlp(jnp.concatenate([obs, action], axis=-1))[..., 0]
