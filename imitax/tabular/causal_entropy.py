"""Maximum-causal-entropy IRL (Ziebart, Bagnell and Dey 2010, "Modeling Interaction via the Principle of Maximum Causal
Entropy") with exact expectations.

    min_w  (1 - gamma) E_start[V_w] - E_E[r_w]

E is the expert's distribution over states and actions, exact (`occupancy`) or of demonstrations (`empirical`).
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.errors import ConfigError
from imitax.tabular.mdp import TabularMDP, distribution
from imitax.tabular.planning import occupancy, soft_value_iteration
from imitax.tabular.solvers import Recovered, minimize, positive


def max_causal_entropy(
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    temperature: float = 1.0,
    features: Float[Array, "S A F"] | Literal["state", "state_action"] = "state_action",
    *,
    steps: int = 500,
    tolerance: float = 1e-6,
) -> Recovered:
    """Find the rewards whose soft-optimal policy has the expert's feature expectations.

    Minimises the convex dual, whose gradient is the difference of feature expectations `E_pi[f] - E_E[f]` (Ziebart
    2010, theorem 6.7; here discounted). At the minimum they are equal, and of all policies for which they are equal the
    one found has the largest causal entropy. Rewards start at 0 and stay 0 where neither the expert nor the policy
    goes.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution of the expert's states and actions.
        temperature: tau; the rewards are proportional to it.
        features: rewards are linear in these; "state" and "state_action" stand for one indicator each.
        steps: maximal number of L-BFGS steps.
        tolerance: largest difference of feature expectations.

    Raises:
        ConfigError: the temperature is not positive, `expert` is no distribution, or the name of the features is
            unknown.
    """
    tau = positive(temperature)
    distribution("expert", expert, mdp.reward.shape)
    states, actions = mdp.reward.shape
    if isinstance(features, str):
        if features not in ("state", "state_action"):
            raise ConfigError(f"features must be state, state_action or an array, got {features!r}")
        start = jnp.zeros((states, 1) if features == "state" else (states, actions))
        array = None
    else:
        start, array = jnp.zeros(features.shape[2]), features
    weights, loss, gradient = minimize(_dual, start, mdp, expert, tau, array, steps=steps, tolerance=tolerance)
    reward = jnp.broadcast_to(weights, (states, actions)) if array is None else array @ weights
    return Recovered(reward, *soft_value_iteration(mdp, tau, reward), loss, gradient)


def _dual(weights, mdp, expert, temperature, features):
    reward = jnp.broadcast_to(weights, expert.shape) if features is None else features @ weights
    fixed = jax.lax.stop_gradient(reward)
    solution = soft_value_iteration(mdp, temperature, fixed)
    rho = occupancy(mdp, solution.policy)
    value = (1 - mdp.gamma) * (mdp.start * solution.v).sum()
    through = (jax.lax.stop_gradient(rho) * (reward - fixed)).sum()  # d value / d reward = rho (envelope theorem)
    return jax.lax.stop_gradient(value) + through - (expert * reward).sum()
