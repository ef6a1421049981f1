"""Soft actor-critic (Haarnoja et al. 2018b, "Soft Actor-Critic Algorithms and Applications", arXiv:1812.05905).

    critic       min_Q  E[(Q_i(s, a) - y)^2],  y = r + gamma (min_i Q'_i(s', a') - alpha log pi(a'|s'))
    policy       min_pi E[alpha log pi(a|s) - min_i Q_i(s, a)]
    temperature  min_alpha E[alpha (H - target)],  target = -|A|

The three losses are in `choices/actor_critic.py`, `policy_update.py` and `temperature.py`: the imitation methods with
an environment use them too.

Order of one update: critic, policy, temperature, target; critic and policy use the alpha of the update before.

Differs from the paper: the log standard deviation is squashed into [-5, 2]; the squared error carries no factor 1/2
(equation 5), so that a critic learning rate here equals the paper's under Adam; a chunk of environment steps is
followed by as many updates, so the acting policy is up to one chunk old.
"""

from dataclasses import dataclass

import jax.random as jr
from jaxtyping import PRNGKeyArray

from imitax.choices.actor_critic import (
    CLEANIL,
    ActorCritic,
    ActorCriticConfig,
    create,
    explorer,
    improve,
    policy,
    soft_q_loss,
)
from imitax.errors import require_positive
from imitax.networks import Normalizer
from imitax.types import Batch, Metrics, Spec

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "update"]

State = ActorCritic
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """Soft actor-critic."""

    steps_per_update: int = 1
    """Environment steps for each update. Where a step costs less than an update, two steps an update learn sooner."""

    def __post_init__(self):
        super().__post_init__()
        require_positive(self, "steps_per_update")
        self.terminal.for_given_rewards(" (with --reward RUN the end is handled as in that run)")


PRESETS = {
    "default": Config(),
    "frugal": Config(steps_per_update=2, batch_size=128, average=0.999),
    "cleanil": Config(
        warmup_steps=2000,
        **CLEANIL,
    ),
}
"""default: ours. frugal: half the updates on half as large batches, and the average policy, for long trainings where
a step is cheap. cleanil: the reference system's networks and rates."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    return create(cfg, spec, normalizer, key)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on a replay batch."""
    data = state.normalizer.batch(batch).replay
    assert data is not None
    kc, ka = jr.split(key)
    critic, mc = state.critic.descend(soft_q_loss, state, data, 0.0, cfg, kc)
    state, ma = improve(state, critic, data, cfg, ka)
    return state, mc | ma
