"""The Gaussian policies, with and without tanh, and the policy object that a run saves and a user calls."""

import math
from dataclasses import field
from typing import Literal, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from imitax.errors import ConfigError
from imitax.networks.choices import Choices, sampled
from imitax.networks.encoder import Encoder, EncoderConfig, make_encoder
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.normalizer import Normalizer
from imitax.settings import Units, settings
from imitax.spaces import Spec
from imitax.types import AnyArray, Obs

ActionMode = Literal["mode", "sample"]
"""The deterministic action, or a random one."""

LOC_LIMIT = math.atanh(1 - 1e-6)
"""Bound on the pre-tanh mean, 7.25: beyond it the squashed action no longer moves in float32."""


@settings("policy")
class PolicyConfig:
    """Network of the policy: tanh-Gaussian for a box of actions, Gaussian without the tanh where a side of the box is
    open, categorical for a finite set, which has no use for the bounds of the standard deviation and the clip."""

    hidden: Units = (256, 256)
    """Units of the hidden layers."""
    activation: Activation = "relu"
    """Hidden nonlinearity."""
    log_std_min: float = -5.0
    """Smallest log standard deviation before the tanh (SAC's implementations use -5 or -20, CleanIL ln 1e-3 = -6.9)."""
    log_std_max: float = 2.0
    """Largest log standard deviation before the tanh (CleanIL: ln 3 = 1.1)."""
    action_clip: float = 1e-6
    """Data actions are pulled into the open box by this share of its half-width before their log-probability is taken;
    at 1e-6 a saturated action becomes the regression target |u| = 7.25, at 1e-3 it is 3.8."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    share_encoder: bool = False
    """Images are read through the critic's encoder, as it was after the last update; the policy's loss leaves it alone
    (SAC-AE, Yarats et al. 2021; DrQ). For methods with a critic."""


def require_own_encoder(cfg: PolicyConfig) -> None:
    """Refuse the critic's encoder where there is no critic. Raises ConfigError."""
    if cfg.share_encoder:
        raise ConfigError("policy.share_encoder is for methods with a critic, and this one has none: leave it out")


def encoded(encoder: Encoder, obs: Obs, cfg: PolicyConfig) -> Float[Array, "B D"]:
    """What a policy's layers see of observations; the gradient ends there where the encoder is the critic's."""
    x = encoder(obs)
    return jax.lax.stop_gradient(x) if cfg.share_encoder else x


def loc_and_log_std(outputs: Float[Array, "B D"], cfg: PolicyConfig) -> tuple[Float[Array, "B A"], Float[Array, "B A"]]:
    """The two halves of a Gaussian head's outputs, the second mapped smoothly into the bounds of `log std`."""
    loc, raw = jnp.split(outputs, 2, axis=-1)
    low, high = cfg.log_std_min, cfg.log_std_max
    return loc, low + (high - low) * (jnp.tanh(raw) + 1) / 2


