"""Soft actor-critic (Haarnoja et al. 2018b, "Soft Actor-Critic Algorithms and Applications", arXiv:1812.05905).

    critic       min_Q  E[(Q_i(s, a) - y)^2],  y = r + gamma (min_i Q'_i(s', a') - alpha log pi(a'|s'))
    policy       min_pi E[alpha log pi(a|s) - min_i Q_i(s, a)]
    temperature  min_alpha E[alpha (H - target)],  target = -|A|

The losses of policy and temperature are in `agents/actor_critic.py`: the imitation methods use them too.

Order of one update: critic, policy, temperature, target; critic and policy use the alpha of the update before.

Differs from the paper: the log standard deviation is squashed into [-5, 2]; the squared error carries no factor 1/2
(equation 5), so that a critic learning rate here equals the paper's under Adam; a chunk of environment steps is
followed by as many updates, so the acting policy is up to one chunk old.
"""

from dataclasses import field, replace
from typing import Annotated

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import CLEANIL, ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.replay import Replay
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.choices.terminal import Terminal, require_given_rewards
from imitax.networks import Critic, CriticConfig, Normalizer, Policy
from imitax.settings import INLINE, Count, settings
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """Soft actor-critic."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(ema=0.99999, ema_share=0.2)
    replay: Annotated[Replay, INLINE] = field(default_factory=Replay)
    batch_size: Count = 256
    """Transitions in an update."""
    steps_per_update: Count = 1
    """Environment steps for each update. Where a step costs less than an update, two steps an update learn sooner."""

    def __post_init__(self):
        require_given_rewards(self.agent.terminal, " (with --reward RUN the end is handled as in that run)")


PRESETS = {
    "default": Config(),
    "frugal": Config(agent=SoftActorCritic(ema=0.999), steps_per_update=2, batch_size=128),
    "steady": Config(agent=replace(Config().agent, critic=CriticConfig(layer_norm=True))),
    "cleanil": Config(agent=CLEANIL, replay=Replay(warmup_steps=2000)),
}
"""default: ours, evaluated with an average over the last fifth of the updates. frugal: half the updates on half as
large batches, and a short average, for long trainings where a step is cheap. steady: the default with normalised
critics; learned rewards are taught with it. cleanil: CleanIL's networks and rates."""


def needs(cfg: Config) -> Needs:
    """An environment with rewards."""
    return Needs(box_only="", env=True, absorbing=cfg.agent.terminal.samples_absorbing)


def schedule(cfg: Config) -> Schedule:
    """One update every `steps_per_update` environment steps."""
    return Schedule(
        cfg.batch_size, cfg.replay.warmup_steps, cfg.replay.buffer_size, steps_per_update=cfg.steps_per_update
    )


class State(eqx.Module):
    """The agent."""

    agent: ActorCritic
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    return State(create(cfg.agent, start, start.key), start.normalizer)


def critic_loss(
    critic: Critic, agent: ActorCritic, t: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference loss of all critics."""
    y = t.reward + cfg.agent.gamma * next_value(agent, t, cfg.agent, key)
    return regression(critic, t, y, cfg.agent)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on a replay batch."""
    data = state.normalizer.batch(batch).replay
    assert data is not None
    kc, ka = jr.split(key)
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, data, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), data, cfg.agent, ka)
    return State(agent, state.normalizer), mc | ma


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)


def with_reward(cfg: Config, terminal: Terminal) -> Config:
    """The configuration that learns from a learned reward."""
    return replace(cfg, agent=replace(cfg.agent, terminal=terminal))
