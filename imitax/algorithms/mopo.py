"""MOPO (Yu et al. 2020, "MOPO: Model-based Offline Policy Optimization", arXiv:2005.13239).

    model   an ensemble of probabilistic networks, fitted once to recorded data
    reward  r(s, a) - lambda u(s, a),  u the ensemble's uncertainty
    policy  soft actor-critic on real transitions and those of short rollouts in the model from recorded states

The penalty makes the return in the model a lower bound of the true one (theorem 4.4). Order of one update: critic,
policy, temperature, target, weight of the penalty; every `model_rollouts.every` updates a set of rollouts comes first.

Differs from the paper: half of a batch is real (5 % there); u is measured in units of the data's standard deviation, so
that one lambda fits several tasks, and of observations alone, without the reward; observations are standardised, and
the critics have LayerNorm. The preset `paper` takes the authors' batch, raw observations and critics. It keeps the
units of u, and the model's layers have no spectral norm (`sn: True` there). Differs from CleanIL, which stores
penalised rewards with the lambda of that moment and moves lambda at every step of a rollout: here u is stored and the
current lambda is applied.
"""

from dataclasses import replace
from typing import Annotated

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents import learned_model
from imitax.agents.actor_critic import CLEANIL, ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.learned_model import LearnedModel, ModelConfig
from imitax.agents.model_rollouts import ModelRollouts
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.choices.dynamics_loss import OFFICIAL_DECAY, DynamicsFit
from imitax.choices.pessimism import Pessimism
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import require_given_rewards
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, CriticConfig, DynamicsConfig, Normalizer, Policy
from imitax.settings import INLINE, Count, Share, settings
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """MOPO."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.999, critic=CriticConfig(layer_norm=True), critic_optimizer=OptimizerConfig()
    )
    model: Annotated[ModelConfig, INLINE] = ModelConfig()
    batch_size: Count = 256
    """Transitions in an update."""
    real_share: Share = 0.5
    """Share of real transitions in a batch, the others are the model's."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the data."""

    def __post_init__(self):
        require_given_rewards(self.agent.terminal)


PRESETS = {
    "default": Config(),
    "paper": Config(
        agent=SoftActorCritic(critic_optimizer=OptimizerConfig(lr=3e-4), temperature=Temperature(target_entropy=-3.0)),
        model=ModelConfig(
            dynamics=DynamicsConfig(hidden=(200, 200, 200, 200)),
            fit=DynamicsFit(patience=6, holdout=0.2, decay=OFFICIAL_DECAY),
            model_rollouts=ModelRollouts(every=1000, starts=50_000, horizon=5, keep=1_250_000, limit=None),
        ),
        real_share=0.05,
        normalize_obs=False,
    ),
    "cleanil": Config(
        agent=CLEANIL,
        model=ModelConfig(
            fit=DynamicsFit(bootstrap=False, patience=10, optimizer=OptimizerConfig(lr=3e-4)),
            model_rollouts=ModelRollouts(horizon=40, keep=1_000_000, end_beyond=100.0),
            pessimism=Pessimism("ensemble_std", tuned=True),
        ),
    ),
}
"""default: ours. paper: the authors' settings for Hopper's mixed data; their target entropy is -3 on every task.
cleanil: CleanIL's."""


def needs(cfg: Config) -> Needs:
    """Recorded data with rewards, and a model."""
    return Needs(
        offline=True,
        rewards=True,
        absorbing=cfg.agent.terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
        model=cfg.model,
        model_precision=cfg.agent.precision,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step."""
    return Schedule(cfg.batch_size)


class State(eqx.Module):
    """Agent and model."""

    agent: ActorCritic
    model: LearnedModel
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    model = learned_model.create(cfg.model, start)
    return State(create(cfg.agent, start, start.key), model, start.normalizer)


def critic_loss(
    critic: Critic, agent: ActorCritic, t: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference loss of all critics."""
    y = t.reward + cfg.agent.gamma * next_value(agent, t, cfg.agent, key)
    return regression(critic, t, y, cfg.agent)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on recorded and model transitions."""
    data = state.normalizer.batch(batch)
    real, rollouts = data.offline, data.rollouts
    assert real is not None
    assert rollouts is not None
    kc, ka = jr.split(key)
    penalised, penalty = learned_model.penalised(state.model, rollouts, cfg.model)
    mix = learned_model.mixed(real, penalised, cfg.real_share, cfg.batch_size)
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, mix, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), mix, cfg.agent, ka)
    model, mp = learned_model.tune_penalty(state.model, rollouts, cfg.model)
    return State(agent, model, state.normalizer), mc | ma | mp | {"model_penalty": penalty.mean()}


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)
