"""RAMBO (Rigter et al. 2022, "RAMBO-RL: Robust Adversarial Model-Based Offline RL", arXiv:2204.12581).

    policy  max  soft actor-critic on real and imagined transitions
    model   min  w E[A log p(s', r | s, a)] / D + loss of the data,  A = r + gamma V(s') - Q(s, a), normalised

Instead of a penalty, the model itself becomes pessimistic: where the data do not hold it, it turns to what is worst
for the policy. Every `imagination.every` updates a set of rollouts, every `adversary.every` a phase of model steps.

Differs from the paper: the policy is not cloned from the data first (`--init-from` a run of BC does that); advantages
are clipped; log densities are divided by the number of outputs, and the supervised loss is a sum over members of means
over outputs, so that the paper's weight 3e-4 has other units; observations are standardised, and the critics have
LayerNorm. The next action of A is sampled and its entropy left out, as in the paper; the reference system clips Q
besides (`--td-loss.value-clip`).
"""

from dataclasses import dataclass, field

from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import model_based
from imitax.choices.actor_critic import CLEANIL, explorer, next_value, policy
from imitax.choices.adversarial_model import AdversarialModel, model_turn
from imitax.choices.dynamics_loss import OFFICIAL_DECAY, DynamicsFit
from imitax.choices.imagination import Imagination
from imitax.choices.model_based import ModelState, OfflineModelConfig, rewarded_step
from imitax.choices.pessimism import Pessimism
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Dynamics, DynamicsConfig, Normalizer
from imitax.types import Batch, Metrics, Periodic, Spec, Transition

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "periodic", "policy", "update"]

State = ModelState
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(OfflineModelConfig):
    """RAMBO."""

    pessimism: Pessimism = field(default_factory=lambda: Pessimism("none"))
    adversary: AdversarialModel = field(default_factory=AdversarialModel)


PRESETS = {
    "default": Config(),
    "paper": Config(
        average=0.0,
        critic=CriticConfig(),
        critic_optimizer=OptimizerConfig(lr=3e-4),
        policy_optimizer=OptimizerConfig(lr=1e-4),
        dynamics=DynamicsConfig(hidden=(200, 200, 200, 200)),
        fit=DynamicsFit(patience=10, decay=OFFICIAL_DECAY),
        imagination=Imagination(horizon=2, starts=12_500, keep=1_000_000, limit=None),
        adversary=AdversarialModel(steps=1000, weight=3e-4, horizon=2),
    ),
    "cleanil": Config(
        average=0.0,
        fit=DynamicsFit(bootstrap=False, patience=10, optimizer=OptimizerConfig(lr=3e-4)),
        imagination=Imagination(horizon=40, keep=1_000_000, end_beyond=100.0),
        adversary=AdversarialModel(steps=1000, weight=0.1, horizon=40, optimizer=OptimizerConfig(lr=1e-4)),
        **CLEANIL,
    ),
}
"""default: ours. paper: the authors' settings for Hopper's mixed data. cleanil: the reference system's."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray, dynamics: Dynamics) -> State:
    """A state before its first update."""
    return model_based.create(cfg, spec, normalizer, key, dynamics, cfg.adversary.optimizer)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of the policy on recorded and imagined transitions."""
    data = state.normalizer.batch(batch)
    assert data.offline is not None
    assert data.imagined is not None
    return rewarded_step(state, data.offline, data.imagined, cfg, key)


def advantage(state: State, t: Transition, cfg: Config, key: PRNGKeyArray) -> Float[Array, "B"]:
    """`r + gamma V(s') - Q(s, a)`, without entropy."""
    v_next = next_value(state, t, cfg, key, critic=state.critic.net, entropy=False)
    return t.reward + cfg.gamma * v_next - cfg.td_loss.clip(state.critic.net(t.obs, t.action).min(0))


turn = model_turn(advantage)
"""One phase of model steps."""


def periodic(cfg: Config) -> tuple[Periodic, ...]:
    """What happens between chunks of updates."""
    return (Periodic(cfg.adversary.every, turn),)
