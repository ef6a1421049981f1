"""RMIRL (Wei et al. 2023, "A Bayesian Approach to Robust Inverse Reinforcement Learning", arXiv:2309.08571).

    reward  max over r  likelihood of the demonstrations, as OMLIRL
    policy  max         soft actor-critic on r in the model
    model   min         w E[A log p(s' | s, a)] / D + loss of the data,  A the policy's advantage, normalised

The expert is taken to plan in a model of its own, which is more right the larger the weight of the data: a robust
reward is the one under the worst such model. Order of one update as OMLIRL's, without a penalty; every
`adversary.every` updates a phase of model steps comes before the reward's turn.

Differs from the paper: the reward's two forms and the defaults for the end and the batches are OMLIRL's here; the
model's loss is a sum over its members. Differs from the reference system: the scalers of the model's inputs stay as
they were fitted (there they are fitted anew in each phase), rollouts of policy and model share one stop rule, and
actions in rollouts are sampled in all presets.
"""

from dataclasses import dataclass, field, replace

from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import model_imitation
from imitax.choices.actor_critic import CLEANIL, explorer, next_value, policy
from imitax.choices.adversarial_model import AdversarialModel, model_turn
from imitax.choices.imagination import Imagination
from imitax.choices.model_imitation import (
    REFERENCE,
    LearnedRewardConfig,
    LearnedRewardState,
    policy_step,
    reward_turn,
)
from imitax.choices.pessimism import Pessimism
from imitax.choices.reward_learning import learned_reward, paid
from imitax.choices.td_loss import TdLoss
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Dynamics, Normalizer
from imitax.types import Batch, Metrics, Periodic, Spec, Transition

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "periodic", "policy", "reward", "update"]

State = LearnedRewardState
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(LearnedRewardConfig):
    """RMIRL."""

    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True, zero_head=True))
    pessimism: Pessimism = field(default_factory=lambda: Pessimism("none"))
    adversary: AdversarialModel = field(default_factory=AdversarialModel)
    adversary_entropy: bool = True
    """The value of the next state in A has its entropy bonus."""


_REFERENCE = REFERENCE | {
    "critic": replace(CLEANIL["critic"], zero_head=True),
    "imagination": Imagination(horizon=40, keep=1_000_000, stop_at_end=False, end_beyond=100.0),
}

PRESETS = {
    "default": Config(),
    "head": Config(
        **_REFERENCE,
        l2=1e-5,
        td_loss=TdLoss(value_clip=1000.0),
        adversary=AdversarialModel(weight=0.05, horizon=40, optimizer=OptimizerConfig(lr=1e-4)),
    ),
    "blog": Config(
        **_REFERENCE | {"critic": CLEANIL["critic"]},
        l2=1e-3,
        td_loss=TdLoss("huber"),
        adversary=AdversarialModel(weight=0.1, horizon=40, optimizer=OptimizerConfig(lr=1e-4)),
        adversary_entropy=False,
        reward_every=1000,
        reward_form="trajectory",
        reward_batch_size=6400,
    ),
}
"""default: ours. head, blog: the reference system's, now and as the post describes it (whose HalfCheetah runs had
--terminal.kind closed_form besides)."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray, dynamics: Dynamics) -> State:
    """A state before its first update."""
    return model_imitation.create(cfg, spec, normalizer, key, dynamics, cfg.adversary.optimizer)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of the policy."""
    return policy_step(state, batch, cfg, key)


def advantage(state: State, t: Transition, cfg: Config, key: PRNGKeyArray) -> Float[Array, "B"]:
    """`r + gamma V(s') - Q(s, a)`."""
    t, end = paid(state.reward.net, t, cfg)
    v_next = next_value(state, t, cfg, key, end, critic=state.critic.net, entropy=cfg.adversary_entropy)
    return t.reward + cfg.gamma * v_next - cfg.td_loss.clip(state.critic.net(t.obs, t.action).min(0))


turn = model_turn(advantage)
"""One phase of model steps."""


def periodic(cfg: Config) -> tuple[Periodic, ...]:
    """What happens between chunks of updates."""
    return Periodic(cfg.adversary.every, turn), Periodic(cfg.reward_every, reward_turn)


reward = learned_reward
