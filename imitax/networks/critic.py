"""Action-value critics: an ensemble of networks on observation and action."""

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

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
    zero_head: bool = False
    """Weights and biases of the last layers are zeros at the start, so that all values are."""


class Critic(eqx.Module):
    """N action-value functions in one batched product: `[B, O], [B, A] -> [N, B]`.

    A flagged critic knows the absorbing state by a third argument [B], 1 there and 0 (or None) elsewhere.
    """

    mlp: MLP
    spec: Spec
    flagged: bool = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        cfg: CriticConfig,
        *,
        flagged: bool = False,
        key: PRNGKeyArray,
        precision: Precision = "float32",
    ):
        self.spec, self.flagged = spec, flagged
        mlp = MLP(
            (spec.obs_dim + spec.action_dim + flagged, *cfg.hidden, 1),
            key=key,
            members=cfg.members,
            activation=cfg.activation,
            layer_norm=cfg.layer_norm,
            precision=precision,
        )
        if cfg.zero_head:
            mlp = eqx.tree_at(lambda m: (m.weights[-1], m.biases[-1]), mlp, replace_fn=jnp.zeros_like)
        self.mlp = mlp

    def __call__(
        self,
        obs: Float[Array, "B O"],
        action: Float[Array, "B A"],
        absorbing: Float[Array, "B"] | Bool[Array, "B"] | None = None,
    ) -> Float[Array, "N B"]:
        """Values of all members."""
        return self.at(self.join(obs, action, absorbing))

    @property
    def action_columns(self) -> slice:
        """Where actions stand in the network's input."""
        return slice(self.spec.obs_dim, self.spec.obs_dim + self.spec.action_dim)

    def join(
        self,
        obs: Float[Array, "B O"],
        action: Float[Array, "B A"],
        absorbing: Float[Array, "B"] | Bool[Array, "B"] | None = None,
    ) -> Float[Array, "B D"]:
        """The network's input."""
        parts = [obs, action]
        if self.flagged:
            parts.append(jnp.zeros((len(obs), 1)) if absorbing is None else absorbing[:, None].astype(float))
        return jnp.concatenate(parts, axis=-1)

    def at(self, x: Float[Array, "*N B D"]) -> Float[Array, "M B"]:
        """Values of all members at joined inputs: shared ones, or one set a member."""
        return self.mlp(x)[..., 0]
