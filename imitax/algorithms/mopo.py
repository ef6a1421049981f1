"""MOPO (Yu et al. 2020, "MOPO: Model-based Offline Policy Optimization", arXiv:2005.13239).

    model   an ensemble of probabilistic networks, fitted once to recorded data
    reward  r(s, a) - lambda u(s, a),  u the ensemble's uncertainty
    policy  soft actor-critic on real and imagined transitions, imagined ones of short rollouts from recorded states

The penalty makes the return in the model a lower bound of the true one (theorem 4.4). Order of one update: critic,
policy, temperature, target, weight of the penalty; every `imagination.every` updates a set of rollouts comes first.

Differs from the paper: half of a batch is real (5 % there); u is measured in units of the data's standard deviation,
so that one lambda fits several tasks, and of observations alone, without the reward; observations are standardised, and
the critics have LayerNorm. Differs from the reference system, which stores penalised rewards with the lambda of that
moment and moves lambda at every step of a rollout: here u is stored and lambda is today's.
"""

from dataclasses import dataclass

from jaxtyping import PRNGKeyArray

from imitax.choices import model_based
from imitax.choices.actor_critic import CLEANIL, explorer, policy
from imitax.choices.dynamics_loss import OFFICIAL_DECAY, DynamicsFit
from imitax.choices.imagination import Imagination
from imitax.choices.model_based import ModelState, OfflineModelConfig, rewarded_step
from imitax.choices.pessimism import Pessimism
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Dynamics, DynamicsConfig, Normalizer
from imitax.types import Batch, Metrics, Spec

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "update"]

State = ModelState
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(OfflineModelConfig):
    """MOPO."""


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
        imagination=Imagination(horizon=40, keep=1_000_000, end_beyond=100.0),
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
    return rewarded_step(state, data.offline, data.imagined, cfg, key)
