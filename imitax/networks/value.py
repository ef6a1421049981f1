"""State values."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.networks.critic import CriticConfig
from imitax.networks.encoder import Encoder, make_encoder
from imitax.networks.mlp import MLP, Precision
from imitax.spaces import Spec
from imitax.types import Obs


class Value(eqx.Module):
    """A state-value function `[B, O] -> [B]`, with the hidden layers of a critic.

    A `flagged` one takes a second argument [B] that marks the absorbing state.
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
        sizes = (self.encoder.size + flagged, *cfg.hidden, 1)
        self.mlp = MLP(sizes, key=key, activation=cfg.activation, layer_norm=cfg.layer_norm, precision=precision)

    def __call__(self, obs: Obs, absorbing: Float[Array, "B"] | Bool[Array, "B"] | None = None) -> Float[Array, "B"]:
        """Values of states."""
        x = self.encoder(obs)
        if self.flagged:
            flag = jnp.zeros((len(x), 1)) if absorbing is None else absorbing[:, None].astype(float)
            x = jnp.concatenate([x, flag], axis=1)
        return self.mlp(x)[:, 0]
