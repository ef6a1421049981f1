"""Discrete MDPs with known dynamics: soft value iteration, evaluation, occupancy measures and demonstrations.

    Q(s, a) = r(s, a) + gamma E[V(s')],  V(s) = tau log sum_a exp(Q(s, a) / tau),  pi(a|s) = exp((Q(s, a) - V(s)) / tau)

The soft Bellman equations (Ziebart 2010, "Modeling Purposeful Adaptive Behavior with the Principle of Maximum Causal
Entropy", chapter 6; Haarnoja et al. 2017, arXiv:1702.08165, equations 3 and 4). Temperatures tau are in units of
reward a nat, and tau = 0 is hard value iteration. An absorbing state has one action, number 0, which leads back to it:
there is no entropy in it. Occupancy measures are discounted and sum to 1.

All is float32, so that solutions carry relative errors of about 1e-5 / (1 - gamma) of the largest reward.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from imitax.compiled import filter_jit
from imitax.errors import ConfigError, DataError
from imitax.types import AnyArray

Temperature = float | Float[Array, ""]

TRUNCATION = 1e-8
"""Share of an infinite sum's weight at which its iteration stops; the weight after t steps is gamma^t."""


class TabularMDP(eqx.Module):
    """A discrete MDP with K possible successors of every state and action: build it by `dense` or `deterministic`."""

    next_state: Int[Array, "S A K"]
    """Indices of the successors."""
    probability: Float[Array, "S A K"]
    """Their probabilities."""
    reward: Float[Array, "S A"]
    """Expected reward of a step."""
    start: Float[Array, "S"]
    """Distribution of the first state."""
    absorbing: Bool[Array, "S"]
    """States that end an episode: one action, number 0, back to themselves for a reward of 0."""
    gamma: float = eqx.field(static=True)
    """Discount factor."""

    def expect(self, v: Float[Array, "S"]) -> Float[Array, "S A"]:
        """`E[v(s')]` of every state and action."""
        return (self.probability * v[self.next_state]).sum(-1)

    def inflow(self, rho: Float[Array, "S A"]) -> Float[Array, "S"]:
        """Weight that arrives in each state, one step after the weights `rho`: the adjoint of `expect`."""
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
        """The policy with action 0 for certain in absorbing states, which have no other."""
        return jnp.where(self.absorbing[:, None], jnp.arange(policy.shape[1])[None] == 0, policy)


class Solution(NamedTuple):
    """Values of a policy, in units of reward."""

    q: Float[Array, "S A"]
    v: Float[Array, "S"]
    policy: Float[Array, "S A"]


class Paths(NamedTuple):
    """Demonstrations: E episodes of T steps. An episode that has ended stays in its absorbing state, at action 0."""

    state: Int[AnyArray, "E T"]
    action: Int[AnyArray, "E T"]
    next_state: Int[AnyArray, "E T"]


def soft_maximum(q: Float[Array, "S A"], temperature: Temperature) -> Float[Array, "S"]:
    """`tau log sum_a exp(q / tau)`, and the maximum at temperature 0, which must be a Python number to be seen."""
    return q.max(1) if _is_zero(temperature) else temperature * jax.nn.logsumexp(q / temperature, axis=1)


