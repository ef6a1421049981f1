"""IQ-Learn (Garg et al. 2021, "IQ-Learn: Inverse soft-Q Learning for Imitation", arXiv:2106.12142).

    critic  min_Q  -E_E[phi(r)] + E_D[V(s) - gamma V(s')],   r = Q(s, a) - gamma V(s'),  V(s) = Q(s, a') - alpha log pi
            phi(r) = -f*(-r); chi2: r - r^2 / (4 a)
    policy  max_pi E[V(s)]

E_D[V(s) - gamma V(s')] is (1 - gamma) E[V(s_0)] on any data D from the same initial states: the learner's mean reward
and entropy bonus. Solved for Q, the loss is -D_f(learner || expert) + alpha H, and the policy maximises it. `on: both`
takes chi2's penalty r^2 / (4 a) on expert and replay instead of the expert alone, and r lies within +-4 a.

Order of one update: critic, then policy, temperature and target. With an environment the policy is soft actor-critic's,
on expert and replay states. Offline there are the demonstrations alone: both expectations are theirs, and the policy is
cloned from them with weights of its advantages, or again climbs the critic.

Differs from the paper: V(s) is each critic's own and the bootstrapped V(s') the minimum of all, where the official code
takes the minimum for both (with its single critic they are the same). `on: both` has the actions of the replay, the
official code's last version the policy's actions with the replay's next states. `v0` takes the states that
demonstrations start from, as the paper does; the official code averages over all of the expert's. Ends have two more
treatments beside the paper's mask: `absorbing`, and `closed_form` as in `choices/implied_reward.py`. The paper has no
offline experiment with continuous actions: cloning by advantage and the gradient penalty between demonstrated and the
policy's actions are the reference system's.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.actor_critic import (
    CLEANIL,
    ActorCritic,
    counted,
    create,
    explorer,
    improve,
    masked_mean,
    next_value,
    policy,
)
from imitax.choices.divergence import Divergence
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.implied_reward import ImpliedRewardConfig, part_means, policy_actions, share_of_step
from imitax.choices.policy_update import PolicyUpdate
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
    """Inverse soft Q-learning."""

    regime: Literal["online", "offline"] = "online"
    """online: with an environment, whose transitions are the replay. offline: demonstrations alone."""
    divergence: Divergence = field(default_factory=lambda: Divergence("chi2", scale=0.5))
    """phi, and with chi2 its a."""
    on: Literal["expert", "both"] = "both"
    """Where chi2's penalty r^2 / (4 a) is taken: on expert data, or on expert and replay in equal parts."""
    value_term: Literal["value_expert", "value", "v0"] = "value"
    """value_expert, value: D of E_D[V(s) - gamma V(s')] is the expert's, or expert's and replay's in equal parts. v0:
    (1 - gamma) E[V(s_0)] on the states that demonstrations start from."""
    grad_through_target: bool = False
    """V(s') is the critic's own and its gradient counts; otherwise it is the target network's."""
    value_entropy: bool = True
    """V(s) has the entropy bonus, as V(s') always has; the reference system leaves it out."""
    policy_update: PolicyUpdate = field(default_factory=PolicyUpdate)
    """How the policy follows the critic."""

    def __post_init__(self):
        super().__post_init__()
        if self.regime == "offline" and (self.on == "both" or self.value_term == "value"):
            raise ConfigError(
                f"regime=offline has no replay for on={self.on} and value_term={self.value_term}: take on=expert and "
                "value_term=value_expert or v0 (the preset `offline` does)"
            )
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
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"expert", "env"} if self.regime == "online" else {"expert"})

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

_OFFLINE = Config(
    regime="offline", on="expert", value_term="value_expert", batch_size=256, policy_update=PolicyUpdate("awr")
)

