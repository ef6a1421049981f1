"""Telling expert from learner: losses of the discriminator's logit h, and the rewards made of it.

The logit is high for the expert: with the cross-entropy loss `D = sigmoid(h)` and h estimates log(rho_E / rho_learner).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import jax.random as jr
from jax.nn import softplus
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.errors import ConfigError
from imitax.types import Metrics

SATURATED = math.log(99)
"""Logit whose sigmoid is 0.99."""

FAIRL_LIMIT = 10.0
"""Bound on FAIRL's logit and on its reward, -h e^h, which has none of its own."""


@dataclass(frozen=True)
class Discrimination:
    """Loss of the logit on expert and learner data."""

    kind: Literal["bce", "linear", "least_squares", "mixup", "pu"] = "bce"
    """bce: cross-entropy (GAIL). linear: -(E_expert h - E_learner h) (Wasserstein, ML-IRL, CleanIL's "GAIL").
    least_squares: (h - 1)^2 on the expert, (h + 1)^2 on the learner (AMP, Peng et al. 2021). mixup: cross-entropy on
    convex combinations of inputs and labels (Chen et al. 2020). pu: the learner's data is unlabelled, a share `prior`
    of it expert-like, with the non-negative risk (Xu and Denil 2021)."""
    smoothing: float = 0.0
    """Label smoothing of bce: labels are this far from 0 and 1."""
    prior: float = 0.5
    """Share of expert-like data among the learner's, for pu."""

    def __post_init__(self):
        if not 0 <= self.smoothing < 0.5:
            raise ConfigError(f"discrimination.smoothing must lie in [0, 0.5), got {self.smoothing}")
        if self.smoothing and self.kind != "bce":
            raise ConfigError(f"discrimination.smoothing is for kind bce; {self.kind} has no labels to smooth")
        if not 0 < self.prior < 1:
            raise ConfigError(f"discrimination.prior must lie between 0 and 1, got {self.prior}")

    def __call__(
        self,
        h: Callable[[Array], Array],
        expert: Float[Array, "B D"],
        learner: Float[Array, "B D"],
        key: PRNGKeyArray,
        weights: Sequence[Float[Array, "B"]] | None = None,
    ) -> tuple[Float[Array, ""], Metrics]:
        """Loss of the logit function `h`, `[B, D] -> [B]`; `weights` as in `of_logits`, which mixup has none of.

        Metrics: mean logits; `accuracy`, the share of pairs in which the expert's logit is the higher one; and
        `saturation`, the share of logits that say expert or learner with more than 99 % (|h| > 4.6).
        """
        # one pass over both: half the calls, and dropout is drawn for all rows alike
        logits = h(jnp.concatenate([expert, learner]))
        logit_expert, logit_learner = logits[: len(expert)], logits[len(expert) :]  # [B]
        if self.kind == "mixup":
            share = jr.uniform(key, (len(expert),))
            mixed = h(share[:, None] * expert + (1 - share[:, None]) * learner)
            loss = (share * softplus(-mixed) + (1 - share) * softplus(mixed)).mean()
        else:
            loss = self.of_logits(logit_expert, logit_learner, weights)
        return loss, {
            "logit_expert": logit_expert.mean(),
            "logit_learner": logit_learner.mean(),
            "accuracy": (logit_expert > logit_learner).mean(),
            "saturation": (jnp.abs(logits) > SATURATED).mean(),
        }

    def of_logits(
        self,
        expert: Float[Array, "B"],
        learner: Float[Array, "B"],
        weights: Sequence[Float[Array, "B"]] | None = None,
    ) -> Float[Array, ""]:
        """Loss of given logits, for every kind but mixup.

        Args:
            weights: of the expert's and the learner's rows in their means; None is the same for all.
        """

        def mean(x: Float[Array, "B"], side: int) -> Float[Array, ""]:
            if weights is None:
                return x.mean()
            return (weights[side] * x).sum() / jnp.maximum(weights[side].sum(), 1e-6)

        e = self.smoothing
        if self.kind == "bce":
            on_expert = (1 - e) * softplus(-expert) + e * softplus(expert)
            on_learner = (1 - e) * softplus(learner) + e * softplus(-learner)
            return mean(on_expert, 0) + mean(on_learner, 1)
        if self.kind == "linear":
            return mean(learner, 1) - mean(expert, 0)
        if self.kind == "least_squares":
            return mean((expert - 1) ** 2, 0) + mean((learner + 1) ** 2, 1)
        unlabelled = mean(softplus(learner), 1) - self.prior * mean(softplus(expert), 0)
        return self.prior * mean(softplus(-expert), 0) + jnp.maximum(unlabelled, 0.0)


@dataclass(frozen=True)
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