def traced(temperature: Temperature) -> Temperature:
    """`temperature` such that compiled functions serve all positive values; raises ConfigError if it is negative."""
    if isinstance(temperature, jax.Array) or _is_zero(temperature):
        return temperature
    if temperature < 0:
        raise ConfigError(f"temperature must not be negative, got {temperature}")
    return jnp.asarray(temperature, jnp.float32)


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

    What is given for absorbing states (default: none) is replaced by a loop of reward 0. Raises ConfigError when
    gamma is outside [0, 1) or probabilities are negative or do not sum to 1.
    """
    states, actions, _ = transition.shape
    successors = np.broadcast_to(np.arange(states), (states, actions, states))
    return _create(successors, np.asarray(transition), reward, start, gamma, absorbing)


def deterministic(
    next_state: Int[AnyArray, "S A"],
    reward: Float[AnyArray, "S A"],
    start: Float[AnyArray, "S"],
    gamma: float,
    absorbing: Bool[AnyArray, "S"] | None = None,
) -> TabularMDP:
    """An MDP in which `next_state[s, a]` follows with certainty.

    What is given for absorbing states (default: none) is replaced by a loop of reward 0. Raises ConfigError when
    gamma is outside [0, 1), a successor is not a state, or `start` is not a distribution.
    """
    successors = np.asarray(next_state)[..., None]
    return _create(successors, np.ones(successors.shape), reward, start, gamma, absorbing)


def _create(successors, probability, reward, start, gamma, absorbing) -> TabularMDP:
    states = len(successors)
    start = np.asarray(start)
    ends = np.zeros(states, bool) if absorbing is None else np.asarray(absorbing)
    if not 0 <= gamma < 1:
        raise ConfigError(f"gamma must be at least 0 and below 1, got {gamma}")
    if successors.min() < 0 or successors.max() >= states:
        raise ConfigError(f"successors must be states 0 to {states - 1}")
    for name, p in (("transition", probability), ("start", start)):
        if (p < 0).any() or not np.allclose(p.sum(-1), 1, atol=1e-5):
            raise ConfigError(f"{name} must hold probabilities that sum to 1")
    loops = np.where(ends[:, None, None], np.arange(states)[:, None, None], successors)
    sure = np.zeros(probability.shape[-1])
    sure[0] = 1.0
    return TabularMDP(
        jnp.asarray(loops, jnp.int32),
        jnp.asarray(np.where(ends[:, None, None], sure, probability), jnp.float32),
        jnp.asarray(np.where(ends[:, None], 0.0, np.asarray(reward)), jnp.float32),
        jnp.asarray(start, jnp.float32),
        jnp.asarray(ends),
        float(gamma),
    )


def soft_value_iteration(
    mdp: TabularMDP, temperature: Temperature, reward: Float[Array, "S A"] | None = None
) -> Solution:
    """The optimal entropy-regularised values and policy, by iterating the soft Bellman operator.

    Args:
        mdp: the MDP.
        temperature: tau, reward a nat of entropy; 0 gives the values without entropy and the greedy policy.
        reward: in place of the MDP's own. It counts in absorbing states too, for action 0.

    Raises:
        ConfigError: negative temperature.
    """
    return _solve(mdp, traced(temperature), mdp.reward if reward is None else reward)


@filter_jit
def _solve(mdp, temperature, r):
    def backup(v):
        return mdp.value(r + mdp.gamma * mdp.expect(v), temperature)

    v = _fixed_point(backup, jnp.zeros_like(mdp.start), mdp.gamma)
    q = r + mdp.gamma * mdp.expect(v)
    return Solution(q, mdp.value(q, temperature), mdp.policy(q, temperature))


def policy_evaluation(
    mdp: TabularMDP,
    policy: Float[Array, "S A"],
    temperature: Temperature = 0.0,
    reward: Float[Array, "S A"] | None = None,
) -> Solution:
    """Soft values of a policy: `V(s) = E_pi[Q(s, a) - tau log pi(a|s)]`.

    Args:
        mdp: the MDP.
        policy: probabilities of actions; those of absorbing states do not count.
        temperature: tau, reward a nat of entropy.
        reward: in place of the MDP's own. It counts in absorbing states too, for action 0.

    Raises:
        ConfigError: negative temperature.
    """
    return _evaluate(mdp, policy, traced(temperature), mdp.reward if reward is None else reward)


@filter_jit
def _evaluate(mdp, policy, temperature, r):
    bonus = -temperature * jax.scipy.special.xlogy(policy, policy).sum(1)  # [S]

    def value(q):
        return jnp.where(mdp.absorbing, q[:, 0], (policy * q).sum(1) + bonus)

    v = _fixed_point(lambda v: value(r + mdp.gamma * mdp.expect(v)), jnp.zeros_like(mdp.start), mdp.gamma)
    q = r + mdp.gamma * mdp.expect(v)
    return Solution(q, value(q), policy)


@filter_jit
def occupancy(mdp: TabularMDP, policy: Float[Array, "S A"]) -> Float[Array, "S A"]:
    """`rho(s, a) = (1 - gamma) sum_t gamma^t P(s_t = s, a_t = a)`, which sums to 1.

    It solves the flow equation `sum_a rho(s, a) = (1 - gamma) start(s) + gamma sum P(s|s', a') rho(s', a')` (Puterman
    1994, section 6.9). In absorbing states all weight is on action 0, whatever the policy says there.
    """
    chosen = mdp.possible(policy)
    first = (1 - mdp.gamma) * mdp.start

    def flow(d):
        return first + mdp.gamma * mdp.inflow(d[:, None] * chosen)

    d = _fixed_point(flow, mdp.start, mdp.gamma)
    return d[:, None] * chosen


@filter_jit
def sample(mdp: TabularMDP, policy: Float[Array, "S A"], key: PRNGKeyArray, episodes: int, steps: int) -> Paths:
    """`episodes` demonstrations of `steps` steps by a policy, from the MDP's start distribution."""
    chosen = mdp.possible(policy)

    def step(state, key):
        ka, kn = jr.split(key)
        action = jr.categorical(ka, jnp.log(chosen[state]), axis=-1)  # [E]
        successor = jr.categorical(kn, jnp.log(mdp.probability[state, action]), axis=-1)  # [E]
        following = mdp.next_state[state, action, successor]
        return following, (state, action, following)

    first, later = jr.split(key)
    start = jr.categorical(first, jnp.log(mdp.start), shape=(episodes,)).astype(mdp.next_state.dtype)
    _, rows = jax.lax.scan(step, start, jr.split(later, steps))
    return Paths(*(x.T for x in rows))


