"""Reward and discriminator networks: a function of what a transition shows of itself."""

from dataclasses import field
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.errors import ConfigError
from imitax.networks.encoder import Encoder, EncoderConfig, make_encoder
from imitax.networks.mlp import MLP, Activation, Precision, bounded
from imitax.settings import Count, NonNegative, Positive, ShareBelowOne, Units, settings
from imitax.spaces import Spec
from imitax.types import Obs, RewardInput

Combine = Literal["mean", "minimum", "pessimistic"]
"""How an ensemble's members count as one reward: their mean, the lowest, or the mean less standard deviations."""


@settings("reward")
class RewardConfig:
    """Network of the reward or discriminator."""

    hidden: Units = (256, 256)
    """Units of the hidden layers."""
    activation: Activation = "relu"
    """Hidden nonlinearity."""
    inputs: Literal["state_action", "state", "state_next"] = "state_action"
    """What it sees: state and action; the state (rewards that carry over to other dynamics, AIRL); the state and the
    next one (imitation from observation, GAIfO). The last two need no demonstrated actions."""
    shaping: bool = False
    """Add gamma b(s') - b(s) with a learned potential b (Fu et al. 2018, equation 4); the learned reward is what is
    left without it."""
    bound: Positive | None = 10.0
    """Outputs lie within +-bound; None leaves them free."""
    bound_kind: Literal["tanh", "clip"] = "tanh"
    """tanh: bound * tanh(x / bound), whose gradient never quite vanishes. clip (CleanIL): outputs beyond the bound have
    no gradient, and nothing pulls them back."""
    dropout: ShareBelowOne = 0.0
    """Share of hidden units dropped in the discriminator's loss."""
    input_dropout: ShareBelowOne = 0.0
    """Share of inputs dropped in the discriminator's loss."""
    spectral_norm: bool = False
    """Divide every weight matrix by its largest singular value (Miyato et al. 2018)."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """One for the reward and its shaping term. Units of it are never dropped, nor divided by singular values."""
    members: Count = 1
    """N, number of rewards that are learned side by side from the same data, each from an initialisation of its own."""
    combine: Combine = "mean"
    """What the policy gets of several members: their mean, the minimum, or (pessimistic) the mean less `deviations`
    standard deviations."""
    deviations: NonNegative = 1.0
    """Standard deviations of the members that combine=pessimistic takes off their mean."""

    def __post_init__(self):
        if self.members == 1 and (self.combine != "mean" or self.deviations != 1):
            raise ConfigError("reward.combine and reward.deviations are for several rewards: give reward.members")

    def combined(self, values: Float[Array, "N B"], combine: Combine) -> Float[Array, "B"]:
        """The members' values as one."""
        if combine == "minimum":
            return values.min(0)
        return values.mean(0) - (self.deviations * values.std(0) if combine == "pessimistic" else 0.0)


class Reward(eqx.Module):
    """`RewardInput -> [B]`.

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
    encoder: Encoder
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
    ):  # the keywords are what its file says of a saved reward
        self.spec, self.encoder, self.cfg = spec, make_encoder(spec.observation, cfg.encoder, key), cfg
        self.gamma, self.flagged, self.absorbing = gamma, flagged, absorbing
        state = self.encoder.size + flagged
        sizes = {"state_action": state + spec.action_dim, "state": state, "state_next": 2 * state}
        hidden: dict[str, Any] = {
            "activation": cfg.activation,
            "spectral_norm": cfg.spectral_norm,
            "precision": precision,
        }
        hidden |= {"dropout": cfg.dropout, "input_dropout": cfg.input_dropout}
        kr, kb = jr.split(key)
        self.mlp = MLP((sizes[cfg.inputs], *cfg.hidden, 1), key=kr, **hidden)
        self.potential = MLP((state, *cfg.hidden, 1), key=kb, **hidden) if cfg.shaping else None

    @property
    def precision(self) -> Precision:
        """Of the products."""
        return self.mlp.precision

    def __call__(self, x: RewardInput, key: PRNGKeyArray | None = None) -> Float[Array, "B"]:
        """The reward with its shaping term; with a key, units are dropped."""
        kr, kb, kn = (None, None, None) if key is None else jr.split(key, 3)
        value = self.unshaped(x, kr)
        if self.potential is None:
            return value
        here, there = self._potential(x.obs, x.flag, kb), self._potential(x.next_obs, x.next_flag, kn)
        return value + self.gamma * there - here

    def unshaped(self, x: RewardInput, key: PRNGKeyArray | None = None) -> Float[Array, "B"]:
        """The reward itself."""
        obs, flags = [self.encoder(x.obs)], [x.flag[:, None]]
        if self.cfg.inputs == "state_action":
            obs.append(x.action)
        elif self.cfg.inputs == "state_next":
            obs.append(self.encoder(x.next_obs))
            flags.append(x.next_flag[:, None])
        columns = jnp.concatenate(obs + (flags if self.flagged else []), axis=1)
        return bounded(self.mlp(columns, key)[:, 0], self.cfg.bound, self.cfg.bound_kind)

    def _potential(self, obs: Obs, flag: Float[Array, "B"], key: PRNGKeyArray | None) -> Float[Array, "B"]:
        assert self.potential is not None
        x = self.encoder(obs)
        value = self.potential(jnp.concatenate([x, flag[:, None]], axis=1) if self.flagged else x, key)[:, 0]
        # the flag switches the potential off and is no direction in which a gradient penalty should look
        return value if self.absorbing else value * (1 - jax.lax.stop_gradient(flag))
