"""The reward that a critic implies, `r = Q(s, a) - gamma V(s')`, which inverse soft Q-learning has in a reward's place.

Without an explicit reward the closed form of the end reads differently: a transition into the end is worth nothing
further, so that its Q is the whole discounted reward `r / (1 - gamma)` of a step that recurs for ever (LS-IQ, Al-Hafez
et al. 2023). A loss h of implied rewards, summed along that recurrence, is `h(r) / (1 - gamma)` with
`r = (1 - gamma) Q`: linear terms keep their weight, squared ones are `(1 - gamma) Q^2`.
"""

from dataclasses import dataclass, field

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.actor_critic import ActorCritic, AgentConfig, ImitationConfig, masked_mean
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.temperature import Temperature
from imitax.errors import ConfigError
from imitax.types import Transition


@dataclass(frozen=True)
class ImpliedRewardConfig(ImitationConfig):
    """What the methods with an implied reward have in common."""

    batch_size: int = 128
    """Demonstrated, and as many replayed, transitions in an update."""
    temperature: Temperature = field(default_factory=lambda: Temperature("fixed", initial=0.01))
    gradient_penalty: GradientPenalty = field(default_factory=lambda: GradientPenalty("none"))
    """Of the critics, between expert and replay transitions."""

    def __post_init__(self):
        super().__post_init__()
        if self.terminal.kind == "reward_flag":
            raise ConfigError(
                "terminal.kind=reward_flag replaces an explicit reward at the end, and here the reward is implied by "
                "Q: use absorbing or closed_form to give the end a learned reward, or mask"
            )


def share_of_step(cfg: AgentConfig, t: Transition) -> Float[Array, "B"]:
    """What part of `Q - gamma V(s')` is the reward of one step: 1 - gamma at the ends of closed_form, else 1."""
    ones = jnp.ones(len(t.obs))
    if cfg.terminal.kind != "closed_form":
        return ones
    return cfg.terminal.next_value(ones, t.terminated, 1 - cfg.gamma)


def policy_actions(
    state: ActorCritic, t: Transition, key: PRNGKeyArray
) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
    """Sampled actions at the states of transitions, and their entropy bonus `-alpha log pi(a|s)`.

    In the absorbing state both are zero.
    """
    action, logp = state.actor.net.sample(t.obs, key)
    real = 1.0 - t.absorbing  # [B]
    return action * real[:, None], -state.temperature.net() * logp * real


def part_means(x: Float[Array, "*N M"], counts: Float[Array, "M"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Means over the first half of the rows, the expert's, and over the second, the replay's."""
    n = len(counts) // 2
    return masked_mean(x[..., :n], counts[:n]), masked_mean(x[..., n:], counts[n:])
