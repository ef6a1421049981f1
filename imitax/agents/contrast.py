"""The critic's loss that ReCOIL's form q has, offline and with an environment.

    min_Q  (1 - w) (m E_E[Q(s, pi)] + (1 - m) E_B[Q(s, pi)] - E_E[Q(s, a)])
           + w E_{(E + B) / 2}[(Q(s, a) - gamma V(s'))^2]  + gradient penalty + held-out penalty + anchors

It ranks demonstrated actions above the policy's while all implied rewards are drawn to zero.
"""

from dataclasses import replace

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic
from imitax.agents.held_out_penalty import HeldOutWeight, held_out_term
from imitax.agents.implied_reward import half_means, implied, policy_choices
from imitax.choices.critic_penalty import critic_penalty
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.errors import ConfigError
from imitax.networks import Critic
from imitax.settings import NonNegative, Share, settings
from imitax.types import Metrics, Transition, concat


@settings()
class Contrast:
    """Weights of the terms."""

    td_weight: Share = 0.5
    """w, weight of the squared implied rewards, against 1 - w of the contrast (CleanIL: online 0.5 for Hopper, 0.2 for
    HalfCheetah and Walker2d; offline 0.8)."""
    expert_share: Share = 0.1
    """m, share of the contrast whose policy actions are taken in the expert's states, not in the others'."""
    anchor: float = 200.0
    """Value at which the anchors hold Q, with either sign: 2 / (1 - gamma)."""
    expert_anchor: NonNegative = 0.0
    """Weight of E_E[(Q(s, a) - anchor)^2] (CleanIL's offline form: 1); 0 turns it off."""
    learner_anchor: NonNegative = 0.0
    """Weight of max(-anchor - Q(s, pi), 0) in the other states, a floor under the policy's values (offline form: 1)."""

    def __post_init__(self):
        if self.td_weight == 0 and self.expert_anchor == 0:
            raise ConfigError(
                "td_weight=0 leaves the level of Q open, and nothing carries value from one state to the next: give "
                "td_weight, or expert_anchor"
            )


def contrast_loss(
    critic: Critic,
    agent: ActorCritic,
    data: tuple[Transition, Transition],
    cfg: tuple[SoftActorCritic, Contrast, GradientPenalty],
    key: PRNGKeyArray,
    held_out: HeldOutWeight | None = None,
) -> tuple[Float[Array, ""], Metrics]:
    """Contrast, squared implied rewards, gradient penalties and anchors, averaged over the critics.

    Args:
        critic: that the gradient is for.
        agent: whose policy and target critic value states.
        data: as many transitions of the expert as others, observations normalised.
        cfg: of the agent, the terms, and the gradient penalty.
        key: of the policy's actions and the penalties.
        held_out: weight of the held-out penalty; None is no such penalty.
    """
    (expert, other), (agent_cfg, weights, penalty_cfg) = data, cfg
    kv, kn, kp = jr.split(key, 3)
    mix = concat(expert, other)  # [2B], expert first
    q, _, r, share, mask = implied(critic, agent, mix, agent_cfg, kn)
    choices, _ = policy_choices(agent, mix, kv)
    q_policy = choices.mean(critic.among(mix.obs, choices, mix.absorbing))  # [N 2B]

    (q_expert, q_other), (pi_expert, pi_other) = half_means(q, mask), half_means(q_policy, mask)
    contrast = weights.expert_share * pi_expert + (1 - weights.expert_share) * pi_other - q_expert
    anchors = anchored(weights, q, q_policy, mask)
    td = jnp.stack(half_means(agent_cfg.td_loss(r) / share[None], mask)).mean()
    chosen = replace(other, action=choices.drawn[len(expert) :])
    penalty, norm = critic_penalty(penalty_cfg, critic, expert, chosen, kp)
    smoothing, mh = held_out_term(held_out, critic, expert, other, kp)

    loss = (1 - weights.td_weight) * contrast + weights.td_weight * td + penalty + smoothing + anchors
    r_expert, r_other = half_means(r, mask)
    return loss, norm | mh | {
        "critic_loss": loss,
        "contrast": contrast,
        "td": td,
        "penalty": penalty,
        "anchors": anchors,
        "q_expert": q_expert,
        "q_other": q_other,
        "reward_expert": r_expert,
        "reward_other": r_other,
        "td_error": jnp.stack(half_means(jnp.abs(r), mask)).mean(),
    }


def anchored(
    weights: Contrast, q: Float[Array, "N M"], q_policy: Float[Array, "N M"], mask: Float[Array, "M"]
) -> Float[Array, ""]:
    """The two anchors of values, weighted; what has no weight is not computed."""
    anchors = jnp.zeros(())
    if weights.expert_anchor:
        anchors += weights.expert_anchor * half_means((q - weights.anchor) ** 2, mask)[0]
    if weights.learner_anchor:
        anchors += weights.learner_anchor * half_means(jnp.maximum(-weights.anchor - q_policy, 0), mask)[1]
    return anchors
