"""The Gaussian policy of a box of actions with an open side."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.networks.choices import Choices, sampled
from imitax.networks.encoder import Encoder, make_encoder
from imitax.networks.mlp import MLP, Precision
from imitax.networks.policy import PolicyConfig, encoded, loc_and_log_std, log_normal
from imitax.spaces import Spec
from imitax.types import Obs


class Gaussian(eqx.Module):
    """Diagonal Gaussian over a box with an open side, without tanh; actions are clipped at the bounds that there are.

    `a = clip(middle + half * u)`, `u ~ N(loc(s), std(s))`, `log pi(a|s) = sum_i log N(u_i) - ln half_i`

    of the unclipped density: middle and half only scale, to the range of the recorded actions, so the network is
    as well conditioned as on a box. `log std` is bounded as in `TanhGaussian`.
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
        """Mean and log standard deviation, in half-widths of the range around its middle."""
        return loc_and_log_std(self.mlp(encoded(self.encoder, obs, self.cfg)), self.cfg)

    def sample(self, obs: Obs, key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A reparametrised action, and the log-density of what it was before it was clipped."""
        loc, log_std = self.gaussian(obs)
        noise = jr.normal(key, loc.shape)
        return self.bounded(loc + jnp.exp(log_std) * noise), self._log_density(noise, log_std)

    def choices(self, obs: Obs, key: PRNGKeyArray, samples: int | None = None) -> Choices:
        """As of `TanhGaussian`."""
        return sampled(lambda k: self.sample(obs, k), key, samples)

    def mode(self, obs: Obs) -> Float[Array, "B A"]:
        """The deterministic action: the mean of the Gaussian."""
        return self.bounded(self.gaussian(obs)[0])

    def log_prob(self, obs: Obs, action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-density of data actions."""
        loc, log_std = self.gaussian(obs)
        u = (action - self.spec.middle[None]) / self.spec.half[None]
        return self._log_density((u - loc) * jnp.exp(-log_std), log_std)

    def log_prob_by_step(self, obs: Obs, action: Float[Array, "B HA"], steps: int) -> Float[Array, "B H"]:
        """`log_prob` of each of `steps` actions that one action is made of, one after the other."""
        loc, log_std = self.gaussian(obs)
        u = (action - self.spec.middle[None]) / self.spec.half[None]
        return self._log_densities((u - loc) * jnp.exp(-log_std), log_std).reshape(len(u), steps, -1).sum(-1)

    def bounded(self, u: Float[Array, "B A"]) -> Float[Array, "B A"]:
        """An action of half-widths around the middle, within the bounds that there are."""
        low, high = (jnp.asarray(side)[None] for side in self.spec.box.limits)
        return jnp.clip(self.spec.middle[None] + self.spec.half[None] * u, low, high)

    def _log_density(self, noise: Array, log_std: Array) -> Float[Array, "B"]:
        return self._log_densities(noise, log_std).sum(-1)

    def _log_densities(self, noise: Array, log_std: Array) -> Float[Array, "B A"]:
        return log_normal(noise, log_std) - jnp.log(self.spec.half)[None]
