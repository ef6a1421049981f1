"""Discrete MDPs with known dynamics, and the soft Bellman equations on them.

    Q(s, a) = r(s, a) + gamma E[V(s')],  V(s) = tau log sum_a exp(Q(s, a) / tau),  pi(a|s) = exp((Q(s, a) - V(s)) / tau)

See Ziebart 2010, "Modeling Purposeful Adaptive Behavior with the Principle of Maximum Causal Entropy", chapter 6, and
Haarnoja et al. 2017, arXiv:1702.08165, equations 3 and 4. Temperatures tau are in units of reward per nat; tau = 0 is
the hard maximum. An absorbing state has a single action, number 0, which leads back to it, and therefore no entropy.

Arrays are float32, so that solutions have relative errors of about 1e-5 / (1 - gamma) of the largest reward; MDPs that
are made and solved under `jax.enable_x64()` are float64.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from imitax.errors import ConfigError
from imitax.types import AnyArray

Temperature = float | Float[Array, ""]


class TabularMDP(eqx.Module):
    """A discrete MDP with K possible successors of every state and action, built by `dense` or `deterministic`."""

    next_state: Int[Array, "S A K"]
    """Indices of the successors."""
    probability: Float[Array, "S A K"]
    """Their probabilities."""
    reward: Float[Array, "S A"]
    """Expected reward of a step."""
    start: Float[Array, "S"]
    """Distribution of the first state."""
    absorbing: Bool[Array, "S"]
    """States that end an episode: their only action, number 0, leads back with reward 0."""
    gamma: float = eqx.field(static=True)
    """Discount factor."""

    def expect(self, v: Float[Array, "S"]) -> Float[Array, "S A"]:
        """`E[v(s')]` of every state and action."""
        return (self.probability * v[self.next_state]).sum(-1)

    def inflow(self, rho: Float[Array, "S A"]) -> Float[Array, "S"]:
        """Weight that arrives in each state one step after the weights `rho`; the adjoint of `expect`."""
        return jnp.zeros_like(self.start).at[self.next_state].add(rho[..., None] * self.probability)

    def value(self, q: Float[Array, "S A"], temperature: Temperature) -> Float[Array, "S"]:
        """Soft maximum of `q` over actions; in absorbing states q of action 0."""
        return jnp.where(self.absorbing, q[:, 0], soft_maximum(q, temperature))

    def policy(self, q: Float[Array, "S A"], temperature: Temperature) -> Float[Array, "S A"]:
        """The policy that attains `value`; at temperature 0 ties are shared equally."""
        if _is_zero(temperature):
            best = (q == q.max(1, keepdims=True)).astype(q.dtype)
            policy = best / best.sum(1, keepdims=True)
        else:
            policy = jax.nn.softmax(q / temperature, axis=1)
        return self.possible(policy)

    def possible(self, policy: Float[Array, "S A"]) -> Float[Array, "S A"]:
        """The policy with probability 1 on action 0 in absorbing states."""
        return jnp.where(self.absorbing[:, None], jnp.arange(policy.shape[1])[None] == 0, policy)


def distribution(name: str, weights: Float[AnyArray, "*X"], shape: tuple[int, ...], tolerance: float = 1e-3) -> None:
    """Refuse what is no distribution over an array of this shape; while a function is compiled, only another shape.
    Raises ConfigError."""
    if jnp.shape(weights) != shape:
        raise ConfigError(f"{name} has the shape {jnp.shape(weights)}, not {shape}")
    if isinstance(weights, Tracer):
        return
    given = np.asarray(weights)
    if not (given >= 0).all() or not np.isclose(given.sum(), 1, rtol=0, atol=tolerance):
        raise ConfigError(f"{name} must hold probabilities that sum to 1; these sum to {given.sum():g}")


def soft_maximum(q: Float[Array, "S A"], temperature: Temperature) -> Float[Array, "S"]:
    """`tau log sum_a exp(q / tau)`, or the maximum if the temperature is the Python number 0."""
    return q.max(1) if _is_zero(temperature) else temperature * jax.nn.logsumexp(q / temperature, axis=1)


def traced(temperature: Temperature) -> Temperature:
    """The temperature as an array, so that a compiled function serves all positive values; 0 stays a Python number.

    Raises ConfigError if it is negative.
    """
    if isinstance(temperature, jax.Array) or _is_zero(temperature):
        return temperature
    if temperature < 0:
        raise ConfigError(f"temperature must not be negative, got {temperature}")
    return jnp.asarray(temperature, float)


def _is_zero(temperature: Temperature) -> bool:
    return isinstance(temperature, (int, float)) and temperature == 0


def dense(
    transition: Float[AnyArray, "S A S"],
    reward: Float[AnyArray, "S A"],
    start: Float[AnyArray, "S"],
    gamma: float,
    absorbing: Bool[AnyArray, "S"] | None = None,
) -> TabularMDP:
    """An MDP from the probabilities `transition[s, a, s']`.

    Transitions and rewards of absorbing states (default: none) are replaced by a loop with reward 0. Raises ConfigError
    if gamma is outside [0, 1), if shapes do not fit together, or if probabilities are negative or do not sum to 1.
    """
    probability = np.asarray(transition)
    if probability.ndim != 3 or probability.shape[0] != probability.shape[2]:
        raise ConfigError(f"transition must have the shape [S, A, S], got {probability.shape}")
    successors = np.broadcast_to(np.arange(len(probability)), probability.shape)
    return _create(successors, probability, reward, start, gamma, absorbing)


def deterministic(
    next_state: Int[AnyArray, "S A"],
    reward: Float[AnyArray, "S A"],
    start: Float[AnyArray, "S"],
    gamma: float,
    absorbing: Bool[AnyArray, "S"] | None = None,
) -> TabularMDP:
    """An MDP in which `next_state[s, a]` follows with certainty.

    Transitions and rewards of absorbing states (default: none) are replaced by a loop with reward 0. Raises ConfigError
    if gamma is outside [0, 1), if shapes do not fit together, if a successor is not a state, or if `start` is not a
    distribution.
    """
    successors = np.asarray(next_state)[..., None]
    if successors.ndim != 3 or successors.dtype.kind not in "iu":
        raise ConfigError(f"next_state must be integers [S, A], got {successors.dtype} {successors.shape[:-1]}")
    return _create(successors, np.ones(successors.shape), reward, start, gamma, absorbing)


def _create(successors, probability, reward, start, gamma, absorbing) -> TabularMDP:
    states, actions = successors.shape[:2]
    reward, start = np.asarray(reward), np.asarray(start)
    ends = np.zeros(states, bool) if absorbing is None else np.asarray(absorbing)
    if not 0 <= gamma < 1:
        raise ConfigError(f"gamma must be at least 0 and below 1, got {gamma}")
    if ends.shape != (states,) or ends.dtype != bool:
        raise ConfigError(f"absorbing must be one bool for each of the {states} states, got {ends.dtype} {ends.shape}")
    if reward.shape != (states, actions):
        raise ConfigError(f"reward must have the shape {states, actions}, [S, A], got {reward.shape}")
    if not (reward < np.inf).all():
        raise ConfigError("reward must hold numbers, or -inf for actions that are forbidden")
    if successors.min() < 0 or successors.max() >= states:
        raise ConfigError(f"successors must be states 0 to {states - 1}")
    if not (probability >= 0).all() or not np.allclose(probability.sum(-1), 1, atol=1e-5):
        raise ConfigError("transition must hold probabilities that sum to 1")
    distribution("start", start, (states,), tolerance=1e-5)
    loops = np.where(ends[:, None, None], np.arange(states)[:, None, None], successors)
    certain = np.zeros(probability.shape[-1])
    certain[0] = 1.0
    return TabularMDP(
        jnp.asarray(loops, jnp.int32),
        jnp.asarray(np.where(ends[:, None, None], certain, probability), float),
        jnp.asarray(np.where(ends[:, None], 0.0, reward), float),
        jnp.asarray(start, float),
        jnp.asarray(ends),
        float(gamma),
    )
