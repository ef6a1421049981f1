"""The reward that a critic implies, `r = Q(s, a) - gamma V(s')`: inverse soft Q-learning has no other.

Without an explicit reward the closed form of the end reads differently: a transition into the end is worth nothing
further, so that its Q is the whole discounted reward `r / (1 - gamma)` of a step that recurs for ever (LS-IQ, Al-Hafez
et al. 2023). A loss h of implied rewards, summed along that recurrence, is `h(r) / (1 - gamma)` with
`r = (1 - gamma) Q`: linear terms keep their weight, squared ones are `(1 - gamma) Q^2`.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic, critic_mask, masked_mean, next_value
from imitax.networks import Choices, Critic
from imitax.types import Transition


class Implied(NamedTuple):
    """What N critics say of M transitions."""

    q: Float[Array, "N M"]
    y: Float[Array, "M"]
    """gamma V(s')."""
    reward: Float[Array, "N M"]
    """r = Q(s, a) - gamma V(s'); the reward of one step."""
    share: Float[Array, "M"]
    """Part of `q - y` that is the reward of one step."""
    mask: Float[Array, "M"]
    """1 for transitions that take part in a critic's loss."""


def implied(critic: Critic, agent: ActorCritic, t: Transition, cfg: SoftActorCritic, key: PRNGKeyArray) -> Implied:
    """Values and implied rewards; V(s') is the agent's, with actions sampled by the key."""
    share = step_share(cfg, t)
    y = cfg.gamma * next_value(agent, t, cfg, key)
    q = cfg.td_loss.learned(critic(t.obs, t.action, t.absorbing))
    return Implied(q, y, share[None] * (q - y[None]), share, critic_mask(cfg, t))


def step_share(cfg: SoftActorCritic, t: Transition) -> Float[Array, "B"]:
    """What part of `Q - gamma V(s')` is the reward of one step: 1 - gamma at the ends of closed_form, else 1."""
    ones = jnp.ones(len(t))
    if cfg.terminal.kind != "closed_form":
        return ones
    return cfg.terminal.next_value(ones, t.terminated, 1 - cfg.gamma)


def policy_choices(agent: ActorCritic, t: Transition, key: PRNGKeyArray) -> tuple[Choices, Float[Array, "M N"]]:
    """The policy's actions at the states of N transitions, and their entropy bonus `-alpha log pi(a|s)`.

    In the absorbing state both are zero.
    """
    choices = agent.actor.net.choices(t.obs, key).absorbed(t.absorbing)
    return choices, -agent.temperature.net() * choices.log_prob


def policy_actions(
    agent: ActorCritic, t: Transition, key: PRNGKeyArray
) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
    """Sampled actions at the states of transitions, and their entropy bonus `-alpha log pi(a|s)`.

    In the absorbing state both are zero.
    """
    action, logp = agent.actor.net.sample(t.obs, key)
    mask = 1.0 - t.absorbing  # [B]
    return action * mask[:, None], -agent.temperature.net() * logp * mask


def half_means(x: Float[Array, "*N M"], mask: Float[Array, "M"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Means over the first half of a batch, the expert's, and over the second, the others'."""
    n = len(mask) // 2
    return masked_mean(x[..., :n], mask[:n]), masked_mean(x[..., n:], mask[n:])
