"""OMLIRL (Zeng et al. 2023, "When Demonstrations Meet Generative World Models: A Maximum Likelihood Framework for
Offline Inverse Reinforcement Learning", arXiv:2302.07457).

    max over r  log likelihood of the demonstrations under pi_r
    pi_r        soft-optimal for r(s, a) - lambda u(s, a) in a learned model, u the ensemble's uncertainty

The gradient in r is `E_expert[sum gamma^t dr] - E_{pi, model}[sum gamma^t dr]`: a linear discriminator between
demonstrations and imagined rollouts. Order of one update: critic, policy, temperature, target, weight of the penalty;
every `imagination.every` updates a set of rollouts comes first, every `reward_every` a step of the reward last.

Differs from the paper: reward and policy take turns at every few updates instead of solving for pi_r; the marginal
form compares single transitions with those of the ring, not discounted sums (`--reward-form trajectory` does, from
demonstrated states in place of initial ones); a gradient penalty bounds the reward; the default ends episodes in an
absorbing state with a learned reward and puts demonstrations into the policy's batches. The presets `head` and `blog`
are the reference system's at two times; its flags of the last step, and its penalty on real rows (blog), are not
repeated.
"""

from dataclasses import dataclass, field

from jaxtyping import PRNGKeyArray

from imitax.choices import model_imitation
from imitax.choices.actor_critic import explorer, policy
from imitax.choices.imagination import Imagination
from imitax.choices.model_imitation import (
    REFERENCE,
    LearnedRewardConfig,
    LearnedRewardState,
    policy_step,
    reward_turn,
)
from imitax.choices.pessimism import Pessimism
from imitax.choices.reward_learning import learned_reward
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.networks import Dynamics, Normalizer
from imitax.types import Batch, Metrics, Periodic, Spec

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "periodic", "policy", "reward", "update"]

State = LearnedRewardState
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(LearnedRewardConfig):
    """OMLIRL."""

    pessimism: Pessimism = field(default_factory=lambda: Pessimism("ensemble_std", weight=0.5))


PRESETS = {
    "default": Config(),
    "head": Config(
        **REFERENCE,
        l2=1e-5,
        td_loss=TdLoss(value_clip=1000.0),
        pessimism=Pessimism("ensemble_std", tuned=True),
        imagination=Imagination(horizon=40, keep=1_000_000, stop_at_end=False, end_beyond=100.0),
    ),
    "blog": Config(
        **REFERENCE,
        l2=1e-3,
        td_loss=TdLoss("huber"),
        temperature=Temperature("tuned", initial=1.0),
        pessimism=Pessimism("ensemble_std", tuned=True),
        imagination=Imagination(horizon=40, keep=1_000_000, stop_at_end=False, end_beyond=100.0, expert_starts=0.0),
        reward_every=1000,
        reward_form="trajectory",
        reward_batch_size=6400,
    ),
}
"""default: ours. head, blog: the reference system's, now and as the post describes it."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray, dynamics: Dynamics) -> State:
    """A state before its first update."""
    return model_imitation.create(cfg, spec, normalizer, key, dynamics)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of the policy."""
    return policy_step(state, batch, cfg, key)


def periodic(cfg: Config) -> tuple[Periodic, ...]:
    """What happens between chunks of updates."""
    return (Periodic(cfg.reward_every, reward_turn),)


reward = learned_reward