class TanhGaussian(eqx.Module):
    """Diagonal Gaussian squashed by tanh and mapped affinely onto the action box.

    `a = middle + half * tanh(u)`, `u ~ N(loc(s), std(s))`,
    `log pi(a|s) = sum_i log N(u_i) - 2 (ln 2 - u_i - softplus(-2 u_i)) - ln half_i`
    (Haarnoja et al. 2018, appendix C, in the form that is stable for large |u|).

    `log std` is mapped smoothly into `[log_std_min, log_std_max]` by a tanh, as in Kostrikov's and CleanRL's SAC.
    """

    mlp: MLP
    spec: Spec
    encoder: Encoder
    cfg: PolicyConfig = eqx.field(static=True)

    def __init__(self, spec: Spec, cfg: PolicyConfig, *, key: PRNGKeyArray, precision: Precision = "float32"):
        self.spec, self.cfg, self.encoder = spec, cfg, make_encoder(spec.observation, cfg.encoder, key)
        sizes = (self.encoder.size, *cfg.hidden, 2 * spec.action_dim)
        self.mlp = MLP(sizes, key=key, activation=cfg.activation, precision=precision)

    def gaussian(self, obs: Obs) -> tuple[Float[Array, "B A"], Float[Array, "B A"]]:
        """Mean and log standard deviation before the tanh."""
        loc, log_std = loc_and_log_std(self.mlp(encoded(self.encoder, obs, self.cfg)), self.cfg)
        return jnp.clip(loc, -LOC_LIMIT, LOC_LIMIT), log_std

    def sample(self, obs: Obs, key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A reparametrised action and its log-probability, taken from its pre-tanh value."""
        loc, log_std = self.gaussian(obs)
        noise = jr.normal(key, loc.shape)
        u = loc + jnp.exp(log_std) * noise
        return self.squash(u), self._log_density(noise, log_std, u)

    def choices(self, obs: Obs, key: PRNGKeyArray, samples: int | None = None) -> Choices:
        """Samples that stand for the policy in expectations: one, `sample`'s of this key, or several."""
        return sampled(lambda k: self.sample(obs, k), key, samples)

    def mode(self, obs: Obs) -> Float[Array, "B A"]:
        """The deterministic action: the squashed mean of the Gaussian."""
        return self.squash(self.gaussian(obs)[0])

    def log_prob(self, obs: Obs, action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of data actions; actions on the edge of the box are pulled inside by `action_clip`."""
        return self.log_density(*self.gaussian(obs), action)

    def log_density(
        self, loc: Float[Array, "B A"], log_std: Float[Array, "B A"], action: Float[Array, "B A"]
    ) -> Float[Array, "B"]:
        """`log_prob` where mean and log standard deviation are known."""
        u = self._unsquashed(action)
        return self._log_density((u - loc) * jnp.exp(-log_std), log_std, u)

    def log_prob_by_step(self, obs: Obs, action: Float[Array, "B HA"], steps: int) -> Float[Array, "B H"]:
        """`log_prob` of each of `steps` actions that one action is made of, one after the other."""
        loc, log_std = self.gaussian(obs)
        u = self._unsquashed(action)
        densities = self._log_densities((u - loc) * jnp.exp(-log_std), log_std, u)
        return densities.reshape(len(u), steps, -1).sum(-1)

    def squash(self, u: Float[Array, "B A"]) -> Float[Array, "B A"]:
        """Map a pre-tanh value onto the action box."""
        return self.spec.middle[None] + self.spec.half[None] * jnp.tanh(u)

    def _unsquashed(self, action: Float[Array, "B A"]) -> Float[Array, "B A"]:
        edge = 1 - self.cfg.action_clip
        return jnp.arctanh(jnp.clip((action - self.spec.middle[None]) / self.spec.half[None], -edge, edge))

    def _log_density(self, noise: Array, log_std: Array, u: Array) -> Float[Array, "B"]:
        return self._log_densities(noise, log_std, u).sum(-1)

    def _log_densities(self, noise: Array, log_std: Array, u: Array) -> Float[Array, "B A"]:
        log_slope = 2 * (math.log(2) - u - jax.nn.softplus(-2 * u)) + jnp.log(self.spec.half)[None]  # of `squash`
        return log_normal(noise, log_std) - log_slope


def log_normal(noise: Float[Array, "B A"], log_std: Float[Array, "B A"]) -> Float[Array, "B A"]:
    """Log-density of a Gaussian at `noise` standard deviations from its mean."""
    return -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)


@runtime_checkable
class Actor(Protocol):
    """What a policy needs of its network: actions in the environment's units for normalised observations."""

    @property
    def spec(self) -> Spec:
        """Of the task."""
        ...

    def mode(self, obs: Obs) -> Float[Array, "B A"]:
        """The deterministic action."""
        ...

    def sample(self, obs: Obs, key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A random action and its log-probability."""
        ...

    def log_prob(self, obs: Obs, action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of actions."""
        ...


class Policy(eqx.Module):
    """What a run saves: the observation normaliser and the actor, from raw observations to environment actions."""

    normalizer: Normalizer
    actor: Actor

    def act(self, obs: Obs, key: PRNGKeyArray, mode: ActionMode) -> Float[Array, "B A"]:
        """Actions for raw observations, the deterministic mode or a sample; of a finite set, one-hot."""
        x = self.normalizer(obs)
        return self.actor.mode(x) if mode == "mode" else self.actor.sample(x, key)[0]

    def columns(self, obs: Obs, key: PRNGKeyArray, mode: ActionMode) -> Shaped[Array, "B k"]:
        """The same as data have them: of a finite set, integers."""
        return self.actor.spec.action.decode(self.act(obs, key, mode))

    def log_prob(self, obs: Obs, action: Float[AnyArray, "B A"]) -> Float[Array, "B"]:
        """Log-density of actions at raw observations."""
        return self.actor.log_prob(self.normalizer(obs), action)
