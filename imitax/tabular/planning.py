"""Soft value iteration, policy evaluation, and occupancy measures, which are discounted and sum to 1."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.compiled import filter_jit
from imitax.tabular.mdp import TabularMDP, Temperature, traced

TRUNCATION = {4: 1e-8, 8: 1e-15}
"""Iteration stops when the weight gamma^t of step t in an infinite sum falls below this, by the bytes of a number."""
RESOLUTION = {4: 1e-7, 8: 1e-16}
"""Or when a step changes x by no more than this share of its largest component."""


class Solution(NamedTuple):
    """Values of a policy, in units of reward."""

    q: Float[Array, "S A"]
    v: Float[Array, "S"]
    policy: Float[Array, "S A"]


def soft_value_iteration(
    mdp: TabularMDP, temperature: Temperature, reward: Float[Array, "S A"] | None = None
) -> Solution:
    """The optimal entropy-regularised values and policy, by iterating the soft Bellman operator.

    Args:
        mdp: the MDP.
        temperature: tau, in reward per nat of entropy; 0 gives the values without entropy and the greedy policy.
        reward: replaces the MDP's own reward, in absorbing states too (for action 0).

    Raises:
        ConfigError: the temperature is negative.
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
        policy: probabilities of actions; those in absorbing states are ignored.
        temperature: tau, in reward per nat of entropy.
        reward: replaces the MDP's own reward, in absorbing states too (for action 0).

    Raises:
        ConfigError: the temperature is negative.
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
    possible = mdp.possible(policy)
    first = (1 - mdp.gamma) * mdp.start

    def flow(d):
        return first + mdp.gamma * mdp.inflow(d[:, None] * possible)

    d = _fixed_point(flow, mdp.start, mdp.gamma)
    return d[:, None] * possible


def _fixed_point(step, x, gamma):
    """Iterate a gamma-contraction until the change is below RESOLUTION or gamma^t below TRUNCATION."""
    size = x.dtype.itemsize
    most = 1 if gamma == 0 else max(1, math.ceil(math.log(TRUNCATION[size]) / math.log(gamma)))

    def unfinished(carry):
        x, change, count = carry
        return (count < most) & (change > RESOLUTION[size] * jnp.abs(x).max())

    def advance(carry):
        x, _, count = carry
        new = step(x)
        return new, jnp.abs(new - x).max(), count + 1

    return jax.lax.while_loop(unfinished, advance, (x, jnp.asarray(jnp.inf, x.dtype), 0))[0]