PRESETS = {
    "default": Config(),
    "paper": _PAPER,
    "paper-v0": replace(_PAPER, value_term="v0"),
    "offline": _OFFLINE,
    "offline-sac": replace(_OFFLINE, policy_update=PolicyUpdate("sac")),
    "cleanil": Config(
        regime="offline",
        on="expert",
        value_term="value_expert",
        value_entropy=False,
        divergence=Divergence("chi2", scale=0.25),
        batch_size=256,
        average=0.0,
        terminal=Terminal("mask"),
        temperature=Temperature("fixed", initial=0.1),
        gradient_penalty=GradientPenalty("hinge", weight=20.0, margin=1.0, norm="linf"),
        policy_update=PolicyUpdate("awr", samples=1, noise=0.1),
        **CLEANIL,
    ),
}
"""default: ours, online. paper: the official settings for HalfCheetah; Ant has temperature 0.001. paper-v0: those for
Hopper, Walker2d and Humanoid; Humanoid has temperature 1. offline, offline-sac: ours on demonstrations alone, the
policy cloned by advantage or climbing the critic. cleanil: the reference system's offline form (its loss is half of
ours; the gradient penalty's weight is doubled instead)."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    return create(cfg, spec, normalizer, key)


def critic_loss(
    critic: Critic,
    state: State,
    expert: Transition,
    replay: Transition | None,
    initial: Transition | None,
    cfg: Config,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """Imitation, value and penalties, averaged over the critics; without a replay on the expert's data alone."""
    kv, kn, kp = jr.split(key, 3)
    mix = expert if replay is None else concat(expert, replay)  # [M], M = 2B or B, expert rows first
    counts, share = counted(cfg, mix), share_of_step(cfg, mix)  # [2B]
    bootstrap = replace(state, target=critic) if cfg.grad_through_target else state
    y = cfg.gamma * next_value(bootstrap, mix, cfg, kn)  # [M]
    action, bonus = policy_actions(state, mix, kv)
    v = critic(mix.obs, action, mix.absorbing) + (bonus[None] if cfg.value_entropy else 0.0)  # [N M]
    q = critic(mix.obs, mix.action, mix.absorbing)  # [N M]
    r = share[None] * (q - y[None])  # [N M]

    def means(x: Float[Array, "N M"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Of the expert's rows and of the learner's."""
        if replay is not None:
            return part_means(x, counts)
        mean = masked_mean(x, counts)
        return mean, mean

    imitation, regularizer = -means(cfg.divergence.concave(r) / share[None])[0], jnp.zeros(())
    if cfg.on == "both":  # phi(r) = r - r^2 / (4 a), its two terms on different data
        squares_expert, squares_replay = means(r**2 / share[None])
        imitation = -means(r / share[None])[0]
        regularizer = (squares_expert + squares_replay) / 2 / (4 * cfg.divergence.scale)
    value_expert, value_replay = means(v - y[None])
    value = value_expert if cfg.value_term == "value_expert" else (value_expert + value_replay) / 2
    if cfg.value_term == "v0":
        assert initial is not None
        first, bonus = policy_actions(state, initial, jr.fold_in(kv, 1))
        value = (1 - cfg.gamma) * (critic(initial.obs, first) + (bonus[None] if cfg.value_entropy else 0.0)).mean()
    learner = replace(expert, action=action) if replay is None else replay
    penalty, norm = cfg.gradient_penalty.of_critic(critic, expert, learner, kp)

    loss = imitation + value + regularizer + penalty
    (q_expert, q_learner), (r_expert, r_learner) = means(q), means(r)
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
        "td_error": jnp.stack(means(jnp.abs(r))).mean(),
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on demonstrated and, online, as many replayed transitions."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    kc, ka = jr.split(key)
    critic, mc = state.critic.descend(critic_loss, state, data.expert, data.replay, data.initial, cfg, kc)
    states = data.expert if data.replay is None else concat(data.expert, data.replay)
    state, ma = improve(state, critic, states, cfg, ka, cfg.policy_update)
    return state, mc | ma
