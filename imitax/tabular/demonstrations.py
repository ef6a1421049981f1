"""Demonstrations on discrete MDPs: how they are sampled, and their distribution over states and actions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.compiled import filter_jit
from imitax.errors import DataError
from imitax.tabular.mdp import TabularMDP
from imitax.types import AnyArray


class Paths(NamedTuple):
    """E episodes of T steps. An episode that has ended stays in its absorbing state, with action 0."""

    state: Int[AnyArray, "E T"]
    action: Int[AnyArray, "E T"]
    next_state: Int[AnyArray, "E T"]


@filter_jit
def sample(mdp: TabularMDP, policy: Float[Array, "S A"], key: PRNGKeyArray, episodes: int, steps: int) -> Paths:
    """Sample episodes of a policy from the MDP's start distribution."""
    possible = mdp.possible(policy)

    def step(state, key):
        ka, kn = jr.split(key)
        action = jr.categorical(ka, jnp.log(possible[state]), axis=-1)  # [E]
        successor = jr.categorical(kn, jnp.log(mdp.probability[state, action]), axis=-1)  # [E]
        following = mdp.next_state[state, action, successor]
        return following, (state, action, following)

    first, later = jr.split(key)
    start = jr.categorical(first, jnp.log(mdp.start), shape=(episodes,)).astype(mdp.next_state.dtype)
    _, visited = jax.lax.scan(step, start, jr.split(later, steps))
    return Paths(*(x.T for x in visited))


def empirical(mdp: TabularMDP, *demonstrations: Paths, discounted: bool = True) -> Float[Array, "S A"]:
    """Distribution of demonstrated states and actions, which sums to 1. All episodes have equal weight.

    Args:
        mdp: the MDP.
        demonstrations: one or several sets of episodes.
        discounted: step t has weight gamma^t, and a last step in an absorbing state the weight of all steps that would
            follow: an estimate of the occupancy measure. Otherwise all steps have equal weight, as in samples from a
            buffer, and of the steps in an absorbing state only the first of each episode counts.

    Raises:
        DataError: a state or an action is not one of the MDP's.
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
    return jnp.asarray(rho / rho.sum(), float)
