"""Rollouts in a learned model, branched from real states, and the one rule that ends them."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from imitax.buffers import Buffers
from imitax.choices.pessimism import Pessimism
from imitax.errors import ConfigError
from imitax.networks import Dynamics, ModelStep, Policy
from imitax.settings import Count, Positive, Share, settings
from imitax.types import Transition

BLOCK = 1000
"""Rollouts computed side by side: the ensemble's activations for so many states stay in the processor's caches."""


class Rollouts(NamedTuple):
    """Rollouts of H steps from B states."""

    transitions: Transition
    """[H B], observations in the task's units, with their `uncertainty`."""
    mask: Bool[Array, "H B"]
    """False after a rollout's end."""


@settings("model_rollouts")
class ModelRollouts:
    """When, from where and how far a policy is rolled out in the model (Janner et al. 2019, MBPO, algorithm 2)."""

    every: Count = 250
    """Updates (online, environment steps) between sets of rollouts."""
    starts: Count = 5000
    """Rollouts in a set."""
    horizon: Count = 5
    """Steps of a rollout."""
    horizon_first: Count | None = None
    """Steps at first; None is `horizon` throughout."""
    horizon_from: int = 20_000
    """Step of training at which the horizon begins to grow."""
    horizon_to: int = 100_000
    """Step of training at which it has reached `horizon`."""
    keep: Count = 400_000
    """Transitions that the ring buffer of model transitions holds."""
    expert_starts: Share = 0.5
    """Share of rollouts that start from demonstrated states, where there are demonstrations."""
    stop_at_end: bool = True
    """End a rollout where the task ends. False goes on (CleanIL)."""
    limit: float | None = 30.0
    """End a rollout, and drop the step, where an observation lies so many standard deviations of the data from their
    mean; None trusts the model everywhere."""
    end_beyond: Positive | None = None
    """An observation of which a coordinate lies so far from 0, in the task's units, is an end of the task, whatever its
    own rule says (CleanIL: 100); None leaves it to the rule."""

    def __post_init__(self):
        if self.horizon_first is not None and self.horizon_first > self.horizon:
            raise ConfigError(
                f"model_rollouts.horizon_first must lie in 1 to horizon ({self.horizon}), got {self.horizon_first}"
            )
        if self.horizon_from >= self.horizon_to:
            raise ConfigError("model_rollouts.horizon_from must lie before horizon_to")

    def horizon_at(self, step: int) -> int:
        """Steps of a rollout that starts after `step` steps of training: a line between the two horizons, rounded."""
        if self.horizon_first is None:
            return self.horizon
        share = min(max((step - self.horizon_from) / (self.horizon_to - self.horizon_from), 0.0), 1.0)
        return round(self.horizon_first + share * (self.horizon - self.horizon_first))

    def judge(self, dynamics: Dynamics, step: ModelStep) -> tuple[ModelStep, Bool[Array, "B"], Bool[Array, "B"]]:
        """Model steps with their ends, whether each counts, and whether its rollout goes on after it.

        The one stop rule: rollouts of the policy and of an adversarial model both call it, so that critics are never
        evaluated where they were not trained.
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


def start_states(cfg: ModelRollouts, buffers: Buffers, count: int, key: PRNGKeyArray) -> Float[Array, "B O"]:
    """States that rollouts branch from: of the demonstrations, and of the other real data of one seed."""
    ke, ko, kc = jr.split(key, 3)
    others = buffers.replay if buffers.offline is None else buffers.offline
    assert others is not None
    obs = others.data.obs[others.draw_stored(count, ko)]
    if buffers.expert is None or not cfg.expert_starts:
        return obs
    expert = buffers.expert.data.obs[buffers.expert.draw_stored(count, ke)]
    return jnp.where(jr.bernoulli(kc, cfg.expert_starts, (count, 1)), expert, obs)


def roll_out(
    cfg: ModelRollouts,
    dynamics: Dynamics,
    policy: Policy,
    pessimism: Pessimism,
    start: tuple[Float[Array, "B O"], int],
    key: PRNGKeyArray,
) -> Rollouts:
    """Roll a policy out in a model, its actions sampled.

    Args:
        cfg: gives the stop rule.
        dynamics: the model.
        policy: acts.
        pessimism: measures the model's uncertainty.
        start: where rollouts start, and for how many steps they run.
        key: of everything.
    """
    starts, horizon = start
    blocks = -(-len(starts) // BLOCK)
    padded = jnp.concatenate([starts, starts[: blocks * BLOCK - len(starts)]])
    if len(starts) < BLOCK:
        blocks, padded = 1, starts

    def block(x: tuple[Array, PRNGKeyArray]) -> Rollouts:
        obs, key = x

        def step(carry: tuple[Array, Array], key: PRNGKeyArray) -> tuple[tuple[Array, Array], Rollouts]:
            obs, alive = carry
            ka, km = jr.split(key)
            action = policy.act(obs, ka, "sample")
            taken, u = uncertain_step(dynamics, pessimism, obs, action, km)
            taken, counts, on = cfg.judge(dynamics, taken)
            t = replace(taken.transition(obs, action), uncertainty=u)
            on, counts = alive & on, alive & counts
            return (jnp.where(on[:, None], taken.next_obs, obs), on), Rollouts(t, counts)

        return jax.lax.scan(step, (obs, jnp.ones(len(obs), bool)), jr.split(key, horizon))[1]

    out = jax.lax.map(block, (padded.reshape(blocks, -1, padded.shape[1]), jr.split(key, blocks)))  # [K H B/K ...]
    return jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(horizon, -1, *x.shape[3:])[:, : len(starts)], out)


def uncertain_step(
    dynamics: Dynamics, pessimism: Pessimism, obs: Float[Array, "B O"], action: Float[Array, "B A"], key: PRNGKeyArray
) -> tuple[ModelStep, Float[Array, "B"]]:
    """One step of the model and its uncertainty; without pessimism only one member computes each example."""
    if pessimism.kind == "none":
        return dynamics.sample(obs, action, key), jnp.zeros(len(obs))
    prediction = dynamics.predict(obs, action)
    return dynamics.sample_from(prediction, obs, key), pessimism.uncertainty(dynamics, prediction)
