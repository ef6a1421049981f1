"""A model that turns against the policy, within what the data allow (Rigter et al. 2022, RAMBO, arXiv:2204.12581)."""

from collections.abc import Callable
from dataclasses import field, replace
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.agents.actor_critic import masked_mean
from imitax.agents.learned_model import ModelConfig
from imitax.agents.model_rollouts import start_states
from imitax.buffers import Buffer, Buffers
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Dynamics, Policy
from imitax.settings import Count, NonNegative, Positive, settings
from imitax.types import Metrics, Transition

Advantage = Callable[[Transition, PRNGKeyArray], Float[Array, "B"]]
"""Of model transitions with normalised observations: how good they are for the policy."""


@settings("adversary")
class AdversarialModel:
    """Gradient steps that make what is good for the policy less likely:

    min over the model  weight E[A log p(s', r | s, a)] / D + loss of the data,  A the normalised advantage (eq. 10)

    D, the number of outputs, is 1 with `log_density: sum`.
    """

    every: Count = 1000
    """Policy updates between phases of such steps."""
    steps: Count = 100
    """Steps in a phase."""
    weight: NonNegative = 0.01
    """Of the adversarial term."""
    log_density: Literal["mean", "sum"] = "mean"
    """mean: log p is divided by the number of outputs, so that one weight fits tasks of all sizes. sum: it is not
    (RAMBO's code), which makes the same weight D times as strong."""
    horizon: Count = 5
    """Steps of a rollout, then it starts anew from a real state."""
    batch_size: Count = 256
    """Rollouts side by side, and real transitions for each member."""
    advantage_clip: Positive | None = 10.0
    """Normalised advantages lie within +- this; None does not clip."""
    shared_stop: bool = True
    """Its rollouts stop where the policy's do. False lets them go on wherever observations are finite, and evaluates
    the critics there (claim C10)."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


class Carry(NamedTuple):
    """Of a phase: the model's arrays, where its rollouts are, and how many steps they are old."""

    arrays: Any
    obs: Float[Array, "B O"]
    age: Array


def adversarial_phase(
    learner: Learner[Dynamics],
    cfg: tuple[AdversarialModel, ModelConfig],
    policy: Policy,
    advantage: Advantage,
    buffers: Buffers,
    key: PRNGKeyArray,
) -> tuple[Learner[Dynamics], Metrics]:
    """One phase; metrics are averaged over its steps.

    Args:
        learner: the model.
        cfg: of the phase; and of the model, for the loss of the data, start states and the stop rule.
        policy: acts in the rollouts, its actions sampled.
        advantage: of model transitions.
        buffers: one seed's; the data are those of `offline`.
        key: of everything.
    """
    adversary, model = cfg
    arrays, static = eqx.partition(learner, eqx.is_array)
    b = adversary.batch_size
    k0, ks = jr.split(key)

    def step(carry: Carry, key: PRNGKeyArray) -> tuple[Carry, Metrics]:
        obs = carry.obs
        learner = eqx.combine(carry.arrays, static)
        ka, km, kv, kd, kf = jr.split(key, 5)
        action = policy.act(obs, ka, "sample")
        taken = learner.net.sample(obs, action, km)
        taken, mask, on = model.model_rollouts.judge(learner.net, taken)  # its ends hold either way
        if not adversary.shared_stop:
            mask = on = jnp.isfinite(taken.next_obs).all(-1)
        t = taken.transition(obs, action)
        t = replace(t, next_obs=jnp.where(mask[:, None], t.next_obs, obs))  # else 0 times what is not finite
        a = normalised(advantage(policy.normalizer.transition(t), kv), mask, adversary.advantage_clip)
        assert buffers.offline is not None
        data = member_batches(buffers.offline, learner.net.cfg.members, b, kd)
        learner, metrics = learner.descend(adversarial_loss, t, a, data, model.fit, adversary)
        on &= carry.age + 1 < adversary.horizon
        obs = jnp.where(on[:, None], taken.next_obs, start_states(model.model_rollouts, buffers, b, kf))
        return Carry(eqx.filter(learner, eqx.is_array), obs, jnp.where(on, carry.age + 1, 0)), metrics

    first = Carry(arrays, start_states(model.model_rollouts, buffers, b, k0), jnp.zeros(b, int))
    last, metrics = jax.lax.scan(step, first, jr.split(ks, adversary.steps))
    return eqx.combine(last.arrays, static), jax.tree.map(lambda m: m.mean(0), metrics)


def adversarial_loss(
    dynamics: Dynamics,
    t: Transition,
    a: Float[Array, "B"],
    data: Transition,
    fit: DynamicsFit,
    cfg: AdversarialModel,
) -> tuple[Float[Array, ""], Metrics]:
    """The adversarial term and the data's.

    Args:
        dynamics: the model.
        t: model transitions [B]; they are what was sampled, and carry no gradient.
        a: their normalised advantages.
        data: real transitions [N B].
        fit: gives the loss of the data.
        cfg: gives the weight of the adversarial term, and its log density.
    """
    outputs = dynamics.scaled_outputs(t.obs, t.next_obs, t.reward)
    logp = dynamics.log_prob(dynamics.predict(t.obs, t.action), outputs)  # [B]
    adversarial = (a * logp).mean() / (outputs.shape[-1] if cfg.log_density == "mean" else 1)
    supervised, metrics = fit.loss(dynamics, data)
    loss = cfg.weight * adversarial + supervised
    return loss, {"model_loss": loss, "model_adversarial": adversarial, "model_log_prob": logp.mean()} | metrics


def member_batches(buffer: Buffer, members: int, size: int, key: PRNGKeyArray) -> Transition:
    """A batch of stored transitions for each member, [N B]."""
    flat = buffer.take(buffer.draw_stored(members * size, key))
    return jax.tree.map(lambda x: x.reshape(members, size, *x.shape[1:]), flat)


def normalised(a: Float[Array, "B"], mask: Bool[Array, "B"], clip: float | None) -> Float[Array, "B"]:
    """Zero mean and unit deviation over the examples that count, within +-clip if given; zero elsewhere."""
    a, count = jnp.where(mask, a, 0.0), mask.astype(float)
    mean = masked_mean(a, count)
    std = jnp.sqrt(masked_mean((a - mean) ** 2, count))
    a = (a - mean) / (std + 1e-6)
    return jnp.where(mask, a if clip is None else jnp.clip(a, -clip, clip), 0.0)
