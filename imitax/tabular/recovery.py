"""Methods that learn a reward by comparing occupancies, with exact expectations: ML-IRL, AIRL and f-IRL.

    ml_irl   max_w  E_E[log pi_w(a|s)],   pi_w soft-optimal for r_w;  gradient (E_E[grad r_w] - E_pi[grad r_w]) / tau
    airl     min_f  E_E[softplus(log pi - f)] + E_pi[softplus(f - log pi)],  f = g + gamma E[h(s')] - h(s);
             pi soft-optimal for f at tau = 1
    f_irl    min_r  D_f(rho_E(s) || rho_r(s)),  rho_r the states of the policy that is soft-optimal for r(s)

Each has the true reward among its minima, and no method can choose among them: see `identification`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.compiled import filter_jit
from imitax.errors import ConfigError
from imitax.tabular.mdp import TabularMDP, distribution
from imitax.tabular.planning import occupancy, policy_evaluation, soft_value_iteration
from imitax.tabular.solvers import Recovered, minimize, positive


def ml_irl(  # options of the search by keyword
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    temperature: float = 1.0,
    *,
    state_only: bool = False,
    rate: float = 1.0,
    steps: int = 20_000,
    tolerance: float = 1e-9,
) -> Recovered:
    """Maximum-likelihood IRL in a single loop (Zeng, Li, Garcia and Hong 2022, arXiv:2210.01808, algorithm 1).

    Every step improves the policy once, `pi <- softmax(Q_pi / tau)` with the soft Q of the policy so far, and then
    moves the reward by the difference of the expert's and this policy's occupancies. With a reward of states and
    actions the minimum is that of `max_causal_entropy`.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution of the expert's states and actions.
        temperature: tau; the paper's is 1.
        state_only: whether the reward is one of states.
        rate: of the reward's steps, in units of the temperature.
        steps: at most so many.
        tolerance: largest difference of occupancies at which to stop.

    Raises:
        ConfigError: the temperature is not positive, or `expert` is no distribution.
    """
    tau = positive(temperature)
    distribution("expert", expert, mdp.reward.shape)
    reward, gradient = _single_loop(mdp, expert, tau, rate * tau, state_only, (jnp.asarray(steps), tolerance))
    found = soft_value_iteration(mdp, tau, reward)
    loss = -jnp.where(expert > 0, expert * jnp.log(jnp.where(expert > 0, found.policy, 1.0)), 0.0).sum()
    return Recovered(reward, *found, loss, gradient)


@filter_jit
def _single_loop(mdp, expert, tau, rate, state_only, until):
    steps, tolerance = until

    def unfinished(carry):
        *_, change, count = carry
        return (count < steps) & (change > tolerance)

    def advance(carry):
        reward, policy, *_, count = carry
        policy = mdp.policy(policy_evaluation(mdp, policy, tau, reward).q, tau)
        gradient = expert - occupancy(mdp, policy)  # [S A]
        if state_only:
            gradient = jnp.broadcast_to(gradient.sum(1, keepdims=True), gradient.shape)
        return reward + rate * gradient, policy, jnp.abs(gradient).max(), count + 1

    uniform = jnp.full_like(mdp.reward, 1 / mdp.reward.shape[1])
    start = (jnp.zeros_like(mdp.reward), uniform, jnp.asarray(jnp.inf, mdp.reward.dtype), 0)
    reward, _, gradient, _ = jax.lax.while_loop(unfinished, advance, start)
    return reward, gradient


def airl(
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    *,
    rounds: int = 100,
    mix: float = 0.5,
    steps: int = 300,
    tolerance: float = 1e-10,
) -> tuple[Recovered, Float[Array, "S"]]:
    """Adversarial IRL with a reward g of states and a potential h (Fu, Luo and Levine 2018, arXiv:1710.11248).

    Returns what was found, its reward being f, and g. Under deterministic dynamics whose states are linked (the paper's
    decomposability) g is the true reward of states up to a constant, and f the advantage of the expert.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution of the expert's states and actions, who is soft-optimal at temperature 1.
        rounds: how often discriminator and policy are brought up to date.
        mix: share of the newest policy in the occupancy that the discriminator sees and in the policy that it compares
            with; older ones fade. All of it (1) does not converge.
        steps: of L-BFGS for the discriminator in each round.
        tolerance: largest component of the discriminator's gradient.

    Raises:
        ConfigError: `expert` is no distribution.
    """
    distribution("expert", expert, mdp.reward.shape)
    states = len(mdp.start)
    weights = jnp.zeros((2, states))
    policy = jnp.full_like(mdp.reward, 1 / mdp.reward.shape[1])
    loss = gradient = jnp.zeros(())
    for _ in range(rounds):
        rho = occupancy(mdp, policy)
        weights, loss, gradient = minimize(
            _classify, weights, mdp, expert, rho, jnp.log(policy), steps=steps, tolerance=tolerance
        )
        best = soft_value_iteration(mdp, 1.0, _decomposed(mdp, weights)).policy
        policy = jnp.exp((1 - mix) * jnp.log(policy) + mix * jnp.log(best))
        policy = mdp.possible(policy / policy.sum(1, keepdims=True))
    f = _decomposed(mdp, weights)
    return Recovered(f, *soft_value_iteration(mdp, 1.0, f), loss, gradient), weights[0]


def _decomposed(mdp, weights):
    g, h = weights
    return g[:, None] + mdp.gamma * mdp.expect(h) - h[:, None]


def _classify(weights, mdp, expert, rho, log_policy):
    logit = _decomposed(mdp, weights) - log_policy
    return (expert * jax.nn.softplus(-logit) + rho * jax.nn.softplus(logit)).sum()


def f_irl(
    mdp: TabularMDP,
    expert: Float[Array, "S"],
    temperature: float = 1.0,
    divergence: str = "fkl",
    *,
    steps: int = 1000,
    tolerance: float = 1e-12,
) -> Recovered:
    """A reward of states whose soft-optimal policy has the expert's distribution of states (Ni et al. 2021,
    arXiv:2011.04709, equation 2; here discounted, and with the exact gradient, not the covariance of theorem 4.1).

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution of the expert's states.
        temperature: tau; the reward is proportional to it.
        divergence: fkl or rkl, the forward or reverse Kullback-Leibler, or js, Jensen-Shannon.
        steps: maximal number of L-BFGS steps.
        tolerance: largest component of the gradient.

    Raises:
        ConfigError: the temperature is not positive, `expert` is no distribution, or the divergence unknown.
    """
    tau = positive(temperature)
    distribution("expert", expert, mdp.start.shape)
    if divergence not in ("fkl", "rkl", "js"):
        raise ConfigError(f"divergence must be fkl, rkl or js, got {divergence!r}")
    start = jnp.zeros_like(mdp.start)
    problem = (mdp, expert, tau, divergence)
    reward, loss, gradient = minimize(_state_divergence, start, *problem, steps=steps, tolerance=tolerance)
    reward = jnp.broadcast_to(reward[:, None], mdp.reward.shape)
    return Recovered(reward, *soft_value_iteration(mdp, tau, reward), loss, gradient)


def _state_divergence(reward, mdp, expert, tau, divergence):
    rho = _states_of(mdp, jnp.broadcast_to(reward[:, None], mdp.reward.shape), tau)

    def kl(p, q):
        return (jax.scipy.special.xlogy(p, p) - jax.scipy.special.xlogy(p, q)).sum()

    if divergence == "fkl":
        return kl(expert, rho)
    if divergence == "rkl":
        return kl(rho, expert)
    middle = (expert + rho) / 2
    return (kl(expert, middle) + kl(rho, middle)) / 2


def _states_of(mdp, reward, tau):
    """Distribution of states under the soft-optimal policy, differentiable in the reward.

    Value iteration finds V without a derivative; one Newton step from there has V's own (implicit function theorem).
    """
    found = jax.lax.stop_gradient(soft_value_iteration(mdp, tau, jax.lax.stop_gradient(reward)))
    matrix = _transitions(mdp, found.policy)
    identity = jnp.eye(len(mdp.start))
    change = mdp.value(reward + mdp.gamma * mdp.expect(found.v), tau) - found.v
    v = found.v + jnp.linalg.solve(identity - mdp.gamma * matrix, change)
    policy = mdp.policy(reward + mdp.gamma * mdp.expect(v), tau)
    return jnp.linalg.solve((identity - mdp.gamma * _transitions(mdp, policy)).T, (1 - mdp.gamma) * mdp.start)


def _transitions(mdp, policy):
    """P[s, s'] of a policy."""
    states = len(mdp.start)
    flow = (policy[..., None] * mdp.probability).reshape(states, -1)
    rows = jnp.broadcast_to(jnp.arange(states)[:, None], flow.shape)
    return jnp.zeros((states, states)).at[rows, mdp.next_state.reshape(states, -1)].add(flow)
