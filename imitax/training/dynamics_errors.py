"""How well a dynamics ensemble predicts: errors on held-out transitions, calibration, and errors along rollouts."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from imitax.buffers import Stored
from imitax.compiled import filter_jit
from imitax.datasets import Dataset, Episode
from imitax.networks import Dynamics
from imitax.types import AnyArray, Transition

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Probabilities of the central intervals whose coverage states the calibration."""


def pack(t: Transition | Stored) -> np.ndarray:
    """Flat transitions [N, W] of host transitions with flat observations: obs, action, reward, next_obs, terminated."""
    columns = (t.obs, t.action, t.reward[:, None], t.next_obs, t.terminated[:, None])
    return np.concatenate([np.asarray(c, np.float32) for c in columns], axis=1)


def unpack(flat: Float[AnyArray, "N W"], obs_dim: int, action_dim: int) -> Transition:
    """Transitions of flat ones."""
    a, r = obs_dim, obs_dim + action_dim
    n = r + 1
    ended = flat[:, n + obs_dim] > 0.5
    return Transition(flat[:, :a], flat[:, a:r], flat[:, r], flat[:, n : n + obs_dim], ended, absorbing=ended & False)


@filter_jit
def held_out_error(dynamics: Dynamics, rows: Float[Array, "n W"], count: Int[Array, ""]) -> Float[Array, "N"]:
    """Mean squared error of each member on the first `count` rows, outputs in units of their standard deviation."""
    error = errors(dynamics, rows)[0]
    counts = (jnp.arange(len(rows)) < count)[None]
    return ((error**2).mean(2) * counts).sum(1) / count


@filter_jit
def errors(dynamics: Dynamics, rows: Float[Array, "n W"]) -> tuple[Float[Array, "N n D"], Float[Array, "N n D"]]:
    """Errors of every member's mean, and its log variances."""
    t = unpack(rows, dynamics.spec.obs_dim, dynamics.spec.action_dim)
    p = dynamics.predict(t.obs, t.action)
    return p.mean - dynamics.scaled_outputs(t.obs, t.next_obs, t.reward)[None], p.log_var


def calibration(dynamics: Dynamics, rows: Float[Array, "n W"], count: int) -> tuple[list[float], dict[str, float]]:
    """On the first `count` rows: negative log likelihood of each member, and the elites' coverage of intervals."""
    from scipy.stats import norm  # imported where it is used: it takes longer than the start of a run

    error, log_var = (np.asarray(x)[:, :count] for x in errors(dynamics, rows))
    nll = 0.5 * (error**2 * np.exp(-log_var) + log_var + np.log(2 * np.pi)).mean((1, 2))
    z = np.abs(error / np.exp(log_var / 2))[np.asarray(dynamics.elites)]
    coverage = {str(level): float((z <= norm.ppf((1 + level) / 2)).mean()) for level in LEVELS}
    return nll.tolist(), coverage


def episode_numbers(data: Dataset) -> np.ndarray:
    """Number of the episode that each transition belongs to; copies of an episode share theirs."""
    first: dict[int, int] = {}
    numbers = [first.setdefault(id(episode), index) for index, episode in enumerate(data.episodes)]
    return np.repeat(numbers, data.lengths)


def rollout_errors(
    dynamics: Dynamics, episodes: tuple[Episode, ...], horizon: int, rng: np.random.Generator, count: int = 200
) -> list[float]:
    """Error of the elites' mean prediction after 1, 2, ... `horizon` steps along recorded actions.

    Root mean squared distance to the recorded observation, each coordinate in units of its standard deviation in the
    ensemble's data; `count` stretches from random places of episodes that are long enough.
    """
    long = [e for e in episodes if len(e) >= horizon and e.actions is not None]
    if not long:
        return []
    starts = [(long[i], int(rng.integers(len(long[i]) - horizon + 1))) for i in rng.integers(len(long), size=count)]
    obs = np.stack([e.vectors[s : s + horizon + 1] for e, s in starts]).astype(np.float32)
    actions = np.stack([e.actions[s : s + horizon] for e, s in starts if e.actions is not None]).astype(np.float32)
    return np.asarray(_rollout_errors(dynamics, jnp.asarray(obs), jnp.asarray(actions))).tolist()


@filter_jit
def _rollout_errors(dynamics: Dynamics, obs: Float[Array, "C T O"], actions: Float[Array, "C H A"]) -> Array:
    o = dynamics.spec.obs_dim

    def step(here: Float[Array, "C O"], x: tuple[Array, Array]) -> tuple[Array, Array]:
        action, there = x
        mean = dynamics.predict(here, action).mean[dynamics.elites].mean(0)
        here = here + (mean * dynamics.output_std[None] + dynamics.output_mean[None])[:, :o]
        return here, jnp.sqrt((((here - there) / dynamics.input_std[None, :o]) ** 2).mean())

    return jax.lax.scan(step, obs[:, 0], (actions.swapaxes(0, 1), obs[:, 1:].swapaxes(0, 1)))[1]
