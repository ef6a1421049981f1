"""Reward and discriminator networks: a function of what a transition shows of itself."""

from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.errors import ConfigError
from imitax.networks.mlp import MLP, Activation, Precision, bounded
from imitax.types import Spec

RewardInputs = Literal["state_action", "state", "state_next"]


@dataclass(frozen=True)
class RewardConfig:
    """Network of the reward or discriminator."""

    hidden: tuple[int, ...] = (256, 256)
    """Units of the hidden layers."""
    activation: Activation = "relu"
    """Hidden nonlinearity."""
    inputs: RewardInputs = "state_action"
    """What it sees: state and action; the state (rewards that carry over to other dynamics, AIRL); the state and the
    next one (imitation from observation, GAIfO). The last two need no demonstrated actions."""
    shaping: bool = False
    """Add gamma b(s') - b(s) with a learned potential b (Fu et al. 2018, equation 4); the learned reward is what is
    left without it."""
    bound: float | None = 10.0
    """Outputs lie within +-bound; None leaves them free."""
    bound_kind: Literal["tanh", "clip"] = "tanh"
    """tanh: bound * tanh(x / bound), whose gradient never vanishes quite. clip (the reference system): outputs beyond
    the bound have no gradient, and nothing pulls them back."""
    dropout: float = 0.0
    """Share of hidden units dropped in the discriminator's loss."""
    input_dropout: float = 0.0
    """Share of inputs dropped in the discriminator's loss."""
    spectral_norm: bool = False
    """Divide every weight matrix by its largest singular value (Miyato et al. 2018)."""

    def __post_init__(self):
        if self.bound is not None and self.bound <= 0:
            raise ConfigError(f"reward.bound must be positive or None, got {self.bound}")
        for name in ("dropout", "input_dropout"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise ConfigError(f"reward.{name} must lie in [0, 1), got {share}")


class Reward(eqx.Module):
    """`[B, D] -> [B]` on joined columns `[obs, action, flag, next_obs, next_flag]`.

    Args:
        spec: of the task.
        cfg: of the network.
        gamma: discount factor of the shaping term.
        flagged: the flags are inputs; otherwise `next_flag` only removes the next state's potential.
        absorbing: with flags, the absorbing state has a potential of its own; otherwise the end's potential is zero.
    """

    mlp: MLP
    potential: MLP | None
    spec: Spec
    cfg: RewardConfig = eqx.field(static=True)
    gamma: float = eqx.field(static=True)
    flagged: bool = eqx.field(static=True)
    absorbing: bool = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        cfg: RewardConfig,
        *,
        gamma: float,
        flagged: bool,
        absorbing: bool,
        key: PRNGKeyArray,
        precision: Precision = "float32",
    ):
        self.spec, self.cfg, self.gamma, self.flagged, self.absorbing = spec, cfg, gamma, flagged, absorbing
        kr, kb = jr.split(key)
        o, a, flag = spec.obs_dim, spec.action_dim, int(flagged)
        size = {"state_action": o + a + flag, "state": o + flag, "state_next": 2 * (o + flag)}[cfg.inputs]

        def network(n_in: int, key: PRNGKeyArray) -> MLP:
            return MLP(
                (n_in, *cfg.hidden, 1),
                key=key,
                activation=cfg.activation,
                dropout=cfg.dropout,
                input_dropout=cfg.input_dropout,
                spectral_norm=cfg.spectral_norm,
                precision=precision,
            )

        self.mlp = network(size, kr)
        self.potential = network(o + flag, kb) if cfg.shaping else None

    @property
    def action_columns(self) -> slice | None:
        """Where actions stand among the joined columns; None when the reward does not see them."""
        o, a = self.spec.obs_dim, self.spec.action_dim
        return slice(o, o + a) if self.cfg.inputs == "state_action" else None

    def join(
        self,
        obs: Float[Array, "B O"],
        action: Float[Array, "B A"],
        flag: Float[Array, "B"],
        next_obs: Float[Array, "B O"],
        next_flag: Float[Array, "B"],
    ) -> Float[Array, "B D"]:
        """The joined columns; demonstrations without actions count as zeros there."""
        if action.shape[1] != self.spec.action_dim:
            action = jnp.zeros((len(obs), self.spec.action_dim))
        return jnp.concatenate([obs, action, flag[:, None], next_obs, next_flag[:, None]], axis=1)

    def __call__(self, x: Float[Array, "B D"], key: PRNGKeyArray | None = None) -> Float[Array, "B"]:
        """The reward with its shaping term; with a key, units are dropped."""
        kr, kb, kn = (None, None, None) if key is None else jr.split(key, 3)
        value = self._bounded(self.mlp(self._inputs(x), kr)[:, 0])
        if self.potential is None:
            return value
        here, there = self._states(x)
        return value + self.gamma * self._potential(*there, kn) - self._potential(*here, kb)

    def unshaped(self, x: Float[Array, "B D"]) -> Float[Array, "B"]:
        """The reward itself."""
        return self._bounded(self.mlp(self._inputs(x))[:, 0])

    def _bounded(self, value: Float[Array, "B"]) -> Float[Array, "B"]:
        return bounded(value, self.cfg.bound, self.cfg.bound_kind)

    def _states(self, x: Float[Array, "B D"]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        o, a = self.spec.obs_dim, self.spec.action_dim
        return (x[:, :o], x[:, o + a : o + a + 1]), (x[:, o + a + 1 : -1], x[:, -1:])

    def _inputs(self, x: Float[Array, "B D"]) -> Float[Array, "B I"]:
        o, a = self.spec.obs_dim, self.spec.action_dim
        (obs, flag), (next_obs, next_flag) = self._states(x)
        parts = {
            "state_action": [obs, x[:, o : o + a], flag],
            "state": [obs, flag],
            "state_next": [obs, next_obs, flag, next_flag],
        }[self.cfg.inputs]
        flags = {"state_action": 1, "state": 1, "state_next": 2}[self.cfg.inputs]
        return jnp.concatenate(parts if self.flagged else parts[:-flags], axis=1)

    def _potential(
        self, obs: Float[Array, "B O"], flag: Float[Array, "B 1"], key: PRNGKeyArray | None
    ) -> Float[Array, "B"]:
        assert self.potential is not None
        value = self.potential(jnp.concatenate([obs, flag], axis=1) if self.flagged else obs, key)[:, 0]
        # the flag switches the potential off and is no direction in which a gradient penalty should look
        return value if self.absorbing else value * (1 - jax.lax.stop_gradient(flag[:, 0]))
