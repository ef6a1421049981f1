"""Policy extraction: how a policy is made to follow a critic."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.errors import ConfigError, require_not_negative, require_positive
from imitax.networks import Critic, TanhGaussian
from imitax.types import Metrics, Transition


@dataclass(frozen=True)
class PolicyUpdate:
    """Loss of the policy."""

    kind: Literal["sac", "awr", "bc"] = "sac"
    """sac: climb the critic with reparametrised actions, wherever they lead. awr: clone the actions of the data,
    weighted by `exp(A / beta)` of their advantage A (Peng et al. 2019, arXiv:1910.00177, equation 10): actions that no
    data show are never asked for. bc: clone them all alike."""
    beta: float = 0.1
    """Temperature of the weights, in units of the value; with `normalize` in standard deviations of A."""
    samples: int = 4
    """K, actions of the policy whose mean value is the baseline of A, where no value network gives one."""
    clip: float = 100.0
    """Largest weight (20 in the paper, 100 in AWAC and IQL)."""
    normalize: bool = False
    """Divide A by its standard deviation over the batch."""
    noise: float = 0.0
    """Standard deviation, in half-widths of the action box, of noise on data actions before they are weighed and
    cloned (the reference system: 0.1)."""
    noise_share: float = 0.5
    """Share of the batch, its last rows, that is given noise; demonstrations stand first."""

    def __post_init__(self):
        for name in ("beta", "clip"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"policy_update.{name} must be positive, got {getattr(self, name)}")
        require_positive(self, "samples", of="policy_update")
        require_not_negative(self, "noise", of="policy_update")
        if not 0 <= self.noise_share <= 1:
            raise ConfigError(f"policy_update.noise_share must lie in [0, 1], got {self.noise_share}")

    def __call__(
        self,
        actor: TanhGaussian,
        critic: Critic,
        t: Transition,
        alpha: Float[Array, ""],
        key: PRNGKeyArray,
        baseline: Float[Array, "B"] | None = None,
    ) -> tuple[Float[Array, ""], Metrics]:
        """The loss, with `entropy` and `q_policy` of sampled actions [B] among its metrics.

        Args:
            actor: the network that the gradient is for.
            critic: its smallest member is the value of an action.
            t: transitions with normalised observations; absorbing rows do not count.
            alpha: entropy weight, for sac.
            key: of the sampled actions and the noise.
            baseline: value of the states, from a value network; None samples the policy.
        """
        real = 1.0 - t.absorbing  # [B]
        if self.kind == "sac":
            return sac_policy_loss(actor, critic, t.obs, real, alpha, key)
        ks, kn = jr.split(key)
        action = self.noised(t.action, actor.spec.half, actor.spec.middle, kn)
        keys = jr.split(ks, self.samples if baseline is None else 1)
        sampled, logp = jax.vmap(lambda k: actor.sample(t.obs, k))(keys)  # [K B A], [K B]
        q_policy = jax.vmap(lambda a: critic(t.obs, a).min(0))(sampled).mean(0)  # [B]
        advantage = critic(t.obs, action).min(0) - (q_policy if baseline is None else baseline)  # [B]
        weights = jax.lax.stop_gradient(self.weights(advantage, real))  # [B]
        count = jnp.maximum(real.sum(), 1.0)
        nll = -actor.log_prob(t.obs, action)  # [B]
        return (weights * nll * real).sum() / count, {
            "entropy": -logp.mean(0),
            "q_policy": q_policy,
            "advantage": advantage,
            "weight": weights,
            "weight_clipped": (weights >= self.clip).astype(float),
            "nll": nll,
        }

    def weights(self, advantage: Float[Array, "B"], real: Float[Array, "B"]) -> Float[Array, "B"]:
        """Weight of each cloned action."""
        if self.kind == "bc":
            return jnp.ones_like(advantage)
        if self.normalize:
            count = jnp.maximum(real.sum(), 1.0)
            mean = (advantage * real).sum() / count
            std = jnp.sqrt(((advantage - mean) ** 2 * real).sum() / count)
            advantage = advantage / (std + 1e-6)
        return jnp.exp(jnp.minimum(advantage / self.beta, jnp.log(self.clip)))

    def noised(
        self, action: Float[Array, "B A"], half: Float[Array, "A"], middle: Float[Array, "A"], key: PRNGKeyArray
    ) -> Float[Array, "B A"]:
        """Data actions as they are cloned, within the action box."""
        if not self.noise:
            return action
        n = len(action)
        chosen = jnp.arange(n) >= n - round(self.noise_share * n)  # [B]
        noise = self.noise * half[None] * jr.normal(key, action.shape) * chosen[:, None]
        return jnp.clip(action + noise, (middle - half)[None], (middle + half)[None])


def sac_policy_loss(
    actor: TanhGaussian,
    critic: Critic,
    obs: Float[Array, "B O"],
    real: Float[Array, "B"],
    alpha: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """`E[alpha log pi(a|s) - min_i Q_i(s, a)]` with reparametrised actions (Haarnoja et al. 2018b, equation 7).

    Args:
        real: 1 for states that count, 0 for the absorbing one.
    """
    action, logp = actor.sample(obs, key)
    q = critic(obs, action).min(0)  # [B]
    loss = ((alpha * logp - q) * real).sum() / jnp.maximum(real.sum(), 1.0)
    return loss, {"entropy": -logp, "q_policy": q}
