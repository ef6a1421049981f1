"""Inverse soft-Q learning on discrete MDPs with exact expectations: IQ-Learn and ReCOIL.

    iq_learn   min_Q  E_D[V(s) - gamma V(s')] - E_E[phi(r)],              r = Q(s, a) - gamma E[V(s')]
    recoil     min_Q  E_S[V(s)] - E_E[Q(s, a)] + lambda E_{S+E}[r^2]

V = tau log sum_a exp(Q / tau) is the value of the soft-greedy policy. With it in the loss, the maximum over policies is
exact: the gradient of V with respect to Q is that policy, held fixed. Expert and other data are distributions over
states and actions, exact (`occupancy`) or of demonstrations (`empirical`); next states are averaged over the MDP's
dynamics.

The public functions have more than six parameters: they take the options of the method and of the search by keyword.
"""

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.choices.divergence import Divergence
from imitax.errors import ConfigError
from imitax.tabular.mdp import TabularMDP, Temperature, distribution
from imitax.tabular.planning import occupancy
from imitax.tabular.solvers import Recovered, minimize, minimize_with_target, positive

CHI2 = Divergence("chi2", scale=0.5)
"""The divergence of IQ-Learn's official code: phi(r) = r - r^2 / 2."""


class _IqLearn(NamedTuple):
    """Everything that IQ-Learn's loss depends on besides Q."""

    mdp: TabularMDP
    expert: Float[Array, "S A"]
    replay: Float[Array, "S A"] | None
    temperature: Temperature
    divergence: Divergence
    value_term: str


