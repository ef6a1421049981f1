"""Inverse RL on discrete MDPs with exact expectations: the ground truth that the neural algorithms are compared with.

    max_causal_entropy   min_w  (1 - gamma) E_start[V_w] - E_E[r_w]
    iq_learn             min_Q  E_D[V(s) - gamma V(s')] - E_E[phi(r)],              r = Q(s, a) - gamma E[V(s')]
    recoil               min_Q  E_S[V(s)] - E_E[Q(s, a)] + lambda E_{S+E}[r^2]

with the soft-greedy policy's V = tau log sum_a exp(Q / tau). Putting it into the loss is maximising over the policy:
the gradient of V with respect to Q is the policy, held fixed. Expert and other data are distributions over states and
actions, exact (`occupancy`) or of demonstrations (`empirical`); next states are averaged over the MDP's dynamics.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from imitax.choices.divergence import Divergence
from imitax.compiled import filter_jit
from imitax.errors import ConfigError
from imitax.tabular.mdp import TabularMDP, occupancy, soft_value_iteration, traced

CHI2 = Divergence("chi2", scale=0.5)
"""The official divergence of IQ-Learn: phi(r) = r - r^2 / 2."""


class Recovered(NamedTuple):
    """What an inverse method found; rewards and values in the same unit as the temperature's."""

    reward: Float[Array, "S A"]
    """Learned or implied, `Q - gamma E[V(s')]`."""
    q: Float[Array, "S A"]
    v: Float[Array, "S"]
    policy: Float[Array, "S A"]
    loss: Float[Array, ""]
    gradient: Float[Array, ""]
    """Largest component of the loss' gradient at the end, absolute."""


def minimize(
    loss: Callable[..., Float[Array, ""]], x: Float[Array, "*X"], *args: Any, steps: int, tolerance: float
) -> tuple[Float[Array, "*X"], Float[Array, ""], Float[Array, ""]]:
    """L-BFGS on `loss(x, *args)` until no component of the gradient exceeds `tolerance`, or `steps` have been taken.

    Returns the minimiser, the loss there, and the gradient's largest component, absolute.
    """
    return _minimize(loss, x, args, jnp.asarray(steps), jnp.asarray(tolerance))


@filter_jit
def _minimize(loss, x, args, steps, tolerance):
    def objective(x):
        return loss(x, *args)

    solver = optax.lbfgs(memory_size=20)
    evaluate = optax.value_and_grad_from_state(objective)

    def step(carry):
        x, state, count, *_ = carry
        value, gradient = evaluate(x, state=state)
        change, state = solver.update(gradient, state, x, value=value, grad=gradient, value_fn=objective)
        return x + change, state, count + 1, *(optax.tree.get(state, name) for name in ("value", "grad"))

    def unfinished(carry):
        *_, count, _, gradient = carry
        return (count < steps) & (jnp.abs(gradient).max() > tolerance)

    value, gradient = jax.value_and_grad(objective)(x)
    x, *_, value, gradient = jax.lax.while_loop(unfinished, step, (x, solver.init(x), 0, value, gradient))
    return x, value, jnp.abs(gradient).max()


def settle(
    loss: Callable[..., Float[Array, ""]], x: Float[Array, "*X"], *args: Any, rounds: int, steps: int, tolerance: float
) -> tuple[Float[Array, "*X"], Float[Array, ""], Float[Array, ""]]:
    """Repeats `x <- minimize(loss(., x))`, the second argument held fixed, until x changes by `tolerance` or less.

    Takes `rounds` at most, each with `steps` of L-BFGS at most. Returns the last x, and of its last minimisation the
    loss and the gradient's largest component, absolute.
    """
    return _settle(loss, x, args, jnp.asarray(rounds), jnp.asarray(steps), jnp.asarray(tolerance))


@filter_jit
def _settle(loss, x, args, rounds, steps, tolerance):
    def unfinished(carry):
        *_, change, count = carry
        return (count < rounds) & (change > tolerance)

    def advance(carry):
        x, *_, count = carry
        new, value, gradient = _minimize(loss, x, (x, *args), steps, tolerance / 10)
        return new, value, gradient, jnp.abs(new - x).max(), count + 1

    far = jnp.asarray(jnp.inf)
    return jax.lax.while_loop(unfinished, advance, (x, far, far, far, 0))[:3]


