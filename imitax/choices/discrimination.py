"""Telling expert from learner: losses of the discriminator's logit h, and the rewards made of it.

The logit is high for the expert: with the cross-entropy loss `D = sigmoid(h)` and h estimates log(rho_E / rho_learner).
"""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import softplus
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from imitax.errors import ConfigError
from imitax.settings import Range, settings
from imitax.types import Metrics, concat, scaled

SATURATED = math.log(99)
"""Logit whose sigmoid is 0.99."""

FAIRL_LIMIT = 10.0
"""Bound on FAIRL's logit and on its reward, -h e^h, which has none of its own."""


@settings("discrimination")
class Discrimination:
    """Loss of the logit on expert and learner data."""

    kind: Literal["bce", "linear", "least_squares", "mixup", "pu"] = "bce"
    """bce: cross-entropy (GAIL). linear: -(E_expert h - E_learner h) (Wasserstein, ML-IRL, CleanIL's "GAIL").
    least_squares: (h - 1)^2 on the expert, (h + 1)^2 on the learner (AMP, Peng et al. 2021). mixup: cross-entropy on
    convex combinations of inputs and labels (Chen et al. 2020). pu: the learner's data is unlabelled, a share `prior`
    of it expert-like, with the non-negative risk (Xu and Denil 2021)."""
    smoothing: Annotated[float, Range(0.0, 0.5, open_high=True)] = 0.0
    """Label smoothing of bce: labels are this far from 0 and 1."""
    prior: Annotated[float, Range(0.0, 1.0, open_low=True, open_high=True)] = 0.5
    """Share of expert-like data among the learner's, for pu."""
    weighted_mean: Literal["weights", "examples"] = "weights"
    """What weighted sums are divided by, where examples have weights (the trajectory form of OMLIRL and RMIRL): the sum
    of the weights, or the number of examples, those of weight 0 included (CleanIL)."""

    def __post_init__(self):
        if self.smoothing and self.kind != "bce":
            raise ConfigError(f"discrimination.smoothing is for kind bce; {self.kind} has no labels to smooth")

    def __call__(
        self,
        h: Callable[[Any], Array],
        expert: Any,
        learner: Any,
        key: PRNGKeyArray,
        weights: tuple[Float[Array, "B"], Float[Array, "B"]] | None = None,
    ) -> tuple[Float[Array, ""], Metrics]:
        """Loss of a logit function.

        Metrics: mean logits; `accuracy`, the share of pairs in which the expert's logit is the higher one; and
        `saturation`, the share of logits that say expert or learner with more than 99 % (|h| > 4.6). Examples of
        weight 0 do not enter them, nor pairs with one; the others enter alike.

        Args:
            h: inputs -> [B].
            expert, learner: as many inputs of each, pytrees with leaves [B, ...].
            key: draws mixup's shares.
            weights: of the expert's and the learner's examples in their means; None is the same for all, and mixup
                has no others.
        """
        # one pass over both: half the calls, and dropout is drawn for all examples alike
        logits = h(concat(expert, learner))
        n = len(logits) // 2
        on_expert, on_learner = logits[:n], logits[n:]  # [B]
        if self.kind == "mixup":
            share = jr.uniform(key, (n,))
            mixed = h(jax.tree.map(jnp.add, scaled(expert, share), scaled(learner, 1 - share)))
            loss = (share * softplus(-mixed) + (1 - share) * softplus(mixed)).mean()
        else:
            loss = self.of_logits(on_expert, on_learner, weights)
        of_expert, of_learner = (None, None) if weights is None else tuple((w > 0).astype(float) for w in weights)
        of_pairs = None if of_expert is None or of_learner is None else of_expert * of_learner
        of_both = None if of_expert is None or of_learner is None else jnp.concatenate([of_expert, of_learner])
        return loss, {
            "logit_expert": mean(on_expert, of_expert),
            "logit_learner": mean(on_learner, of_learner),
            "accuracy": mean(on_expert > on_learner, of_pairs),
            "saturation": mean(jnp.abs(logits) > SATURATED, of_both),
        }

    def of_logits(
        self,
        expert: Float[Array, "B"],
        learner: Float[Array, "B"],
        weights: tuple[Float[Array, "B"], Float[Array, "B"]] | None = None,
    ) -> Float[Array, ""]:
        """Loss of given logits, for every kind but mixup; `weights` as above."""
        of_expert, of_learner = weights or (None, None)
        e, mean = self.smoothing, self._mean
        if self.kind == "bce":
            on_expert = (1 - e) * softplus(-expert) + e * softplus(expert)
            on_learner = (1 - e) * softplus(learner) + e * softplus(-learner)
            return mean(on_expert, of_expert) + mean(on_learner, of_learner)
        if self.kind == "linear":
            return mean(learner, of_learner) - mean(expert, of_expert)
        if self.kind == "least_squares":
            return mean((expert - 1) ** 2, of_expert) + mean((learner + 1) ** 2, of_learner)
        unlabelled = mean(softplus(learner), of_learner) - self.prior * mean(softplus(expert), of_expert)
        return self.prior * mean(softplus(-expert), of_expert) + jnp.maximum(unlabelled, 0.0)

    def _mean(self, x: Float[Array, "B"], weights: Float[Array, "B"] | None) -> Float[Array, ""]:
        if weights is None or self.weighted_mean == "weights":
            return mean(x, weights)
        return (weights * x).mean()


def mean(x: Shaped[Array, "B"], weights: Float[Array, "B"] | None) -> Float[Array, ""]:
    """Weighted mean; None weighs all alike."""
    return x.mean() if weights is None else (weights * x).sum() / jnp.maximum(weights.sum(), 1e-6)


@settings("head")
class RewardHead:
    """Which reward the policy gets from the logit."""

    kind: Literal["logit", "gail", "log_d", "fairl"] = "logit"
    """logit: h = log D - log(1 - D) (AIRL, DAC), and the reward itself for linear and least_squares losses. gail:
    -log(1 - D) = softplus(h), never negative. log_d: log D = -softplus(-h), never positive. fairl: -h e^h (Ghasemipour
    et al. 2020), clipped to +-10; not monotone, it is largest at h = -1."""

    def __call__(self, h: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Reward of each logit."""
        if self.kind == "gail":
            return softplus(h)
        if self.kind == "log_d":
            return -softplus(-h)
        if self.kind == "fairl":
            h = jnp.clip(h, -FAIRL_LIMIT, FAIRL_LIMIT)
            return jnp.clip(-h * jnp.exp(h), -FAIRL_LIMIT, FAIRL_LIMIT)
        return h
