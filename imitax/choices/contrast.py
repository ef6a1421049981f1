"""The contrast that ReCOIL ranks demonstrated actions by, and the anchors that hold the values in place."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.choices.implied_reward import part_means
from imitax.errors import ConfigError


@dataclass(frozen=True)
class ContrastConfig:
    """Weights of the terms."""

    td_weight: float = 0.5
    """w, weight of the squared implied rewards, against 1 - w of the contrast (the reference system: online 0.5 for
    Hopper, 0.2 for HalfCheetah and Walker2d; offline 0.8)."""
    expert_share: float = 0.1
    """m, share of the contrast whose policy actions are taken in the expert's states, not in the others'."""
    anchor: float = 200.0
    """Value at which the anchors hold Q, with either sign: 2 / (1 - gamma)."""
    expert_anchor: float = 0.0
    """Weight of E_E[(Q(s, a) - anchor)^2] (the reference system's offline form: 1)."""
    learner_anchor: float = 0.0
    """Weight of max(-anchor - Q(s, pi), 0) in the other states, a floor under the policy's values (offline form: 1)."""

    def __post_init__(self):
        for name in ("td_weight", "expert_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("expert_anchor", "learner_anchor"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}; 0 turns it off")
        if self.td_weight == 0 and self.expert_anchor == 0:
            raise ConfigError(
                "td_weight=0 leaves the level of Q open, and nothing carries value from one state to the next: give "
                "td_weight, or expert_anchor"
            )


class Contrast(NamedTuple):
    """Terms of a loss, without the weights w and 1 - w."""

    contrast: Float[Array, ""]
    """m E_E[Q(s, pi)] + (1 - m) E_B[Q(s, pi)] - E_E[Q(s, a)]."""
    anchors: Float[Array, ""]
    """Both anchors, with their weights."""


def contrast_terms(
    cfg: ContrastConfig, q: Float[Array, "N M"], q_policy: Float[Array, "N M"], counts: Float[Array, "M"]
) -> Contrast:
    """Contrast and anchors, averaged over the critics.

    Args:
        q: values of the data's actions, the expert's in the first half of the rows.
        q_policy: values of the policy's actions in the same states.
        counts: 1 for rows that take part.
    """
    (q_expert, _), (pi_expert, pi_other) = part_means(q, counts), part_means(q_policy, counts)
    contrast = cfg.expert_share * pi_expert + (1 - cfg.expert_share) * pi_other - q_expert
    anchors = jnp.zeros(())
    if cfg.expert_anchor:
        anchors += cfg.expert_anchor * part_means((q - cfg.anchor) ** 2, counts)[0]
    if cfg.learner_anchor:
        anchors += cfg.learner_anchor * part_means(jnp.maximum(-cfg.anchor - q_policy, 0), counts)[1]
    return Contrast(contrast, anchors)
