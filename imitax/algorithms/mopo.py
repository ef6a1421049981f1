"""MOPO (Yu et al. 2020, "MOPO: Model-based Offline Policy Optimization", arXiv:2005.13239).

    model   an ensemble of probabilistic networks, fitted once to recorded data
    reward  r(s, a) - lambda u(s, a),  u the ensemble's uncertainty
    policy  soft actor-critic on real and imagined transitions, imagined ones of short rollouts from recorded states

The penalty makes the return in the model a lower bound of the true one (theorem 4.4). Order of one update: critic,
policy, temperature, target, weight of the penalty; every `imagination.every` updates a set of rollouts comes first.

Differs from the paper: half of a batch is real (5 % there); u is measured in units of the data's standard deviation,
so that one lambda fits several tasks; observations are standardised. Differs from the reference system, which stores
penalised rewards with the lambda of that moment and moves lambda at every step of a rollout: here u is stored and
lambda is today's.
"""

from dataclasses import dataclass, field

import jax.random as jr
from jaxtyping import PRNGKeyArray

from imitax.choices import model_based
from imitax.choices.actor_critic import CLEANIL, explorer, improve, policy, soft_q_loss
from imitax.choices.dynamics_loss import OFFICIAL_DECAY, DynamicsFit
from imitax.choices.imagination import Imagination
from imitax.choices.model_based import ModelConfig, ModelState, mixed, penalised
from imitax.choices.pessimism import Pessimism
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Dynamics, DynamicsConfig, Normalizer
from imitax.types import Batch, Metrics, Spec

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "update"]

State = ModelState
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(ModelConfig):
    """MOPO."""

    average: float = 0.999
    critic: CriticConfig = field(default_factory=lambda: CriticConfig(layer_norm=True))
    critic_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    normalize_obs: bool = True
    """Standardise observations with the statistics of the data."""

    @property
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"offline data", "model"})

    @property
    def needs_rewards(self) -> bool:
        """The data's rewards are what it learns from."""
        return True

    def __post_init__(self):
        super().__post_init__()
        if self.terminal.flagged:
            raise ConfigError(
                f"terminal.kind={self.terminal.kind} is for learned rewards, which give the end a reward of its own; "
                "mopo takes mask or none"
            )


PRESETS = {
    "default": Config(),
    "paper": Config(
        average=0.0,
        critic=CriticConfig(),
        real_share=0.05,
        critic_optimizer=OptimizerConfig(lr=3e-4),
        normalize_obs=False,
        dynamics=DynamicsConfig(hidden=(200, 200, 200, 200)),
        fit=DynamicsFit(decay=OFFICIAL_DECAY),
        imagination=Imagination(every=1000, starts=50_000, horizon=5, keep=250_000, limit=None),
    ),
    "cleanil": Config(
        average=0.0,
        pessimism=Pessimism("ensemble_std", tuned=True),
        fit=DynamicsFit(bootstrap=False, patience=10, optimizer=OptimizerConfig(lr=3e-4)),
        imagination=Imagination(horizon=40, keep=1_000_000),
        **CLEANIL,
    ),
}
"""default: ours. paper: the authors' batch and rollouts for Hopper's mixed data. cleanil: the reference system's."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray, dynamics: Dynamics) -> State:
    """A state before its first update."""
    return model_based.create(cfg, spec, normalizer, key, dynamics)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on recorded and imagined transitions."""
    data = state.normalizer.batch(batch)
    assert data.offline is not None
    assert data.imagined is not None
    kc, ka = jr.split(key)
    imagined, penalty = penalised(state, data.imagined, cfg)
    mix = mixed(data.offline, imagined, cfg)
    critic, mc = state.critic.descend(soft_q_loss, state, mix, 0.0, cfg, kc)
    state, ma = improve(state, critic, mix, cfg, ka)
    state, mp = model_based.weigh(state, data.imagined, cfg)
    return state, mc | ma | mp | {"model_penalty": penalty.mean()}
