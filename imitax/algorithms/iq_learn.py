"""IQ-Learn (Garg et al. 2021, "IQ-Learn: Inverse soft-Q Learning for Imitation", arXiv:2106.12142).

    critic  min_Q  -E_E[phi(r)] + E_D[V(s) - gamma V(s')],   r = Q(s, a) - gamma V(s'),  V(s) = Q(s, a') - alpha log pi
            phi(r) = -f*(-r); chi2: r - r^2 / (4 a)
    policy  max_pi E[V(s)]

E_D[V(s) - gamma V(s')] is (1 - gamma) E[V(s_0)] on any data D from the same initial states: the learner's mean reward
and entropy bonus. Solved for Q, the loss is -D_f(learner || expert) + alpha H, and the policy maximises it. `on: both`
takes chi2's penalty r^2 / (4 a) on expert and replay instead of the expert alone, and r lies within +-4 a.

Order of one update: critic, then policy, temperature and target by soft actor-critic on expert and replay states.

Differs from the paper: V(s) is each critic's own and the bootstrapped V(s') the minimum of all, where the official code
takes the minimum for both (with its single critic they are the same). `on: both` has the actions of the replay, the
official code's last version the policy's actions with the replay's next states. `v0` takes the states that
demonstrations start from, as the paper does; the official code averages over all of the expert's. Ends have two more
treatments beside the paper's mask: `absorbing`, and `closed_form` as in `choices/implied_reward.py`.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.actor_critic import ActorCritic, counted, create, explorer, improve, next_value, policy
from imitax.choices.divergence import Divergence
from imitax.choices.implied_reward import ImpliedRewardConfig, part_means, policy_actions, share_of_step
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
    """Inverse soft Q-learning."""

    divergence: Divergence = field(default_factory=lambda: Divergence("chi2", scale=0.5))
    """phi, and with chi2 its a."""
    on: Literal["expert", "both"] = "both"
    """Where chi2's penalty r^2 / (4 a) is taken: on expert data, or on expert and replay in equal parts."""
    value_term: Literal["value_expert", "value", "v0"] = "value"
    """value_expert, value: D of E_D[V(s) - gamma V(s')] is the expert's, or expert's and replay's in equal parts. v0:
    (1 - gamma) E[V(s_0)] on the states that demonstrations start from."""
    grad_through_target: bool = False
    """V(s') is the critic's own and its gradient counts; otherwise it is the target network's."""

    def __post_init__(self):
        super().__post_init__()
        if self.on == "both" and self.divergence.kind != "chi2":
            raise ConfigError(
                f"on=both adds chi2's penalty on the replay, and divergence.kind={self.divergence.kind} has its own on "
                "expert data: use on=expert, or divergence.kind=chi2"
            )
        if self.td_loss.kind != "squared":
            raise ConfigError(
                f"td_loss.kind={self.td_loss.kind} has no effect on IQ-Learn, whose penalty of implied rewards is its "
                "divergence's: change divergence.kind (td_loss.value_clip does bound V(s'))"
            )

    @property
    def needs_initial(self) -> bool:
        """Whether batches bring the states that demonstrations start from."""
        return self.value_term == "v0"


_PAPER = Config(
    normalize_obs=False,
    batch_size=256,
    warmup_steps=0,
    average=0.0,
    critic=CriticConfig(members=1),
    policy_optimizer=OptimizerConfig(lr=3e-5),
    terminal=Terminal("mask"),
)

PRESETS = {"default": Config(), "paper": _PAPER, "paper-v0": replace(_PAPER, value_term="v0")}
"""default: ours. paper: the official settings for HalfCheetah; Ant has temperature 0.001. paper-v0: those for Hopper,
Walker2d and Humanoid; Humanoid has temperature 1."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    return create(cfg, spec, normalizer, key)


def critic_loss(
    critic: Critic,
    state: State,
    expert: Transition,
    replay: Transition,
    initial: Transition | None,
    cfg: Config,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """Imitation, value and penalties, averaged over the critics."""
    kv, kn, kp = jr.split(key, 3)
    mix = concat(expert, replay)  # [2B], expert rows first
    counts, share = counted(cfg, mix), share_of_step(cfg, mix)  # [2B]
    bootstrap = replace(state, target=critic) if cfg.grad_through_target else state
    y = cfg.gamma * next_value(bootstrap, mix, cfg, kn)  # [2B]
    action, bonus = policy_actions(state, mix, kv)
    v = critic(mix.obs, action, mix.absorbing) + bonus[None]  # [N 2B]
    q = critic(mix.obs, mix.action, mix.absorbing)  # [N 2B]
    r = share[None] * (q - y[None])  # [N 2B]

    imitation, regularizer = -part_means(cfg.divergence.concave(r) / share[None], counts)[0], jnp.zeros(())
    if cfg.on == "both":  # phi(r) = r - r^2 / (4 a), its two terms on different data
        squares_expert, squares_replay = part_means(r**2 / share[None], counts)
        imitation = -part_means(r / share[None], counts)[0]
        regularizer = (squares_expert + squares_replay) / 2 / (4 * cfg.divergence.scale)
    value_expert, value_replay = part_means(v - y[None], counts)
    value = value_expert if cfg.value_term == "value_expert" else (value_expert + value_replay) / 2
    if cfg.value_term == "v0":
        assert initial is not None
        action, bonus = policy_actions(state, initial, jr.fold_in(kv, 1))
        value = (1 - cfg.gamma) * (critic(initial.obs, action) + bonus[None]).mean()
    penalty, norm = cfg.gradient_penalty(
        critic.at,
        critic.join(expert.obs, expert.action, expert.absorbing),
        critic.join(replay.obs, replay.action, replay.absorbing),
        kp,
        critic.action_columns,
    )

    loss = imitation + value + regularizer + penalty
    (q_expert, q_learner), (r_expert, r_learner) = part_means(q, counts), part_means(r, counts)
    return loss, norm | {
        "critic_loss": loss,
        "imitation": imitation,
        "value": value,
        "regularizer": regularizer,
        "penalty": penalty,
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
    critic, mc = state.critic.descend(critic_loss, state, data.expert, data.replay, data.initial, cfg, kc)
    state, ma = improve(state, critic, concat(data.expert, data.replay), cfg, ka)
    return state, mc | ma
