"""Actions over which an expectation under a policy is taken: samples, or all of a finite set."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.types import AnyArray, Metrics

FiniteLoss = Literal["cross_entropy", "regression"]
LOWEST = -20.0
"""Logit that a regressed policy gives the actions that are far behind the best."""


class Choices(NamedTuple):
    """Actions over which an expectation under a policy is taken, M in each state."""

    action: Float[Array, "M B A"]
    log_prob: Float[Array, "M B"]
    weight: Float[Array, "M B"] | None
    """Probability of each action, where they are all that there are; None where they are samples."""
    drawn: Float[Array, "B A"]
    """One sample."""

    def mean(self, x: Float[Array, "*N M B"]) -> Float[Array, "*N B"]:
        """Expectation of a function of the actions, given its values at them."""
        if self.weight is not None:
            return (jnp.broadcast_to(self.weight, x.shape) * x).sum(-2)
        return x[..., 0, :] if x.shape[-2] == 1 else x.mean(-2)

    def climb(
        self, q: Float[Array, "M B"], alpha: Float[Array, ""], finite_loss: FiniteLoss = "cross_entropy"
    ) -> Float[Array, "B"]:
        """Loss [B] of a policy that is to follow values: its minimum is `exp(Q / alpha)`, normalised.

        Samples: `E_pi[alpha log pi - Q]`, alpha times `KL(pi || exp(Q / alpha))` (Haarnoja et al. 2018b, equation 7).
        All actions: the cross-entropy of `softmax(Q / alpha)`, which is `KL(exp(Q / alpha) || pi)` but for a constant.
        The slope of the former in a logit has the factor pi, so that a softmax certain of a bad action stays so;
        that of the latter is `pi - softmax(Q / alpha)`. Or (`regression`) the squared distance of `log pi` and
        `Q / alpha`, both without their mean over actions: its slope is linear in them, so that of values with noise it
        finds the mean. It is weighted so that the largest slope in a logit is about 1.
        """
        if self.weight is None:
            return self.mean(alpha * self.log_prob - q)
        if finite_loss == "regression":
            gap = self.log_prob - jax.lax.stop_gradient(jnp.maximum(behind(q, alpha), LOWEST))
            return 0.5 / -LOWEST * ((gap - gap.mean(0, keepdims=True)) ** 2).sum(0)
        return -(jax.lax.stop_gradient(jax.nn.softmax(behind(q, alpha), axis=0)) * self.log_prob).sum(0)

    def entropies(self, q: Float[Array, "M B"], alpha: Float[Array, ""]) -> Metrics:
        """Entropy [B] of the policy, estimated where actions are samples; of all actions also that of what it follows,
        `softmax(Q / alpha)`."""
        own = {"entropy": -self.mean(self.log_prob)}
        if self.weight is None:
            return own
        log_prob = jax.nn.log_softmax(behind(q, alpha), axis=0)
        return own | {"soft_entropy": -(jnp.exp(log_prob) * log_prob).sum(0)}

    def absorbed(self, absorbing: Float[AnyArray, "B"] | Bool[AnyArray, "B"]) -> "Choices":
        """The same, with the zero action in the absorbing state, without entropy; of a finite set, all alike."""
        keep = 1.0 - absorbing  # [B]
        weight = self.weight
        if weight is not None:
            weight = weight * keep[None] + (1.0 - keep[None]) / len(weight)
        drawn = self.drawn * keep[:, None]
        return Choices(self.action * keep[None, :, None], self.log_prob * keep[None], weight, drawn)


def behind(q: Float[Array, "M B"], alpha: Float[Array, ""]) -> Float[Array, "M B"]:
    """How far the values of M actions are behind the largest, in units of alpha."""
    # The largest goes before the division: fused, `q / alpha - max` is above 0 by its rounding, and exp overflows.
    return (q - jnp.broadcast_to(q.max(0), q.shape)) / alpha


def sampled(
    sample: Callable[[PRNGKeyArray], tuple[Float[Array, "B A"], Float[Array, "B"]]],
    key: PRNGKeyArray,
    count: int | None,
) -> Choices:
    """Samples that stand for a policy in expectations: one, of this key, or several."""
    if count is None:
        action, logp = sample(key)
        return Choices(action[None], logp[None], None, action)
    action, logp = jax.vmap(sample)(jr.split(key, count))
    return Choices(action, logp, None, action[0])