def max_causal_entropy(
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    temperature: float = 1.0,
    features: Float[Array, "S A F"] | Literal["state", "state_action"] = "state_action",
    *,
    steps: int = 500,
    tolerance: float = 1e-6,
) -> Recovered:
    """Maximum-causal-entropy IRL (Ziebart, Bagnell and Dey 2010, "Modeling Interaction via the Principle of Maximum
    Causal Entropy").

    Minimises the convex dual, whose gradient is the difference of feature expectations `E_pi[f] - E_E[f]` (Ziebart
    2010, theorem 6.7; here discounted). At the minimum they agree, and of all policies that agree the one
    found has the largest causal entropy. Rewards start at 0, and of those with the same gradient the one nearest the
    start is approached: where neither expert nor learner goes it stays 0.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution of the expert's states and actions.
        temperature: tau; with rewards it scales alone.
        features: rewards are linear in these; "state" and "state_action" are one indicator each.
        steps: of L-BFGS, at most.
        tolerance: largest difference of feature expectations.

    Raises:
        ConfigError: temperature not positive, or an unknown name of features.
    """
    tau = _positive(temperature)
    states, actions = mdp.reward.shape
    if isinstance(features, str):
        if features not in ("state", "state_action"):
            raise ConfigError(f"features must be state, state_action or an array, got {features!r}")
        shape = (states, 1) if features == "state" else (states, actions)
        weights, value, gradient = minimize(
            _dual, jnp.zeros(shape), mdp, expert, tau, None, steps=steps, tolerance=tolerance
        )
        reward = jnp.broadcast_to(weights, (states, actions))
    else:
        weights, value, gradient = minimize(
            _dual, jnp.zeros(features.shape[2]), mdp, expert, tau, features, steps=steps, tolerance=tolerance
        )
        reward = features @ weights
    return Recovered(reward, *soft_value_iteration(mdp, tau, reward), value, gradient)


def _dual(weights, mdp, expert, temperature, features):
    reward = jnp.broadcast_to(weights, expert.shape) if features is None else features @ weights
    fixed = jax.lax.stop_gradient(reward)
    solution = soft_value_iteration(mdp, temperature, fixed)
    rho = occupancy(mdp, solution.policy)
    value = (1 - mdp.gamma) * (mdp.start * solution.v).sum()
    through = (jax.lax.stop_gradient(rho) * (reward - fixed)).sum()  # d value / d reward = rho (envelope theorem)
    return jax.lax.stop_gradient(value) + through - (expert * reward).sum()


def iq_learn(
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    temperature: float = 0.01,
    divergence: Divergence = CHI2,
    *,
    replay: Float[Array, "S A"] | None = None,
    value_term: Literal["value_expert", "value", "v0"] = "value_expert",
    q: Float[Array, "S A"] | None = None,
    steps: int = 1000,
    tolerance: float = 1e-6,
) -> Recovered:
    """IQ-Learn (Garg et al. 2021, arXiv:2106.12142, equations 9 to 11).

    On expert data alone, which is an occupancy measure, chi2's minimum has the implied reward
    `r = 2 a (1 - rho / rho_E)`, and the policy minimises `a chi2(rho || rho_E) - tau H`. With `replay` chi2's penalty
    r^2 / (4 a) is taken on both in equal parts, and `r = 4 a (rho_E - rho) / (rho_E + replay)`: with the
    learner's own occupancy as replay within plus or minus 4 a (`iq_learn_on_policy`). In states without data
    the gradient is 0 and Q stays as it starts.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution rho_E of the expert's states and actions.
        temperature: tau, of the policy's entropy.
        divergence: phi and, with chi2, a.
        replay: distribution of other data, or None.
        value_term: D of E_D[V(s) - gamma V(s')]: the expert's, expert's and replay's in equal parts, or v0, the value
            of the start. They are the same when the data are occupancy measures.
        q: the start of the search; default 0.
        steps: of L-BFGS, at most.
        tolerance: largest component of the gradient.

    Raises:
        ConfigError: temperature not positive, a divergence other than chi2 with `replay`, or "value" without it.
    """
    tau = _positive(temperature)
    if replay is not None and divergence.kind != "chi2":
        raise ConfigError(f"replay goes with chi2; {divergence.kind} is taken on expert data alone")
    if replay is None and value_term == "value":
        raise ConfigError("value_term=value averages over expert and replay: give replay, or take value_expert")
    q, value, gradient = minimize(
        _iq_loss,
        jnp.zeros_like(mdp.reward) if q is None else q,
        mdp,
        expert,
        replay,
        tau,
        divergence,
        value_term,
        steps=steps,
        tolerance=tolerance,
    )
    return _implied(mdp, q, tau, value, gradient)


def _iq_loss(q, mdp, expert, replay, temperature, divergence, value_term):
    v = mdp.value(q, temperature)
    y = mdp.gamma * mdp.expect(v)  # [S A]
    r = q - y
    if value_term == "v0":
        value = (1 - mdp.gamma) * (mdp.start * v).sum()
    else:
        on = expert if value_term == "value_expert" else (expert + replay) / 2
        value = (on * (v[:, None] - y)).sum()
    if replay is None:
        return value - (expert * divergence.concave(r)).sum()
    return value - (expert * r).sum() + ((expert + replay) / 2 * r**2).sum() / (4 * divergence.scale)