def iq_learn(  # the options of all forms, by keyword
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

    On expert data alone, if they are an occupancy measure, the minimum with chi2 has the implied reward
    `r = 2 a (1 - rho / rho_E)`, and the policy minimises `a chi2(rho || rho_E) - tau H`. With `replay`, chi2's penalty
    r^2 / (4 a) is taken on both in equal parts, and `r = 4 a (rho_E - rho) / (rho_E + replay)`, which lies within
    plus or minus 4 a if replay is the policy's own occupancy (`iq_learn_on_policy`). In states without data the
    gradient is 0 and Q keeps its initial value.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution rho_E of the expert's states and actions.
        temperature: tau, the weight of the policy's entropy.
        divergence: phi and, with chi2, a.
        replay: distribution of other data, or None.
        value_term: D in E_D[V(s) - gamma V(s')]: the expert's data, expert's and replay in equal parts, or v0, the
            value of the start. They are equal on occupancy measures.
        q: initial Q; 0 by default.
        steps: maximal number of L-BFGS steps.
        tolerance: largest component of the gradient.

    Raises:
        ConfigError: the temperature is not positive, `expert` or `replay` is no distribution, the divergence with
            `replay` is not chi2, or "value" is used without `replay`.
    """
    distribution("expert", expert, mdp.reward.shape)
    if replay is not None:
        distribution("replay", replay, mdp.reward.shape)
    if replay is not None and divergence.kind != "chi2":
        raise ConfigError(f"replay goes with chi2; {divergence.kind} is taken on expert data alone")
    if replay is None and value_term == "value":
        raise ConfigError("value_term=value averages over expert and replay: give replay, or take value_expert")
    problem = _IqLearn(mdp, expert, replay, positive(temperature), divergence, value_term)
    start = jnp.zeros_like(mdp.reward) if q is None else q
    q, loss, gradient = minimize(_iq_loss, start, problem, steps=steps, tolerance=tolerance)
    return _implied(mdp, q, problem.temperature, loss, gradient)


def _iq_loss(q, p: _IqLearn):
    v = p.mdp.value(q, p.temperature)
    y = p.mdp.gamma * p.mdp.expect(v)  # [S A]
    r = q - y
    data = p.expert if p.replay is None else (p.expert + p.replay) / 2
    if p.value_term == "v0":
        value = (1 - p.mdp.gamma) * (p.mdp.start * v).sum()
    else:
        on = p.expert if p.value_term == "value_expert" else data
        value = (on * (v[:, None] - y)).sum()
    if p.replay is None:
        return value - (p.expert * p.divergence.concave(r)).sum()
    return value - (p.expert * r).sum() + (data * r**2).sum() / (4 * p.divergence.scale)


def iq_learn_on_policy(  # passes on the options of `iq_learn`
    mdp: TabularMDP,
    expert: Float[Array, "S A"],
    temperature: float = 0.01,
    divergence: Divergence = CHI2,
    *,
    rounds: int = 50,
    keep: float = 0.5,
    **options: Any,
) -> Recovered:
    """IQ-Learn with chi2 on the mixture of expert data and the policy's own occupancy, as LS-IQ analyses it.

    Repeats `iq_learn` from its last Q, with `replay <- keep replay + (1 - keep) rho`. At convergence the implied
    reward is `r = 4 a (rho_E - rho) / (rho_E + rho)`, within plus or minus 4 a (Al-Hafez et al. 2023, arXiv:2303.00599,
    section 3).

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution rho_E of the expert's states and actions.
        temperature: tau, the weight of the policy's entropy.
        divergence: chi2 and its a.
        rounds: how often replay is updated.
        keep: share of the old replay that is kept.
        options: options of `iq_learn`.

    Raises:
        ConfigError: as in `iq_learn`.
    """
    uniform = jnp.full_like(mdp.reward, 1 / mdp.reward.shape[1])
    replay = occupancy(mdp, uniform)
    found = iq_learn(mdp, expert, temperature, divergence, replay=replay, **options)
    for _ in range(rounds - 1):
        replay = keep * replay + (1 - keep) * occupancy(mdp, found.policy)
        options["q"] = found.q
        found = iq_learn(mdp, expert, temperature, divergence, replay=replay, **options)
    return found


class _Recoil(NamedTuple):
    """Everything that ReCOIL's loss depends on besides Q and its target."""

    mdp: TabularMDP
    expert: Float[Array, "S A"]
    suboptimal: Float[Array, "S A"]
    temperature: Temperature
    weight: Float[Array, ""]
    value_term: str


def recoil(  # over 50 lines for its docstring; the options of all forms, by keyword
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

    `suboptimal` and `mix` are its practical form, `E_S[V(s)] - E_E[Q(s, a)] + lambda E_{S+E}[r^2]`: Q of the policy's
    actions is pushed down in the states of S (or of E and S in equal parts), and Q of the expert's actions up. The
    policy prefers the expert's actions, but does not reproduce a stochastic expert. `v0` has
    `(1 - gamma) E_start[V] - E_E[r]` in place of `E_S[V(s)] - E_E[Q]`, the dual of matching the mixtures (rho + S) / 2
    and (rho_E + S) / 2: on occupancy measures its policy is the expert's as tau -> 0, and
    `r = (rho_E - rho) / (lambda (rho_E + S))`.

    The practical form has no minimum if a transition in the data leads to a state without data: V of that state falls
    without bound, and so do the values that depend on it. With `through_target=False`, V(s') comes from a target Q that
    is fixed during each minimisation and then updated until convergence; states without data keep their Q. The implied
    reward is then `r = (rho_E(s, a) - D(s) pi(a|s)) / (lambda (rho_E + S)(s, a))`, where D is S or the mixture.

    Args:
        mdp: dynamics, start and discount; its rewards are not used.
        expert: distribution rho_E of the expert's states and actions.
        suboptimal: distribution S of the other data.
        temperature: tau, the weight of the policy's entropy.
        weight: lambda.
        value_term: where V is pushed down.
        through_target: whether the gradient of r^2 (and, with v0, of r) flows through V(s').
        q: initial Q; 0 by default.
        steps: maximal number of L-BFGS steps; a twentieth of it for each target.
        rounds: maximal number of targets.
        tolerance: largest component of the gradient; with targets also the last change of Q.

    Raises:
        ConfigError: the temperature or the weight is not positive, or `expert` or `suboptimal` is no distribution.
    """
    tau = positive(temperature)
    distribution("expert", expert, mdp.reward.shape)
    distribution("suboptimal", suboptimal, mdp.reward.shape)
    if weight <= 0:
        raise ConfigError(f"weight must be positive, got {weight}")
    q = jnp.zeros_like(mdp.reward) if q is None else q
    problem = _Recoil(mdp, expert, suboptimal, tau, jnp.asarray(weight, jnp.float32), value_term)
    if through_target:
        q, loss, gradient = minimize(_recoil_loss, q, None, problem, steps=steps, tolerance=tolerance)
    else:
        q, loss, gradient = minimize_with_target(
            _recoil_loss, q, problem, rounds=rounds, steps=-(-steps // 20), tolerance=tolerance
        )
    return _implied(mdp, q, tau, loss, gradient)


def _recoil_loss(q, target, p: _Recoil):
    v = p.mdp.value(q, p.temperature)
    r = q - p.mdp.gamma * p.mdp.expect(v if target is None else p.mdp.value(target, p.temperature))
    mix = (p.expert + p.suboptimal) / 2
    if p.value_term == "v0":
        contrast = (1 - p.mdp.gamma) * (p.mdp.start * v).sum() - (p.expert * r).sum()
    else:
        on = p.suboptimal if p.value_term == "suboptimal" else mix
        contrast = (on * v[:, None]).sum() - (p.expert * q).sum()
    return contrast + p.weight * (mix * r**2).sum()


def _implied(mdp, q, temperature, loss, gradient):
    v = mdp.value(q, temperature)
    return Recovered(q - mdp.gamma * mdp.expect(v), q, v, mdp.policy(q, temperature), loss, gradient)
