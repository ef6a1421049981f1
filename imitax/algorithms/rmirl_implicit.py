"""RMIRL-implicit: robust imitation in an adversarial model, with the reward that its critic implies.

    critic  min_Q  E_B[Q(s, a)] - E_E[Q(s, a)] + v (E_E[Q(s, pi)] - E_E[Q(s, a)])
                   + w E_{(E + B) / 2}[(Q(s, a) - gamma V(s'))^2]  + gradient penalty
    policy  max    E[Q(s, pi) - alpha log pi]
    model   min    u E[A log p(s' | s, a)] / D + loss of the data,  A = gamma V(s') - Q(s, a), normalised

E are demonstrations, B imagined transitions. The reference system's third model-based method: the critic of ReCOIL
(Sikchi et al. 2024, arXiv:2302.08560, chi-square divergence) in the model of RMIRL (Wei et al. 2023, arXiv:2309.08571);
there is no paper of its own. Order of one update: critic, policy, temperature, target; every `imagination.every`
updates a set of rollouts comes first, every `adversary.every` a phase of model steps last.

Differs from the reference system: the default gives the end a state of its own, there no episode ends (`head` keeps
that); B is imagined and recorded data in the shares of the batch, there imagined alone (`head`).
"""

from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import model_based
from imitax.choices.actor_critic import CLEANIL, counted, explorer, improve, masked_mean, next_value, policy
from imitax.choices.adversarial_model import AdversarialModel, model_turn
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.imagination import Imagination
from imitax.choices.implied_reward import part_means, policy_actions, share_of_step
from imitax.choices.model_based import ModelState
from imitax.choices.model_imitation import ModelImitationConfig
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal
from imitax.errors import ConfigError, require_not_negative
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, CriticConfig, Dynamics, Normalizer
from imitax.types import Batch, Metrics, Periodic, Spec, Transition, concat, part

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "periodic", "policy", "update"]

State = ModelState
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(ModelImitationConfig):
    """RMIRL-implicit."""

    policy_weight: float = 1.0
    """v, weight of the contrast between the expert's actions and the policy's in demonstrated states."""
    td_weight: float = 0.5
    """w, weight of the squared implied rewards."""
    batch_size: int = 128
    """Demonstrated, and as many other, transitions in an update."""
    real_share: float = 0.25
    expert_share: float = 0.0
    """Share of demonstrated transitions among the other ones."""
    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True, zero_head=True))
    temperature: Temperature = field(default_factory=lambda: Temperature("fixed", initial=0.1))
    td_loss: TdLoss = field(default_factory=lambda: TdLoss(value_clip=1000.0))
    gradient_penalty: GradientPenalty = field(
        default_factory=lambda: GradientPenalty("hinge", weight=10.0, margin=600.0, at="both", norm="linf")
    )
    """Of the critics, at demonstrated and at other transitions."""
    pessimism: Pessimism = field(default_factory=lambda: Pessimism("none"))
    adversary: AdversarialModel = field(default_factory=AdversarialModel)

    @property
    def rows(self) -> int:
        """Transitions of each kind that an update is given."""
        return 2 * self.batch_size

    def __post_init__(self):
        super().__post_init__()
        if self.terminal.kind == "reward_flag":
            raise ConfigError(
                "terminal.kind=reward_flag replaces an explicit reward at the end, and here the reward is implied by "
                "Q: use closed_form or absorbing to give the end a value, or mask"
            )
        if self.pessimism.kind != "none":
            raise ConfigError("rmirl_implicit has no reward to take a penalty from: leave pessimism.kind none")
        require_not_negative(self, "policy_weight", "td_weight")
        if self.td_weight == 0:
            raise ConfigError("td_weight=0 leaves the level of Q open, and nothing carries value along: give td_weight")


PRESETS = {
    "default": Config(),
    "head": Config(
        average=0.0,
        real_share=0.0,
        terminal=Terminal("none"),
        imagination=Imagination(horizon=20, keep=1_000_000, stop_at_end=False, end_beyond=100.0),
        adversary=AdversarialModel(weight=0.05, horizon=20, optimizer=OptimizerConfig(lr=1e-4)),
        **CLEANIL
        | {
            "critic": replace(CLEANIL["critic"], zero_head=True),
            "critic_optimizer": OptimizerConfig(lr=3e-4, decay_to=1e-5, decay_steps=300_000, clip=1000.0),
        },
    ),
}
"""default: ours. head: the reference system's for Hopper and HalfCheetah; for Walker2d it has
--gradient-penalty.margin 100. The post has no such method."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray, dynamics: Dynamics) -> State:
    """A state before its first update."""
    return model_based.create(cfg, spec, normalizer, key, dynamics, cfg.adversary.optimizer)


def critic_loss(
    critic: Critic, state: State, expert: Transition, other: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Contrasts, squared implied rewards and gradient penalty, averaged over the critics."""
    kv, kn, kp = jr.split(key, 3)
    mix = concat(expert, other)  # [2B], expert rows first
    counts, share = counted(cfg, mix), share_of_step(cfg, mix)  # [2B]
    y = cfg.gamma * next_value(state, mix, cfg, kn)  # [2B]
    q = critic(mix.obs, mix.action, mix.absorbing)  # [N 2B]
    r = share[None] * (q - y[None])  # [N 2B]
    q_expert, q_other = part_means(q, counts)
    action, _ = policy_actions(state, expert, kv)
    q_policy = masked_mean(critic(expert.obs, action, expert.absorbing), counted(cfg, expert))

    contrast = q_other - q_expert + cfg.policy_weight * (q_policy - q_expert)
    td = jnp.stack(part_means(cfg.td_loss(r) / share[None], counts)).mean()
    penalty, norm = cfg.gradient_penalty.of_critic(critic, expert, other, kp)

    loss = contrast + cfg.td_weight * td + penalty
    r_expert, r_other = part_means(r, counts)
    return loss, norm | {
        "critic_loss": loss,
        "contrast": contrast,
        "td": td,
        "penalty": penalty,
        "q_expert": q_expert,
        "q_other": q_other,
        "q_policy_expert": q_policy,
        "reward_expert": r_expert,
        "reward_other": r_other,
    }


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of the policy, on as many demonstrated as other transitions."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.offline is not None
    assert data.imagined is not None
    kc, ka = jr.split(key)
    n = cfg.batch_size
    expert, again = part(data.expert, 0, n), part(data.expert, n, 2 * n)
    other = cfg.compose(again, data.offline, replace(data.imagined, uncertainty=None))
    critic, mc = state.critic.descend(critic_loss, state, expert, other, cfg, kc)
    state, ma = improve(state, critic, concat(expert, other), cfg, ka)
    return state, mc | ma


def advantage(state: State, t: Transition, cfg: Config, key: PRNGKeyArray) -> Float[Array, "B"]:
    """`gamma V(s') - Q(s, a)`, the implied reward with the other sign; `(gamma - 1) Q` at the ends of closed_form."""
    v_next = next_value(state, t, cfg, key, critic=state.critic.net)
    q = cfg.td_loss.clip(state.critic.net(t.obs, t.action).min(0))
    return share_of_step(cfg, t) * (cfg.gamma * v_next - q)


turn = model_turn(advantage)
"""One phase of model steps."""


def periodic(cfg: Config) -> tuple[Periodic, ...]:
    """What happens between chunks of updates."""
    return (Periodic(cfg.adversary.every, turn),)