def empirical(mdp: TabularMDP, *demonstrations: Paths, discounted: bool = True) -> Float[Array, "S A"]:
    """Distribution of demonstrated states and actions, which sums to 1.

    Args:
        mdp: the MDP.
        demonstrations: of these each episode counts alike.
        discounted: the t-th step weighs gamma^t, and a last step from an absorbing state all that would follow:
            an estimate of the occupancy measure. Otherwise all steps count alike, as samples from a buffer do; of
            those in an absorbing state the first of each episode.

    Raises:
        DataError: a state or an action that the MDP does not have.
    """
    states, actions = mdp.reward.shape
    ends = np.asarray(mdp.absorbing)
    rho = np.zeros((states, actions))
    for state, action, _ in (Paths(*map(np.asarray, paths)) for paths in demonstrations):
        if state.min() < 0 or state.max() >= states or action.min() < 0 or action.max() >= actions:
            raise DataError(f"demonstrations must have states 0 to {states - 1} and actions 0 to {actions - 1}")
        if discounted:
            weight = np.broadcast_to(mdp.gamma ** np.arange(state.shape[1]), state.shape).copy()
            weight[:, -1] /= np.where(ends[state[:, -1]], 1 - mdp.gamma, 1.0)
            weight /= weight.sum(1, keepdims=True)
        else:
            weight = (np.cumsum(ends[state], 1) <= 1).astype(float)
        np.add.at(rho, (state, action), weight)
    return jnp.asarray(rho / rho.sum(), jnp.float32)


def _fixed_point(step, x, gamma):
    """Iterates a gamma-contraction until float32 holds no more of its change, or gamma^t that of the start."""
    most = 1 if gamma == 0 else max(1, math.ceil(math.log(TRUNCATION) / math.log(gamma)))

    def unfinished(carry):
        x, change, count = carry
        return (count < most) & (change > 1e-7 * jnp.abs(x).max())

    def advance(carry):
        x, _, count = carry
        new = step(x)
        return new, jnp.abs(new - x).max(), count + 1

    return jax.lax.while_loop(unfinished, advance, (x, jnp.asarray(jnp.inf, x.dtype), 0))[0]
