"""MBPO (Janner et al. 2019, "When to Trust Your Model: Model-Based Policy Optimization", arXiv:1906.08253).

    model   an ensemble of probabilistic networks, fitted again every `refit_every` environment steps
    policy  soft actor-critic, `updates_per_step` updates a step, on model and a few real transitions

Model transitions come from short rollouts that branch from the replay, whose horizon grows with training. Order: a
chunk of environment steps, the model's fit, rollouts, updates.

Differs from the paper: a fit begins from the model before it with new moments of Adam; half of a batch is real by
default (5 % there, preset `paper`); rollouts stop where the model leaves the data by 30 standard deviations. The preset
`paper` keeps the last 1,000,000 model transitions, the authors' code those of the last 1,000 steps, 400,000 times the
horizon; horizons are rounded here, cut off there.
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
from imitax.agents.replay import Replay
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.choices.dynamics_loss import OFFICIAL_DECAY, DynamicsFit
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, require_given_rewards
from imitax.learner import OptimizerConfig
from imitax.networks import Critic, DynamicsConfig, Normalizer, Policy
from imitax.settings import INLINE, Count, Share, settings
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """MBPO."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(critic_optimizer=OptimizerConfig())
    model: Annotated[ModelConfig, INLINE] = ModelConfig(
        fit=DynamicsFit(epochs=20, optimizer=OptimizerConfig(lr=3e-3)),
        model_rollouts=ModelRollouts(
            every=1000, starts=10_000, horizon=5, horizon_first=1, horizon_from=10_000, horizon_to=50_000, keep=200_000
        ),
        pessimism=Pessimism("none"),
    )
    replay: Annotated[Replay, INLINE] = Replay()
    batch_size: Count = 256
    """Transitions in an update."""
    real_share: Share = 0.5
    """Share of real transitions in a batch, the others are the model's."""
    refit_every: Count = 1000
    """Environment steps between fits of the model."""
    updates_per_step: Count = 10
    """Updates for each environment step."""

    def __post_init__(self):
        require_given_rewards(self.agent.terminal)


_HOPPER = ModelRollouts(every=250, starts=100_000, horizon=15, horizon_first=1, horizon_from=20_000, keep=1_000_000)

PRESETS = {
    "default": Config(),
    "paper": Config(
        agent=SoftActorCritic(critic_optimizer=OptimizerConfig(), temperature=Temperature(target_entropy=-1.0)),
        model=ModelConfig(
            dynamics=DynamicsConfig(hidden=(200, 200, 200, 200)),
            fit=DynamicsFit(patience=6, holdout=0.2, decay=OFFICIAL_DECAY),
            model_rollouts=replace(_HOPPER, horizon_to=150_000, limit=None),
            pessimism=Pessimism("none"),
        ),
        real_share=0.05,
        refit_every=250,
        updates_per_step=20,
    ),
    "cleanil": Config(
        agent=replace(CLEANIL, td_loss=TdLoss("huber")),
        model=ModelConfig(
            fit=DynamicsFit(bootstrap=False, optimizer=OptimizerConfig(lr=3e-4)),
            model_rollouts=replace(_HOPPER, end_beyond=100.0),
            pessimism=Pessimism("none"),
        ),
        replay=Replay(warmup_steps=2000),
        refit_every=250,
    ),
}
"""default: ours, sized for a few cores. paper: the authors' settings for Hopper. cleanil: CleanIL's."""


def needs(cfg: Config) -> Needs:
    """An environment with rewards, and a model."""
    absorbing, precision = cfg.agent.terminal.samples_absorbing, cfg.agent.precision
    return Needs(env=True, absorbing=absorbing, model=cfg.model, model_precision=precision)


def schedule(cfg: Config) -> Schedule:
    """Several updates a step, and a new fit now and then."""
    return Schedule(
        cfg.batch_size,
        cfg.replay.warmup_steps,
        cfg.replay.buffer_size,
        updates_per_step=cfg.updates_per_step,
        refit_every=cfg.refit_every,
    )


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
    """One update on replayed and model transitions."""
    data = state.normalizer.batch(batch)
    real, rollouts = data.replay, data.rollouts
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


def with_reward(cfg: Config, terminal: Terminal) -> Config:
    """The configuration that learns from a learned reward."""
    return replace(cfg, agent=replace(cfg.agent, terminal=terminal))
