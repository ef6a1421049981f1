"""State values."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.networks.critic import CriticConfig
from imitax.networks.mlp import MLP, Precision
from imitax.types import Spec


class Value(eqx.Module):
    """A state-value function `[B, O] -> [B]`, with the hidden layers of a critic.

    A flagged one knows the absorbing state by a second argument [B], 1 there and 0 (or None) elsewhere.
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
        sizes = (spec.obs_dim + flagged, *cfg.hidden, 1)
        self.mlp = MLP(sizes, key=key, activation=cfg.activation, layer_norm=cfg.layer_norm, precision=precision)

    def __call__(
        self, obs: Float[Array, "B O"], absorbing: Float[Array, "B"] | Bool[Array, "B"] | None = None
    ) -> Float[Array, "B"]:
        """Values of states."""
        if self.flagged:
            flag = jnp.zeros((len(obs), 1)) if absorbing is None else absorbing[:, None].astype(float)
            obs = jnp.concatenate([obs, flag], axis=1)
        return self.mlp(obs)[:, 0]
