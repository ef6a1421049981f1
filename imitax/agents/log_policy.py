"""The policy's log-density as a part of a discriminator's logit: adversarial inverse reinforcement learning."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.networks import PolicyHead
from imitax.types import Transition, concat


def log_policy(actor: PolicyHead, expert: Transition, learner: Transition, bound: float | None) -> Float[Array, "N"]:
    """`log pi(a|s)` of expert and learner transitions, within +-bound; zero in the absorbing state."""
    both = concat(expert, learner)
    found = actor.log_prob(both.obs, both.action)
    return (found if bound is None else jnp.clip(found, -bound, bound)) * (1.0 - both.absorbing)
