"""Soft actor-critic (Haarnoja et al. 2018b, "Soft Actor-Critic Algorithms and Applications", arXiv:1812.05905).

    critic       min_Q  E[(Q_i(s, a) - y)^2],  y = r + gamma (min_i Q'_i(s', a') - alpha log pi(a'|s'))
    policy       min_pi E[alpha log pi(a|s) - min_i Q_i(s, a)]
    temperature  min_alpha E[alpha (H - target)],  target = -|A|

Order of one update: critic, policy, temperature, target; critic and policy use the alpha of the update before.

Differs from the paper: the log standard deviation is squashed into [-5, 2]; the squared error carries no factor 1/2
(equation 5), so that a critic learning rate here equals the paper's under Adam; a chunk of environment steps is
followed by as many updates, so the acting policy is up to one chunk old.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.policy_update import sac_policy_loss
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import LogTemperature, Temperature
from imitax.choices.terminal import Terminal
from imitax.learner import Learner, OptimizerConfig, polyak
from imitax.networks import Critic, CriticConfig, Normalizer, Policy, PolicyConfig, Precision, TanhGaussian
from imitax.types import Batch, Metrics, Spec, Transition


@dataclass(frozen=True)
class Config:
    """Soft actor-critic."""

    NEEDS: ClassVar[frozenset[str]] = frozenset({"env"})

    gamma: float = 0.99
    """Discount factor."""
    polyak: float = 0.005
    """Share of the online critic in each update of the target (tau)."""
    batch_size: int = 256
    """Transitions in an update."""
    warmup_steps: int = 5000
    """Environment steps with uniformly random actions, and no updates, at the start."""
    buffer_size: int = 1_000_000
    """Transitions that the replay buffer holds."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    policy_optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=3e-4))
    critic_optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3))
    td_loss: TdLoss = field(default_factory=TdLoss)
    terminal: Terminal = field(default_factory=Terminal)
    temperature: Temperature = field(default_factory=Temperature)
    precision: Precision = "float32"
    """Of matrix products: bfloat16 rounds their operands and accumulates in float32."""


PRESETS = {
    "default": Config(),
    "cleanil": Config(
        warmup_steps=2000,
        policy=PolicyConfig(
            hidden=(256, 256, 256), activation="silu", log_std_min=math.log(1e-3), log_std_max=math.log(3)
        ),
        critic=CriticConfig(hidden=(256, 256, 256), activation="silu"),
        policy_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
        critic_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
    ),
}
"""default: ours. cleanil: the reference system's networks and rates."""


class State(eqx.Module):
    """Everything that training changes."""

    actor: Learner[TanhGaussian]
    critic: Learner[Critic]
    target: Critic
    temperature: Learner[LogTemperature]
    normalizer: Normalizer


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    ka, kc = jr.split(key)
    critic = Critic(spec, cfg.critic, key=kc, precision=cfg.precision)
    return State(
        actor=Learner.create(TanhGaussian(spec, cfg.policy, key=ka, precision=cfg.precision), cfg.policy_optimizer),
        critic=Learner.create(critic, cfg.critic_optimizer),
        target=critic,
        temperature=cfg.temperature.create(),
        normalizer=normalizer,
    )


def critic_loss(
    critic: Critic, state: State, batch: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference error of all critics."""
    a_next, logp_next = state.actor.net.sample(batch.next_obs, key)
    v_next = state.target(batch.next_obs, a_next).min(0) - state.temperature.net() * logp_next  # [B]
    target = batch.reward + cfg.gamma * cfg.terminal.next_value(cfg.td_loss.clip(v_next), batch.terminated)  # [B]
    q = critic(batch.obs, batch.action)  # [N B]
    loss = cfg.td_loss(q - target[None]).mean()
    return loss, {"critic_loss": loss, "q": q.mean(), "q_max": q.max(), "target": target.mean()}


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on a replay batch."""
    data = state.normalizer.batch(batch).replay
    assert data is not None
    kc, ka = jr.split(key)
    alpha = state.temperature.net()
    critic, mc = state.critic.descend(critic_loss, state, data, cfg, kc)
    actor, ma = state.actor.descend(sac_policy_loss, critic.net, data.obs, alpha, ka)
    temperature = cfg.temperature.update(state.temperature, ma["entropy"], state.actor.net.spec.half)
    target = polyak(state.target, critic.net, cfg.polyak)
    metrics = mc | {k: jnp.mean(v) for k, v in ma.items()} | {"alpha": alpha}
    return State(actor, critic, target, temperature, state.normalizer), metrics


def policy(state: State) -> Policy:
    """The policy that acts, and that a run saves."""
    return Policy(state.normalizer, state.actor.net)
