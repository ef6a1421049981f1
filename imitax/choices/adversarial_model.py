"""A model that turns against the policy, within what the data allow (Rigter et al. 2022, RAMBO, arXiv:2204.12581)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.choices.actor_critic import masked_mean
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.choices.imagination import Imagination, real_rows
from imitax.choices.model_based import ModelState
from imitax.errors import require_not_negative, require_positive
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import Dynamics, Policy
from imitax.types import Metrics, Transition

MS = TypeVar("MS", bound=ModelState)

Advantage = Callable[[Transition, PRNGKeyArray], Float[Array, "B"]]
"""Of imagined transitions with normalised observations: how good they are for the policy."""


@dataclass(frozen=True)
class AdversarialModel:
    """Gradient steps that make what is good for the policy less likely:

    min over the model  weight E[A log p(s', r | s, a)] / D + loss of the data,  A the normalised advantage (eq. 10)
    """

    every: int = 1000
    """Policy updates between phases of such steps."""
    steps: int = 100
    """Steps in a phase."""
    weight: float = 0.01
    """Of the adversarial term."""
    horizon: int = 5
    """Steps of a rollout, then it starts anew from a real state."""
    batch_size: int = 256
    """Rollouts side by side, and real transitions for each member."""
    advantage_clip: float = 10.0
    """Normalised advantages lie within +- this."""
    shared_stop: bool = True
    """Its rollouts stop where the policy's do. False lets them go on wherever observations are finite, and asks the
    critics there (claim C10)."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=3e-4))

    def __post_init__(self):
        require_positive(self, "every", "steps", "horizon", "batch_size", of="adversary")
        require_not_negative(self, "weight", of="adversary")

    def __call__(
        self,
        learner: Learner[Dynamics],
        fit: DynamicsFit,
        imagination: Imagination,
        policy: Policy,
        advantage: Advantage,
        buffers: Any,
        key: PRNGKeyArray,
    ) -> tuple[Learner[Dynamics], Metrics]:
        """One phase; metrics are averaged over its steps.

        Args:
            learner: the model.
            fit: gives the loss of the data.
            imagination: gives start states and the stop rule.
            policy: acts in the rollouts, its actions sampled.
            advantage: of imagined transitions.
            buffers: one seed's; the data are those of `offline`.
            key: of everything.
        """
        arrays, static = eqx.partition(learner, eqx.is_array)
        b = self.batch_size
        k0, ks = jr.split(key)

        def step(carry: tuple[Any, Array, Array], key: PRNGKeyArray) -> tuple[tuple[Any, Array, Array], Metrics]:
            arrays, obs, age = carry
            learner = eqx.combine(arrays, static)
            ka, km, kv, kd, kf = jr.split(key, 5)
            action = policy.act(obs, ka, "sample")
            taken = learner.net.sample(obs, action, km)
            taken, counts, on = imagination.judged(learner.net, taken)  # its ends hold either way
            if not self.shared_stop:
                counts = on = jnp.isfinite(taken.next_obs).all(-1)
            t = taken.transition(obs, action)
            t = replace(t, next_obs=jnp.where(counts[:, None], t.next_obs, obs))  # else 0 times what is not finite
            a = normalised(advantage(policy.normalizer.transition(t), kv), counts, self.advantage_clip)
            data = self._real(buffers, learner.net.cfg.members, kd)
            learner, metrics = learner.descend(self.loss, t, a, data, fit)
            on &= age + 1 < self.horizon
            obs = jnp.where(on[:, None], taken.next_obs, imagination.start_states(buffers, b, kf))
            return (eqx.filter(learner, eqx.is_array), obs, jnp.where(on, age + 1, 0)), metrics

        start = (arrays, imagination.start_states(buffers, b, k0), jnp.zeros(b, int))
        (arrays, _, _), metrics = jax.lax.scan(step, start, jr.split(ks, self.steps))
        return eqx.combine(arrays, static), jax.tree.map(lambda m: m.mean(0), metrics)

    def loss(
        self, dynamics: Dynamics, t: Transition, a: Float[Array, "B"], data: Transition, fit: DynamicsFit
    ) -> tuple[Float[Array, ""], Metrics]:
        """The adversarial term and the data's.

        Args:
            t: imagined transitions [B]; they are what was sampled, and carry no gradient.
            a: their normalised advantages.
            data: real transitions [N B].
        """
        scaled = dynamics.scaled_outputs(t.obs, t.next_obs, t.reward)
        logp = dynamics.log_prob(dynamics.predict(t.obs, t.action), scaled)  # [B]
        adversarial = (a * logp).mean() / scaled.shape[-1]
        supervised, metrics = fit.loss(dynamics, data)
        loss = self.weight * adversarial + supervised
        return loss, {"model_loss": loss, "model_adversarial": adversarial, "model_log_prob": logp.mean()} | metrics

    def _real(self, buffers: Any, members: int, key: PRNGKeyArray) -> Transition:
        flat = buffers.offline.take(real_rows(buffers.offline, members * self.batch_size, key))
        return jax.tree.map(lambda x: x.reshape(members, self.batch_size, *x.shape[1:]), flat)


def model_turn(
    advantage: Callable[[MS, Transition, Any, PRNGKeyArray], Float[Array, "B"]],
) -> Callable[[MS, Any, Any, PRNGKeyArray], tuple[MS, Metrics]]:
    """A phase of model steps against today's policy, as a turn between chunks of updates.

    Args:
        advantage: `(state, imagined transitions with normalised observations, cfg, key)`; `cfg.adversary` is the phase.
    """

    def turn(state: MS, buffers: Any, cfg: Any, key: PRNGKeyArray) -> tuple[MS, Metrics]:
        dynamics, metrics = cfg.adversary(
            state.dynamics,
            cfg.fit,
            cfg.imagination,
            Policy(state.normalizer, state.actor.net),
            lambda t, k: advantage(state, t, cfg, k),
            buffers,
            key,
        )
        return replace(state, dynamics=dynamics), metrics

    return turn


def normalised(a: Float[Array, "B"], counts: Bool[Array, "B"], clip: float) -> Float[Array, "B"]:
    """Zero mean and unit deviation over the rows that count, within +-clip; zero elsewhere."""
    a, counted = jnp.where(counts, a, 0.0), counts.astype(float)
    mean = masked_mean(a, counted)
    std = jnp.sqrt(masked_mean((a - mean) ** 2, counted))
    return jnp.where(counts, jnp.clip((a - mean) / (std + 1e-6), -clip, clip), 0.0)
