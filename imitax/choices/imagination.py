"""Rollouts in a learned model, branched from real states, and the one rule that ends them."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.choices.pessimism import Pessimism
from imitax.errors import ConfigError, require_positive
from imitax.networks import Dynamics, ModelStep, Policy
from imitax.types import Transition

BLOCK = 1000
"""Rollouts side by side: the ensemble's activations of so many rows stay in the caches (measured: 5,000 at once
take twice as long)."""


class Imagined(NamedTuple):
    """Rollouts of H steps from B states: rows that count, and others."""

    transitions: Transition
    """[H B], observations in the task's units, with their `uncertainty`."""
    valid: Bool[Array, "H B"]
    """False after a rollout's end."""


@dataclass(frozen=True)
class Imagination:
    """When, from where and how far a policy is rolled out in the model (Janner et al. 2019, MBPO, algorithm 2)."""

    every: int = 250
    """Updates (online, environment steps) between rollouts."""
    starts: int = 5000
    """Rollouts each time."""
    horizon: int = 5
    """Steps of a rollout."""
    horizon_first: int | None = None
    """Steps at first; None is `horizon` throughout."""
    horizon_from: int = 20_000
    """Step at which the horizon begins to grow."""
    horizon_to: int = 100_000
    """Step at which it has reached `horizon`."""
    keep: int = 400_000
    """Transitions that the ring of imagined data holds."""
    expert_starts: float = 0.5
    """Share of rollouts that start from demonstrated states, where there are demonstrations."""
    stop_at_end: bool = True
    """End a rollout where the task ends. False imagines on (the reference system)."""
    limit: float | None = 30.0
    """End a rollout, and drop the step, where an observation lies so many standard deviations of the data from their
    mean; None trusts the model everywhere."""
    end_beyond: float | None = None
    """An observation of which a coordinate lies so far from 0, in the task's units, is an end of the task, whatever its
    own rule says (the reference system: 100); None leaves it to the rule."""

    def __post_init__(self):
        require_positive(self, "every", "starts", "horizon", "keep", of="imagination")
        if self.horizon_first is not None and not 1 <= self.horizon_first <= self.horizon:
            raise ConfigError(
                f"imagination.horizon_first must lie in 1 to horizon ({self.horizon}), got {self.horizon_first}"
            )
        if self.horizon_from >= self.horizon_to:
            raise ConfigError("imagination.horizon_from must lie before horizon_to")
        if self.end_beyond is not None and self.end_beyond <= 0:
            raise ConfigError(f"imagination.end_beyond must be positive, got {self.end_beyond}")
        if not 0 <= self.expert_starts <= 1:
            raise ConfigError(f"imagination.expert_starts must lie in [0, 1], got {self.expert_starts}")

    def horizon_at(self, step: int) -> int:
        """Steps of a rollout that starts after `step` steps of training: a line between the two horizons, rounded."""
        if self.horizon_first is None:
            return self.horizon
        share = min(max((step - self.horizon_from) / (self.horizon_to - self.horizon_from), 0.0), 1.0)
        return round(self.horizon_first + share * (self.horizon - self.horizon_first))

    def start_states(self, buffers: Any, count: int, key: PRNGKeyArray) -> Float[Array, "B O"]:
        """States that rollouts branch from: of the demonstrations, and of the other real data.

        Args:
            buffers: one seed's, with `expert` and one of `offline` and `replay`.
        """
        ke, ko, kc = jr.split(key, 3)
        others = buffers.replay if buffers.offline is None else buffers.offline
        obs = others.rows[real_rows(others, count, ko), : others.obs_dim]
        if buffers.expert is None or not self.expert_starts:
            return obs
        expert = buffers.expert.rows[real_rows(buffers.expert, count, ke), : others.obs_dim]
        return jnp.where(jr.bernoulli(kc, self.expert_starts, (count, 1)), expert, obs)

    def judged(self, dynamics: Dynamics, step: ModelStep) -> tuple[ModelStep, Bool[Array, "B"], Bool[Array, "B"]]:
        """Imagined steps with their ends, whether each counts, and whether its rollout goes on after it.

        The one stop rule: policy and adversarial rollouts (`AdversarialModel`) both call it, so that values are never
        asked for where they were not trained.
        """
        inside = jnp.isfinite(step.next_obs).all(-1)
        if self.limit is not None:
            o = dynamics.spec.obs_dim
            z = (step.next_obs - dynamics.input_mean[None, :o]) / dynamics.input_std[None, :o]
            inside &= (jnp.abs(z) < self.limit).all(-1)
        if self.end_beyond is not None:
            beyond = (jnp.abs(step.next_obs) >= self.end_beyond).any(-1)
            step = step._replace(terminated=step.terminated | beyond)
        return step, inside, inside & ~step.terminated if self.stop_at_end else inside

    def rollouts(
        self,
        dynamics: Dynamics,
        policy: Policy,
        pessimism: Pessimism,
        starts: Float[Array, "B O"],
        horizon: int,
        key: PRNGKeyArray,
    ) -> Imagined:
        """Roll the policy out, its actions sampled, `horizon` steps from every start."""
        blocks = -(-len(starts) // BLOCK)
        padded = jnp.concatenate([starts, starts[: blocks * BLOCK - len(starts)]])
        if len(starts) < BLOCK:
            blocks, padded = 1, starts

        def block(x: tuple[Array, PRNGKeyArray]) -> Imagined:
            obs, key = x

            def step(carry: tuple[Array, Array], key: PRNGKeyArray) -> tuple[tuple[Array, Array], Imagined]:
                obs, alive = carry
                ka, km = jr.split(key)
                action = policy.act(obs, ka, "sample")
                taken, u = self._step(dynamics, pessimism, obs, action, km)
                taken, counts, on = self.judged(dynamics, taken)
                row = replace(taken.transition(obs, action), uncertainty=u)
                on, counts = alive & on, alive & counts
                return (jnp.where(on[:, None], taken.next_obs, obs), on), Imagined(row, counts)

            return jax.lax.scan(step, (obs, jnp.ones(len(obs), bool)), jr.split(key, horizon))[1]

        out = jax.lax.map(block, (padded.reshape(blocks, -1, padded.shape[1]), jr.split(key, blocks)))  # [K H B/K ...]
        return jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(horizon, -1, *x.shape[3:])[:, : len(starts)], out)

    def _step(
        self, dynamics: Dynamics, pessimism: Pessimism, obs: Array, action: Array, key: PRNGKeyArray
    ) -> tuple[ModelStep, Array]:
        if pessimism.kind == "none":
            return dynamics.sample(obs, action, key), jnp.zeros(len(obs))
        prediction = dynamics.predict(obs, action)
        return dynamics.sample_from(prediction, obs, key), pessimism.uncertainty(dynamics, prediction)


def real_rows(buffer: Any, count: int, key: PRNGKeyArray) -> Array:
    """Row numbers of stored transitions, never the absorbing one."""
    return jr.randint(key, (count,), 0, buffer.size)
