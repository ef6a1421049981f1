"""Action-value critics: an ensemble of networks on observation and action."""

from dataclasses import field
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.networks.choices import Choices
from imitax.networks.encoder import Encoder, EncoderConfig, make_encoder
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.settings import Count, Units, settings
from imitax.spaces import Spec
from imitax.types import Obs


@settings("critic")
class CriticConfig:
    """Networks of the critic ensemble."""

    hidden: Units = (256, 256)
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

    Of a finite set of actions the network sees the observation alone, and has one output for each of the K joint
    actions. A one-hot action selects its output. Between such points the value is linear in each factor of the action,
    and the zero action, which the absorbing state has, selects the mean of all outputs.
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
        actions, outputs = (0, spec.finite.joint_count) if spec.is_finite else (spec.action_dim, 1)
        mlp = MLP(
            (self.encoder.size + actions + flagged, *cfg.hidden, outputs),
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

    def among(
        self, obs: Obs, choices: Choices, absorbing: Float[Array, "B"] | Bool[Array, "B"] | None = None
    ) -> Float[Array, "N M B"]:
        """Values of all members at a policy's actions; of a finite set, for one pass of the network."""
        if not self.spec.is_finite:
            if len(choices.action) == 1:
                return self(obs, choices.action[0], absorbing)[:, None]
            return jnp.moveaxis(jax.vmap(lambda action: self(obs, action, absorbing))(choices.action), 0, 1)
        flag = jnp.zeros(choices.log_prob.shape[-1]) if absorbing is None else absorbing.astype(float)
        return jnp.moveaxis(self._network([self.encoder(obs)], flag), -1, -2)

    def at(self, x: CriticInput) -> Float[Array, "N B"]:
        """Values of all members, at inputs that they share or at inputs of their own."""
        if not self.spec.is_finite:
            return self._network([self.encoder(x.obs), x.action], x.absorbing)[..., 0]
        values = self._network([self.encoder(x.obs)], x.absorbing)  # [N B K]
        share = self.spec.finite.combined(x.action, jnp.multiply)  # [*N B K]
        rest = (1 - share.sum(-1, keepdims=True)) / share.shape[-1]
        return (values * jnp.broadcast_to(share + rest, values.shape)).sum(-1)

    def _network(self, parts: list[Array], absorbing: Float[Array, "*N B"]) -> Float[Array, "N B K"]:
        flags = [absorbing[..., None]] if self.flagged else []
        return self.mlp(jnp.concatenate([*parts, *flags], axis=-1))
