"""The tanh-Gaussian policy, and the policy object that a run saves and a user calls."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.normalizer import Normalizer
from imitax.types import AnyArray, Spec

LOC_LIMIT = math.atanh(1 - 1e-6)
"""Bound on the pre-tanh mean, 7.25: beyond it the squashed action no longer moves in float32."""


@dataclass(frozen=True)
class PolicyConfig:
    """Network of the tanh-Gaussian policy."""

    hidden: tuple[int, ...] = (256, 256)
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


class TanhGaussian(eqx.Module):
    """Diagonal Gaussian squashed by tanh and mapped affinely onto the action box.

    `a = middle + half * tanh(u)`, `u ~ N(loc(s), std(s))`,
    `log pi(a|s) = sum_i log N(u_i) - 2 (ln 2 - u_i - softplus(-2 u_i)) - ln half_i`
    (Haarnoja et al. 2018, appendix C, in the form that is stable for large |u|).

    `log std` is mapped smoothly into `[log_std_min, log_std_max]` by a tanh, as in Kostrikov's and CleanRL's SAC.
    """

    mlp: MLP
    spec: Spec
    log_std_min: float = eqx.field(static=True)
    log_std_max: float = eqx.field(static=True)
    action_clip: float = eqx.field(static=True)

    def __init__(self, spec: Spec, cfg: PolicyConfig, *, key: PRNGKeyArray, precision: Precision = "float32"):
        sizes = (spec.obs_dim, *cfg.hidden, 2 * spec.action_dim)
        self.mlp = MLP(sizes, key=key, activation=cfg.activation, precision=precision)
        self.spec = spec
        self.log_std_min = cfg.log_std_min
        self.log_std_max = cfg.log_std_max
        self.action_clip = cfg.action_clip

    @property
    def explained(self) -> None:
        """All rows of data: its actions cost little."""
        return None

    def gaussian(self, obs: Float[Array, "B O"]) -> tuple[Float[Array, "B A"], Float[Array, "B A"]]:
        """Mean and log standard deviation before the tanh."""
        loc, raw = jnp.split(self.mlp(obs), 2, axis=-1)
        span = self.log_std_max - self.log_std_min
        log_std = self.log_std_min + span * (jnp.tanh(raw) + 1) / 2
        return jnp.clip(loc, -LOC_LIMIT, LOC_LIMIT), log_std

    def sample(self, obs: Float[Array, "B O"], key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A reparametrised action and its log-probability, taken from its pre-tanh value."""
        loc, log_std = self.gaussian(obs)
        noise = jr.normal(key, loc.shape)
        u = loc + jnp.exp(log_std) * noise
        log_normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        return self.squash(u), (log_normal - self._log_slope(u)).sum(-1)

    def mode(self, obs: Float[Array, "B O"]) -> Float[Array, "B A"]:
        """The deterministic action: the squashed mean of the Gaussian."""
        return self.squash(self.gaussian(obs)[0])

    def log_prob(self, obs: Float[Array, "B O"], action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of data actions; actions on the edge of the box are pulled inside by `action_clip`."""
        return self._log_density(*self.gaussian(obs), action)

    def samples(self, obs: Float[Array, "B O"], count: int, key: PRNGKeyArray) -> Float[Array, "B N A"]:
        """Several actions in each state, for one pass of the network."""
        loc, log_std = self.gaussian(obs)
        u = loc[:, None] + jnp.exp(log_std)[:, None] * jr.normal(key, (len(obs), count, loc.shape[1]))
        return self.squash(u.reshape(-1, u.shape[-1])).reshape(u.shape)

    def log_probs(self, obs: Float[Array, "B O"], action: Float[Array, "B N A"]) -> Float[Array, "B N"]:
        """`log_prob` of several actions in each state, for one pass of the network."""
        rows = [jnp.broadcast_to(x[:, None], action.shape) for x in self.gaussian(obs)]
        flat = (x.reshape(-1, action.shape[-1]) for x in (*rows, action))
        return self._log_density(*flat).reshape(action.shape[:2])

    def _log_density(
        self, loc: Float[Array, "B A"], log_std: Float[Array, "B A"], action: Float[Array, "B A"]
    ) -> Float[Array, "B"]:
        edge = 1 - self.action_clip
        u = jnp.arctanh(jnp.clip((action - self.spec.middle[None]) / self.spec.half[None], -edge, edge))
        noise = (u - loc) * jnp.exp(-log_std)
        log_normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        return (log_normal - self._log_slope(u)).sum(-1)

    def squash(self, u: Float[Array, "B A"]) -> Float[Array, "B A"]:
        """Map a pre-tanh value onto the action box."""
        return self.spec.middle[None] + self.spec.half[None] * jnp.tanh(u)

    def _log_slope(self, u: Float[Array, "B A"]) -> Float[Array, "B A"]:
        """log |da/du| of `squash`, exact for any |u|."""
        return 2 * (math.log(2) - u - jax.nn.softplus(-2 * u)) + jnp.log(self.spec.half)[None]


@runtime_checkable
class Actor(Protocol):
    """What a policy needs of its network: actions in the environment's units for normalised observations."""

    @property
    def spec(self) -> Spec:
        """Of the task."""
        ...

    @property
    def explained(self) -> int | None:
        """Rows of data that an evaluation compares with it; None for all."""
        ...

    def mode(self, obs: Float[Array, "B O"]) -> Float[Array, "B A"]:
        """The deterministic action."""
        ...

    def sample(self, obs: Float[Array, "B O"], key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A random action and its log-probability."""
        ...

    def log_prob(self, obs: Float[Array, "B O"], action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of actions."""
        ...


class Policy(eqx.Module):
    """What a run saves: the observation normaliser and the actor, from raw observations to environment actions."""

    normalizer: Normalizer
    actor: Actor

    def act(
        self, obs: Float[AnyArray, "B O"], key: PRNGKeyArray, mode: Literal["mode", "sample"]
    ) -> Float[Array, "B A"]:
        """Actions for raw observations: the deterministic mode, or a sample."""
        x = self.normalizer(obs)
        return self.actor.mode(x) if mode == "mode" else self.actor.sample(x, key)[0]

    def log_prob(self, obs: Float[AnyArray, "B O"], action: Float[AnyArray, "B A"]) -> Float[Array, "B"]:
        """Log-density of actions at raw observations."""
        return self.actor.log_prob(self.normalizer(obs), action)
