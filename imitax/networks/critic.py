"""Action-value critics: an ensemble of networks on observation and action."""

from dataclasses import field
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.networks.encoder import Encoder, EncoderConfig, make_encoder
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.settings import Count, settings
from imitax.spaces import Spec
from imitax.types import Obs


@settings("critic")
class CriticConfig:
    """Networks of the critic ensemble."""

    hidden: tuple[int, ...] = (256, 256)
    """Units of the hidden layers."""
    activation: Activation = "relu"
    """Hidden nonlinearity."""
    members: Count = 2
    """N, number of critics; targets take their minimum (twin critics, Fujimoto et al. 2018)."""
    layer_norm: bool = False
    """Normalise the hidden layers (Ball et al. 2023): bounds how far Q extrapolates off the data."""
    zero_head: bool = False
    """Weights and biases of the last layers are zeros at the start, so that all values are."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """One for all members."""


class CriticInput(NamedTuple):
    """What a critic sees; leaves may have a leading axis of critics."""

    obs: Obs
    action: Float[Array, "*N B A"]
    absorbing: Float[Array, "*N B"]
    """1 in the absorbing state, 0 elsewhere."""


class Critic(eqx.Module):
    """N action-value functions in one batched product: `[B, O], [B, A] -> [N, B]`.

    A `flagged` critic takes a third argument [B] that marks the absorbing state.
    """

    mlp: MLP
    spec: Spec
    encoder: Encoder
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
        self.spec, self.flagged, self.encoder = spec, flagged, make_encoder(spec.observation, cfg.encoder, key)
        mlp = MLP(
            (self.encoder.size + spec.action_dim + flagged, *cfg.hidden, 1),
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
        self, obs: Obs, action: Float[Array, "B A"], absorbing: Float[Array, "B"] | Bool[Array, "B"] | None = None
    ) -> Float[Array, "N B"]:
        """Values of all members."""
        flag = jnp.zeros(len(action)) if absorbing is None else absorbing.astype(float)
        return self.at(CriticInput(obs, action, flag))

    def at(self, x: CriticInput) -> Float[Array, "N B"]:
        """Values of all members, at inputs that they share or at inputs of their own."""
        parts = [self.encoder(x.obs), x.action, *([x.absorbing[..., None]] if self.flagged else [])]
        return self.mlp(jnp.concatenate(parts, axis=-1))[..., 0]
