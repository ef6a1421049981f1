"""Policy extraction: how a policy is made to follow a critic."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.networks import Critic, TanhGaussian
from imitax.types import Metrics


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
