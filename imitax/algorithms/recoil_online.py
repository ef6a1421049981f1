"""ReCOIL (Sikchi et al. 2024, "Dual RL: Unification and New Methods for Reinforcement and Imitation Learning",
arXiv:2302.08560) with a replay in the place of its offline data, as the reference system has it.

    critic  min_Q  (1 - w) (m E_E[Q(s, pi) - Q(s, a)] + (1 - m) (E_B[Q(s, pi)] - E_E[Q(s, a)]))
                   + w E_{(E + B) / 2}[(Q(s, a) - gamma V(s'))^2]  + gradient penalty + anchors
    policy  max_pi E[Q(s, pi) - alpha log pi]

Demonstrated actions are ranked above the policy's while all implied rewards are drawn to zero; the gradient penalty
bounds how steeply Q falls off the demonstrations.

Order of one update: critic, then policy, temperature and target by soft actor-critic on expert and replay states.

Differs from the paper: the paper is offline, and its code fits V by implicit maximisation; here pi is trained and
chooses the actions. Differs from the reference system: the absorbing state has a transition to itself in the data, so
that its value is learned from temporal differences; it is flagged in the next state alone, not in the one before it;
values are bounded where they are bootstrapped, not where they are learned (a clipped output has no gradient).
`closed_form` as in `choices/implied_reward.py` concerns the squared term; the contrast is left as it is.
"""

from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.actor_critic import CLEANIL, ActorCritic, counted, create, explorer, improve, next_value, policy
from imitax.choices.contrast import ContrastConfig, contrast_terms
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.implied_reward import ImpliedRewardConfig, part_means, policy_actions, share_of_step
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.networks import Critic, CriticConfig, Normalizer
from imitax.types import Batch, Metrics, Spec, Transition, concat

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "update"]

State = ActorCritic
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(ContrastConfig, ImpliedRewardConfig):
    """ReCOIL with an environment."""

    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True, zero_head=True))
    gradient_penalty: GradientPenalty = field(
        default_factory=lambda: GradientPenalty("hinge", weight=10.0, margin=200.0, at="both", norm="linf")
    )
    """Of the critics, at demonstrated transitions and at the replay's states with the policy's actions."""
    td_loss: TdLoss = field(default_factory=lambda: TdLoss(value_clip=1000.0))
    temperature: Temperature = field(default_factory=lambda: Temperature("fixed", initial=0.1))

    def __post_init__(self):
        ImpliedRewardConfig.__post_init__(self)
        ContrastConfig.__post_init__(self)


PRESETS = {
    "default": Config(),
    "cleanil": Config(
        average=0.0,
        **CLEANIL | {"critic": replace(CLEANIL["critic"], zero_head=True)},
    ),
}
"""default: ours. cleanil: the reference system's networks and rates, w as for Hopper. There is no preset `paper`: the
paper has no online form."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    return create(cfg, spec, normalizer, key)


def critic_loss(
    critic: Critic, state: State, expert: Transition, replay: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Contrast, squared implied rewards, gradient penalty and anchors, averaged over the critics."""
    kv, kn, kp = jr.split(key, 3)
    mix = concat(expert, replay)  # [2B], expert rows first
    counts, share = counted(cfg, mix), share_of_step(cfg, mix)  # [2B]
    y = cfg.gamma * next_value(state, mix, cfg, kn)  # [2B]
    action, _ = policy_actions(state, mix, kv)
    q_policy = critic(mix.obs, action, mix.absorbing)  # [N 2B]
    q = critic(mix.obs, mix.action, mix.absorbing)  # [N 2B]
    r = share[None] * (q - y[None])  # [N 2B]

    contrast, anchors = contrast_terms(cfg, q, q_policy, counts)
    td = jnp.stack(part_means(cfg.td_loss(r) / share[None], counts)).mean()
    chosen = replace(replay, action=action[len(expert.obs) :])
    penalty, norm = cfg.gradient_penalty.of_critic(critic, expert, chosen, kp)

    loss = (1 - cfg.td_weight) * contrast + cfg.td_weight * td + penalty + anchors
    (q_expert, q_learner), (r_expert, r_learner) = part_means(q, counts), part_means(r, counts)
    return loss, norm | {
        "critic_loss": loss,
        "contrast": contrast,
        "td": td,
        "penalty": penalty,
        "anchors": anchors,
        "q_expert": q_expert,
        "q_learner": q_learner,
        "reward_expert": r_expert,
        "reward_learner": r_learner,
        "td_error": jnp.stack(part_means(jnp.abs(r), counts)).mean(),
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on as many demonstrated as replayed transitions."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.replay is not None
    kc, ka = jr.split(key)
    critic, mc = state.critic.descend(critic_loss, state, data.expert, data.replay, cfg, kc)
    state, ma = improve(state, critic, concat(data.expert, data.replay), cfg, ka)
    return state, mc | ma
