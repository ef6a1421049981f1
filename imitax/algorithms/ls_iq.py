"""LS-IQ: IQ-Learn as least squares with fixed targets (Al-Hafez et al. 2023, "LS-IQ: Implicit Reward Regularization
for Inverse Reinforcement Learning", arXiv:2303.00599), and SQIL (Reddy et al. 2020, arXiv:1905.11108) as a preset.

    expert  min_Q  E_E[(Q(s, a) - r_E / (1 - gamma))^2]        fix
                   E_E[(Q(s, a) - r_E - gamma V(s'))^2]        bootstrap
    replay  min_Q  E_B[(Q(s, a) - r_B - gamma V(s'))^2]
    policy  max_pi E[V(s)]

r_E = 1 / c and r_B = -1 / c. With both parts bootstrapped the implied reward is the mean of the two, weighted by the
occupancies of expert and replay: within +-1 / c, and Q within +-1 / (c (1 - gamma)), to which V(s') is clipped. SQIL is
the same with rewards 1 and 0 and without the clip. Under `closed_form` a transition into the end has the target
r / (1 - gamma), as if its reward recurred for ever.

Order of one update: critic, then policy, temperature and target by soft actor-critic on expert and replay states.

Differs from the paper: the separate entropy critic of LS-IQ-H is left out. In `learner_term: value` a transition of the
expert into the end has the target r_B / (1 - gamma) too, where the official code has r_B.
"""

from dataclasses import dataclass, field
from typing import Literal

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.actor_critic import ActorCritic, counted, create, explorer, improve, next_value, policy
from imitax.choices.implied_reward import ImpliedRewardConfig, part_means, policy_actions, share_of_step
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, CriticConfig, Normalizer
from imitax.types import Batch, Metrics, Spec, Transition, concat

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "update"]

State = ActorCritic
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(ImpliedRewardConfig):
    """Least-squares inverse Q-learning."""

    reward_expert: float = 2.0
    """r_E, reward of demonstrated steps: 1 / c, with the paper's c = 0.5."""
    reward_learner: float = -2.0
    """r_B, reward of replayed steps: -1 / c."""
    expert_term: Literal["fix", "bootstrap"] = "fix"
    """fix: Q of demonstrated actions is drawn to its largest value, r_E / (1 - gamma). bootstrap: to r_E + gamma
    V(s')."""
    learner_term: Literal["q", "value", "value_replay"] = "q"
    """What is drawn to r_B + gamma V(s'): q: Q of replayed actions. value: V(s) of expert's and replay's states.
    value_replay: V(s) of the replay's states."""
    clip: bool = True
    """V(s') is clipped to what r_B and r_E allow."""
    terminal: Terminal = field(default_factory=lambda: Terminal("closed_form"))

    def __post_init__(self):
        super().__post_init__()
        if self.gamma == 1:
            raise ConfigError("gamma=1 leaves the largest value, r_E / (1 - gamma), without a bound: lower it")
        if self.reward_expert <= self.reward_learner:
            raise ConfigError(
                f"reward_expert ({self.reward_expert}) must be higher than reward_learner ({self.reward_learner}), or "
                "the learner is paid for not imitating"
            )

    def bounds(self) -> tuple[float, float]:
        """Least and largest value: of the two rewards received for ever, or of the end where it is worth nothing."""
        low, high = min(self.reward_learner, 0.0), max(self.reward_expert, 0.0)
        return low / (1 - self.gamma), high / (1 - self.gamma)


PRESETS = {
    "default": Config(),
    "paper": Config(
        learner_term="value",
        normalize_obs=False,
        batch_size=256,
        warmup_steps=10_000,
        average=0.0,
        critic=CriticConfig(members=1),
        policy_optimizer=OptimizerConfig(lr=3e-5),
        temperature=Temperature("fixed", initial=1e-3),
    ),
    "sqil": Config(
        reward_expert=1.0,
        reward_learner=0.0,
        expert_term="bootstrap",
        clip=False,
        normalize_obs=False,
        average=0.0,
        critic=CriticConfig(),
        terminal=Terminal("mask"),
        temperature=Temperature(),
    ),
}
"""default: ours. paper: the official settings for Ant, HalfCheetah, Hopper and Walker2d, with the closed form that the
paper proposes and its launchers leave off; Humanoid has learner_term q and temperature 0.1. sqil: rewards 1 and 0."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    return create(cfg, spec, normalizer, key)


def critic_loss(
    critic: Critic, state: State, expert: Transition, replay: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Regression on the targets of expert and learner, and the gradient penalty, averaged over the critics."""
    ke, kr, kv, kp = jr.split(key, 4)
    low, high = cfg.bounds()
    mix = concat(expert, replay)  # [2B], expert rows first
    counts = counted(cfg, mix)  # [2B]

    def target(t: Transition, reward: float, key: PRNGKeyArray) -> Float[Array, "B"]:
        v_next = next_value(state, t, cfg, key, reward)
        return reward + cfg.gamma * (jnp.clip(v_next, low, high) if cfg.clip else v_next)

    y_expert, y_replay = target(expert, cfg.reward_expert, ke), target(replay, cfg.reward_learner, kr)  # [B]
    q = critic(mix.obs, mix.action, mix.absorbing)  # [N 2B]
    error = q - jnp.concatenate([y_expert, y_replay])[None]  # [N 2B]

    fixed = cfg.td_loss(q - cfg.reward_expert / (1 - cfg.gamma))  # [N 2B]
    expert_loss, _ = part_means(fixed if cfg.expert_term == "fix" else cfg.td_loss(error), counts)
    if cfg.learner_term == "q":
        _, learner_loss = part_means(cfg.td_loss(error), counts)
    else:
        action, bonus = policy_actions(state, mix, kv)
        v = critic(mix.obs, action, mix.absorbing) + bonus[None]  # [N 2B]
        low_target = jnp.concatenate([target(expert, cfg.reward_learner, ke), y_replay])  # [2B]
        on_expert, on_replay = part_means(cfg.td_loss(v - low_target[None]), counts)
        learner_loss = (on_expert + on_replay) / 2 if cfg.learner_term == "value" else on_replay
    penalty, norm = cfg.gradient_penalty.of_critic(critic, expert, replay, kp)

    loss = expert_loss + learner_loss + penalty
    q_expert, q_learner = part_means(q, counts)
    e_expert, e_learner = part_means(share_of_step(cfg, mix)[None] * error, counts)
    return loss, norm | {
        "critic_loss": loss,
        "expert_loss": expert_loss,
        "learner_loss": learner_loss,
        "penalty": penalty,
        "q_expert": q_expert,
        "q_learner": q_learner,
        "reward_expert": cfg.reward_expert + e_expert,
        "reward_learner": cfg.reward_learner + e_learner,
        "td_error": jnp.stack(part_means(jnp.abs(error), counts)).mean(),
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
