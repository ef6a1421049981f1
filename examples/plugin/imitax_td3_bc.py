"""TD3+BC (Fujimoto and Gu 2021, "A Minimalist Approach to Offline Reinforcement Learning", arXiv:2106.06860).

    critic  min_Q   E[(Q_i(s, a) - y)^2],  y = r + gamma min_j Q'_j(s', pi'(s') + noise)
    policy  min_pi  E[|pi(s) - a|^2] - lambda E[Q_1(s, pi(s))],  lambda = alpha / E|Q_1(s, pi(s))|

Order of one update: critic, target critic; every `policy_every` updates the policy and its target.

Differs from the paper: the policy is the mode of a tanh-Gaussian network, whose standard deviation is never trained.
"""

from dataclasses import field
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax import Needs, Schedule
from imitax.agents.start import Start
from imitax.learner import Learner, OptimizerConfig, polyak
from imitax.networks import Critic, CriticConfig, Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.settings import Count, NonNegative, Range, Share, settings
from imitax.types import Batch, Metrics, Transition


@settings()
class Config:
    """TD3+BC."""

    gamma: Annotated[float, Range(0.0, 1.0)] = 0.99
    """Discount factor."""
    alpha: NonNegative = 2.5
    """Weight of the critic against the cloning term, which has 1."""
    polyak: Share = 0.005
    """Share of the online networks in each update of the targets (tau)."""
    policy_every: Count = 2
    """Updates of the critic for each of the policy (d)."""
    noise: NonNegative = 0.2
    """Standard deviation of the noise on the target's actions, in half-widths of the action box (sigma)."""
    noise_clip: NonNegative = 0.5
    """Bound on that noise (c)."""
    batch_size: Count = 256
    """Transitions in an update."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the data."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    policy_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    critic_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


PRESETS = {"default": Config()}


def needs(cfg: Config) -> Needs:
    """Recorded data with rewards."""
    return Needs(offline=True, rewards=True, normalize_obs=cfg.normalize_obs)


def schedule(cfg: Config) -> Schedule:
    """One update a step."""
    return Schedule(batch_size=cfg.batch_size)


class State(eqx.Module):
    """Policy, critics, and the targets of both."""

    actor: Learner[TanhGaussian]
    critic: Learner[Critic]
    target_actor: TanhGaussian
    target_critic: Critic
    updates: Int[Array, ""]
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    ka, kc = jr.split(start.key)
    actor = start.actor or TanhGaussian(start.spec, cfg.policy, key=ka)
    assert isinstance(actor, TanhGaussian)  # `Needs` lets no finite set of actions in
    critic = Critic(start.spec, cfg.critic, key=kc)
    return State(
        actor=Learner.create(actor, cfg.policy_optimizer),
        critic=Learner.create(critic, cfg.critic_optimizer),
        target_actor=actor,
        target_critic=critic,
        updates=jnp.zeros((), int),
        normalizer=start.normalizer,
    )


def critic_loss(
    critic: Critic, state: State, t: Transition, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Temporal-difference loss of both critics, the target's action smoothed by noise."""
    spec = critic.spec
    low, high = jnp.asarray(spec.action_low)[None], jnp.asarray(spec.action_high)[None]
    noise = jnp.clip(cfg.noise * jr.normal(key, t.action.shape), -cfg.noise_clip, cfg.noise_clip)
    action = jnp.clip(state.target_actor.mode(t.next_obs) + noise * spec.half[None], low, high)
    v_next = state.target_critic(t.next_obs, action).min(0)  # [B]
    y = t.reward + cfg.gamma * jnp.where(t.terminated, 0.0, v_next)
    q = critic(t.obs, t.action)  # [N B]
    loss = ((q - y[None]) ** 2).mean()
    return loss, {"critic_loss": loss, "q": q.mean()}


def actor_loss(actor: TanhGaussian, critic: Critic, t: Transition, cfg: Config) -> tuple[Float[Array, ""], Metrics]:
    """Cloning, and the critic in units of its own size."""
    action = actor.mode(t.obs)
    q = critic(t.obs, action)[0]  # [B]
    weight = cfg.alpha / jax.lax.stop_gradient(jnp.abs(q).mean())
    cloning = ((action - t.action) ** 2).mean()
    return cloning - weight * q.mean(), {"cloning": cloning, "q_policy": q.mean()}


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on recorded transitions."""
    data = state.normalizer.batch(batch).offline
    assert data is not None
    critic, mc = state.critic.descend(critic_loss, state, data, cfg, key)
    actor, ma = state.actor.descend(actor_loss, critic.net, data, cfg)
    turn = state.updates % cfg.policy_every == 0
    actor = jax.tree.map(lambda new, old: jnp.where(turn, new, old), actor, state.actor)
    return State(
        actor=actor,
        critic=critic,
        target_actor=polyak(state.target_actor, actor.net, cfg.polyak * turn),
        target_critic=polyak(state.target_critic, critic.net, cfg.polyak),
        updates=state.updates + 1,
        normalizer=state.normalizer,
    ), mc | ma


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.actor.net)
