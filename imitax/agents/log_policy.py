"""The policy's log-density as a part of a discriminator's logit: adversarial inverse reinforcement learning.

    logit(s, a, s') = h(s, a, s') - log pi(a|s)          Fu et al. 2018, arXiv:1710.11248, section 6

Differs from the paper: log pi(a|s) may have a bound, and is zero in the absorbing state.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.choices.discriminator import Discriminator
from imitax.errors import ConfigError
from imitax.networks import PolicyHead
from imitax.settings import Positive, settings
from imitax.types import Transition, concat


@settings()
class LogPolicy:
    """AIRL's term of the logit."""

    subtract_log_policy: bool = False
    """The discriminator's logit is h - log pi(a|s) (AIRL)."""
    log_policy_bound: Positive | None = None
    """log pi(a|s) lies within +-this there; None leaves it free. Where the policy would hardly take the expert's action
    it is minus hundreds, tells the two apart alone, and h learns nothing."""

    def __post_init__(self):
        if self.log_policy_bound is not None and not self.subtract_log_policy:
            raise ConfigError("log_policy_bound is for subtract_log_policy, AIRL's logit")

    def require(self, discriminator: Discriminator) -> None:
        """Raise ConfigError if the discriminator's output cannot be a logit without log pi(a|s)."""
        loss, head = discriminator.discrimination.kind, discriminator.head.kind
        if self.subtract_log_policy and loss in ("linear", "least_squares", "mixup"):
            form = "subtract_log_policy is AIRL's form of the cross-entropy logit"
            raise ConfigError(f"{form}, not of discrimination.kind={loss}")
        if self.subtract_log_policy and head != "logit":
            raise ConfigError(
                f"head.kind={head} reads h as the whole logit, and subtract_log_policy takes log pi(a|s) off it: use "
                "head.kind=logit"
            )

    def __call__(self, actor: PolicyHead, expert: Transition, learner: Transition) -> Float[Array, "N"] | float:
        """What is subtracted from h on expert and learner transitions, in this order."""
        if not self.subtract_log_policy:
            return 0.0
        both = concat(expert, learner)
        found, bound = actor.log_prob(both.obs, both.action), self.log_policy_bound
        return (found if bound is None else jnp.clip(found, -bound, bound)) * (1.0 - both.absorbing)