def iq_learn_on_policy(
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    temperature: float = 0.01,
    divergence: Divergence = CHI2,
    *,
    rounds: int = 50,
    keep: float = 0.5,
    **options: Any,
) -> Recovered:
    """IQ-Learn with chi2 on the mixture of expert data and the learner's own occupancy, as LS-IQ analyses it.

    Repeats `iq_learn` from its last Q, with `replay <- keep replay + (1 - keep) rho`. Where this settles, the implied
    reward is `r = 4 a (rho_E - rho) / (rho_E + rho)`, within plus or minus 4 a (Al-Hafez et al. 2023, arXiv:2303.00599,
    section 3).

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution rho_E of the expert's states and actions.
        temperature: tau, of the policy's entropy.
        divergence: chi2 and its a.
        rounds: how often replay is renewed.
        keep: share of the old replay that stays.
        options: of `iq_learn`.

    Raises:
        ConfigError: as `iq_learn`.
    """
    uniform = jnp.full_like(mdp.reward, 1 / mdp.reward.shape[1])
    replay = occupancy(mdp, uniform)
    found = iq_learn(mdp, expert, temperature, divergence, replay=replay, **options)
    for _ in range(rounds - 1):
        replay = keep * replay + (1 - keep) * occupancy(mdp, found.policy)
        options["q"] = found.q
        found = iq_learn(mdp, expert, temperature, divergence, replay=replay, **options)
    return found


def recoil(
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    suboptimal: Float[Array, "S A"],
    temperature: float = 0.01,
    weight: float = 0.25,
    *,
    value_term: Literal["suboptimal", "mix", "v0"] = "suboptimal",
    through_target: bool = True,
    q: Float[Array, "S A"] | None = None,
    steps: int = 1000,
    rounds: int = 300,
    tolerance: float = 1e-6,
) -> Recovered:
    """ReCOIL with chi2 (Sikchi et al. 2024, arXiv:2302.08560).

    `suboptimal` and `mix` are its practical form, `E_S[V(s)] - E_E[Q(s, a)] + lambda E_{S+E}[r^2]`: the policy's
    actions are pushed down in the states of S (or of E and S in equal parts), the expert's up. Its policy prefers what
    the expert does, but is not the expert's where that is random. `v0` has `(1 - gamma) E_start[V] - E_E[r]` in place
    of `E_S[V(s)] - E_E[Q]`, the dual of matching the mixtures (rho + S) / 2 and (rho_E + S) / 2: on occupancy
    measures its policy is the expert's as tau -> 0, and `r = (rho_E - rho) / (lambda (rho_E + S))`.

    The practical form has no minimum where a step in the data leads to a state without data: V there falls for ever,
    and takes along what leads there. With `through_target=False` V(s') is held fixed while Q descends, as by a target
    network, and renewed until it settles; states without data keep their Q. Its implied reward is that of each state
    and action by itself, `r = (rho_E(s, a) - D(s) pi(a|s)) / (lambda (rho_E + S)(s, a))`, D being S or the mixture.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution rho_E of the expert's states and actions.
        suboptimal: distribution S of the other data.
        temperature: tau, of the policy's entropy.
        weight: lambda.
        value_term: where V is pushed down.
        through_target: whether the gradient of r^2 (and with v0 of r) reaches V(s').
        q: the start of the search; default 0.
        steps: of L-BFGS, at most; a twentieth of them for one fixed target.
        rounds: renewals of a fixed target, at most.
        tolerance: largest component of the gradient; with a fixed target also the last change of Q.

    Raises:
        ConfigError: temperature or weight not positive.
    """
    tau = _positive(temperature)
    if weight <= 0:
        raise ConfigError(f"weight must be positive, got {weight}")
    q = jnp.zeros_like(mdp.reward) if q is None else q
    args = (mdp, expert, suboptimal, tau, jnp.asarray(weight, jnp.float32), value_term)
    if through_target:
        found = minimize(_recoil_loss, q, None, *args, steps=steps, tolerance=tolerance)
    else:
        found = settle(_recoil_loss, q, *args, rounds=rounds, steps=-(-steps // 20), tolerance=tolerance)
    q, value, gradient = found
    return _implied(mdp, q, tau, value, gradient)


def _recoil_loss(q, target, mdp, expert, suboptimal, temperature, weight, value_term):
    v = mdp.value(q, temperature)
    r = q - mdp.gamma * mdp.expect(v if target is None else mdp.value(target, temperature))
    mix = (expert + suboptimal) / 2
    if value_term == "v0":
        contrast = (1 - mdp.gamma) * (mdp.start * v).sum() - (expert * r).sum()
    else:
        on = suboptimal if value_term == "suboptimal" else mix
        contrast = (on * v[:, None]).sum() - (expert * q).sum()
    return contrast + weight * (mix * r**2).sum()


def _implied(mdp, q, temperature, loss, gradient):
    v = mdp.value(q, temperature)
    return Recovered(q - mdp.gamma * mdp.expect(v), q, v, mdp.policy(q, temperature), loss, gradient)


def _positive(temperature):
    if temperature <= 0:
        raise ConfigError(f"temperature must be positive, got {temperature}")
    return traced(temperature)
