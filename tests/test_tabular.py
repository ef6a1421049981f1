"""Tabular RL and inverse RL against closed forms, brute force, and the theory of their saddle points."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implied import Tabular
from scipy.optimize import minimize

from imitax.choices.divergence import Divergence
from imitax.errors import ConfigError, DataError
from imitax.tabular import (
    Paths,
    dense,
    deterministic,
    empirical,
    iq_learn,
    iq_learn_on_policy,
    max_causal_entropy,
    occupancy,
    policy_evaluation,
    recoil,
    sample,
    soft_value_iteration,
)
from imitax.tabular import mdp as mdp_module

A = 0.5
"""chi2's a in the divergence that is iq_learn's default."""


def small(seed=0, states=3, actions=2):
    """The random MDP of `implied.Tabular` with rewards, its expert's occupancy and another policy's."""
    known = Tabular(seed, states, actions)
    reward = np.random.default_rng(seed + 100).normal(size=(states, actions))
    mdp = dense(np.asarray(known.p), reward, np.asarray(known.start), known.gamma)
    return mdp, known, occupancy(mdp, known.expert), occupancy(mdp, known.other)


def chain():
    """State 0: action 0 stays for 1, action 1 ends for 3. State 1 is absorbing."""
    return deterministic(
        np.array([[0, 1], [0, 0]]), np.array([[1.0, 3.0], [9.0, 9.0]]), np.array([1.0, 0.0]), 0.5, np.array([0, 1]) > 0
    )


def distance(p, q):
    return float(jnp.abs(p - q).max())


def test_one_step_is_a_softmax():
    reward = np.array([[1.0, 2.0, -1.0]])
    solution = soft_value_iteration(dense(np.ones((1, 3, 1)), reward, np.ones(1), 0.0), 0.5)
    np.testing.assert_allclose(solution.q, reward)
    np.testing.assert_allclose(solution.v, [0.5 * np.log(np.exp(reward / 0.5).sum())], rtol=1e-6)
    np.testing.assert_allclose(solution.policy, np.exp(reward / 0.5) / np.exp(reward / 0.5).sum(), rtol=1e-5)


def test_a_chain_by_hand():
    """V = tau log(exp((1 + V / 2) / tau) + exp(3 / tau)), and the end is worth 0 without entropy."""
    tau = 0.7
    solution = soft_value_iteration(chain(), tau)
    v = float(solution.v[0])
    assert v == pytest.approx(tau * np.log(np.exp((1 + v / 2) / tau) + np.exp(3 / tau)), rel=1e-5)
    assert v > 3
    np.testing.assert_allclose(solution.v[1], 0)
    np.testing.assert_allclose(solution.policy[1], [1, 0])
    np.testing.assert_allclose(solution.q, [[1 + v / 2, 3], [0, 0]], rtol=1e-5)


def test_a_reward_in_the_absorbing_state_recurs():
    """2 a step for ever is 2 / (1 - gamma)."""
    solution = soft_value_iteration(chain(), 0.0, jnp.array([[1.0, 3.0], [2.0, 50.0]]))
    np.testing.assert_allclose(solution.v, [5, 4], rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.99])
def test_values_are_the_soft_maximum_and_their_policys_own(gamma):
    tau = 0.3
    mdp = replace(small()[0], gamma=gamma)
    solution = soft_value_iteration(mdp, tau)
    np.testing.assert_allclose(solution.v, tau * jax.nn.logsumexp(solution.q / tau, axis=1), rtol=1e-6)
    np.testing.assert_allclose(solution.q, mdp.reward + gamma * mdp.expect(solution.v), rtol=1e-5, atol=1e-5)
    same = policy_evaluation(mdp, solution.policy, tau)
    np.testing.assert_allclose(same.v, solution.v, rtol=2e-4, atol=1e-5)


def test_no_policy_does_better():
    mdp, known, *_ = small()
    best = soft_value_iteration(mdp, 0.3).v
    for policy in (known.expert, known.other, jnp.full((3, 2), 0.5)):
        assert (policy_evaluation(mdp, policy, 0.3).v < best).all()


def test_without_temperature_it_is_the_best_deterministic_policy():
    """All 2^3 of them, by linear solves; small temperatures come close, by less than tau log 2 / (1 - gamma)."""
    mdp, known, *_ = small()
    values = []
    for choice in np.ndindex(2, 2, 2):
        p, r = known.p[jnp.arange(3), jnp.array(choice)], mdp.reward[jnp.arange(3), jnp.array(choice)]
        values.append(jnp.linalg.solve(jnp.eye(3) - mdp.gamma * p, r))
    hard = soft_value_iteration(mdp, 0.0)
    np.testing.assert_allclose(hard.v, np.max(values, axis=0), rtol=1e-4)
    np.testing.assert_allclose(hard.policy.max(1), 1)
    gaps = [distance(soft_value_iteration(mdp, tau).v, hard.v) for tau in (1.0, 0.2)]
    assert gaps[1] < 0.2 * np.log(2) / (1 - mdp.gamma)
    assert 2 * gaps[1] < gaps[0] < np.log(2) / (1 - mdp.gamma)
    np.testing.assert_allclose(soft_value_iteration(mdp, 0.01).policy, hard.policy, atol=1e-3)


def test_evaluation_is_a_linear_solve():
    mdp, known, *_ = small()
    steps = jnp.einsum("sa,sat->st", known.other, known.p)
    entropy = -(known.other * jnp.log(known.other)).sum(1)
    v = jnp.linalg.solve(jnp.eye(3) - mdp.gamma * steps, (known.other * mdp.reward).sum(1) + 0.4 * entropy)
    np.testing.assert_allclose(policy_evaluation(mdp, known.other, 0.4).v, v, rtol=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.8, 0.99])
def test_occupancies_sum_to_one_and_flow(gamma):
    mdp, known, *_ = small()
    mdp = replace(mdp, gamma=gamma)
    rho = occupancy(mdp, known.other)
    assert float(rho.sum()) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(rho.sum(1), (1 - gamma) * mdp.start + gamma * mdp.inflow(rho), atol=1e-6)
    np.testing.assert_allclose(rho / rho.sum(1, keepdims=True), known.other, rtol=1e-5)
    known.gamma = gamma
    np.testing.assert_allclose(rho, known.occupancy(known.other), atol=1e-6)
    v = policy_evaluation(mdp, known.other).v
    assert float((rho * mdp.reward).sum()) == pytest.approx((1 - gamma) * float(mdp.start @ v), abs=1e-5)


def test_inflow_is_the_adjoint_of_expect():
    mdp, _, expert, _ = small()
    v = jnp.array([1.0, -2.0, 5.0])
    assert float((expert * mdp.expect(v)).sum()) == pytest.approx(float(mdp.inflow(expert) @ v), rel=1e-5)


def test_demonstrations_have_the_policys_occupancy():
    mdp, known, expert, _ = small()
    paths = sample(mdp, known.expert, jr.key(0), 4000, 60)
    assert paths.state.shape == (4000, 60)
    np.testing.assert_array_equal(paths.next_state[:, :-1], paths.state[:, 1:])
    np.testing.assert_allclose(empirical(mdp, paths), expert, atol=0.01)


def test_demonstrations_of_the_chain_by_hand():
    """One step, then the end for ever: weights 1 - gamma and gamma; as samples two steps of equal weight."""
    always = jnp.array([[0.0, 1.0], [0.0, 1.0]])
    mdp = chain()
    paths = sample(mdp, always, jr.key(0), 2, 5)
    np.testing.assert_array_equal(paths.state, [[0, 1, 1, 1, 1]] * 2)
    np.testing.assert_array_equal(paths.action, [[1, 0, 0, 0, 0]] * 2)
    np.testing.assert_allclose(empirical(mdp, paths), [[0, 0.5], [0.5, 0]], atol=1e-6)
    np.testing.assert_allclose(occupancy(mdp, always), [[0, 0.5], [0.5, 0]], atol=1e-6)
    stay = Paths(np.zeros((1, 3), int), np.zeros((1, 3), int), np.zeros((1, 3), int))
    np.testing.assert_allclose(empirical(mdp, paths, stay, discounted=False), [[3 / 7, 2 / 7], [2 / 7, 0]], atol=1e-6)
    np.testing.assert_allclose(empirical(replace(mdp, gamma=0.25), stay), [[1, 0], [0, 0]], atol=1e-6)


def test_entropy_irl_matches_and_recovers_the_expert():
    mdp, known, expert, _ = small()
    found = max_causal_entropy(mdp, expert, 0.5)
    assert distance(occupancy(mdp, found.policy), expert) < 1e-5
    assert distance(found.policy, known.expert) < 1e-4
    start = max_causal_entropy(mdp, expert, 0.5, steps=0)
    assert distance(start.policy, known.expert) > 0.1


@pytest.mark.parametrize("kind", ["state", "array"])
def test_entropy_irl_matches_features_with_the_most_entropy(kind):
    """Against brute force: the most causal entropy of all policies with the expert's feature expectations."""
    mdp, known, expert, _ = small()
    given = jr.normal(jr.key(1), (3, 2, 2))
    f = jnp.broadcast_to(jnp.eye(3)[:, None], (3, 2, 3)) if kind == "state" else given
    found = max_causal_entropy(mdp, expert, 0.5, "state" if kind == "state" else given)
    rho = occupancy(mdp, found.policy)
    np.testing.assert_allclose(jnp.einsum("sa,saf->f", rho - expert, f), 0, atol=1e-5)
    assert distance(rho, expert) > 0.003

    def parts(logits):
        policy = jax.nn.softmax(logits.reshape(3, 2), axis=1)
        rho = known.occupancy(policy)
        return (rho * jnp.log(policy)).sum(), jnp.einsum("sa,saf->f", rho - expert, f)[:2]

    def host(function):
        compiled = jax.jit(function)
        return lambda x: np.asarray(compiled(jnp.asarray(x, jnp.float32)), np.float64)

    brute = minimize(
        host(lambda x: parts(x)[0]),
        np.zeros(6),
        jac=host(jax.grad(lambda x: parts(x)[0])),
        constraints={
            "type": "eq",
            "fun": host(lambda x: parts(x)[1]),
            "jac": host(jax.jacobian(lambda x: parts(x)[1])),
        },
        method="SLSQP",
        options={"ftol": 1e-7},
    )
    assert float((rho * jnp.log(found.policy)).sum()) == pytest.approx(brute.fun, abs=1e-3)
    np.testing.assert_allclose(found.policy, jax.nn.softmax(jnp.asarray(brute.x).reshape(3, 2), axis=1), atol=0.01)


@pytest.mark.parametrize("term", ["value_expert", "v0"])
def test_iq_learn_on_expert_data_alone(term):
    mdp, _, expert, _ = small()
    found = iq_learn(mdp, expert, 0.3, value_term=term)
    rho = occupancy(mdp, found.policy)
    np.testing.assert_allclose(found.reward, 2 * A * (1 - rho / expert), atol=1e-4)
    assert jnp.abs(found.reward).max() > 0.05
    again = soft_value_iteration(mdp, 0.3, found.reward)
    np.testing.assert_allclose(again.q, found.q, atol=1e-4)


def test_iq_learn_on_expert_and_other_data():
    mdp, _, expert, other = small()
    found = iq_learn(mdp, expert, 0.3, replay=other, value_term="value")
    rho = occupancy(mdp, found.policy)
    np.testing.assert_allclose(found.reward, 4 * A * (expert - rho) / (expert + other), atol=1e-4)


@pytest.mark.parametrize("term", ["value", "value_expert"])
def test_iq_learns_loss_on_data_that_is_no_occupancy(term):
    mdp, *_ = small()
    expert, other, q = (np.random.default_rng(i).uniform(0, 0.4, (3, 2)).astype(np.float32) for i in range(3))
    expert, other = expert / expert.sum(), other / other.sum()
    v = 0.3 * np.log(np.exp(q / 0.3).sum(1))
    y = mdp.gamma * np.einsum("sak,k->sa", mdp.probability, v)
    on = expert if term == "value_expert" else (expert + other) / 2
    r = q - y
    loss = (on * (v[:, None] - y)).sum() - (expert * r).sum() + ((expert + other) / 2 * r**2).sum() / (4 * A)
    arrays = [jnp.asarray(x) for x in (expert, other, q)]
    found = iq_learn(mdp, arrays[0], 0.3, replay=arrays[1], value_term=term, q=arrays[2], steps=0)
    assert float(found.loss) == pytest.approx(loss, rel=1e-4)


def test_iq_learn_on_expert_and_its_own_data():
    mdp, _, expert, _ = small()
    found = iq_learn_on_policy(mdp, expert, 0.5, rounds=15)
    rho = occupancy(mdp, found.policy)
    np.testing.assert_allclose(found.reward, 4 * A * (expert - rho) / (expert + rho), atol=2e-4)
    assert 0.03 < jnp.abs(found.reward).max() <= 4 * A


def test_its_own_data_bounds_the_reward():
    """Where the learner never goes, r is 4 a; a large temperature lets the learner go where the expert does not."""
    mdp, *_ = small()
    rare = occupancy(mdp, jnp.array([[1 - 1e-4, 1e-4]] * 3))
    bounded = iq_learn_on_policy(mdp, rare, 3.0, rounds=15)
    assert jnp.abs(bounded.reward).max() <= 4 * A + 1e-3
    assert iq_learn(mdp, rare, 3.0).reward.min() < -4 * A


@pytest.mark.parametrize("kind", ["chi2", "kl", "js"])
def test_iq_learns_policy_solves_its_objective(kind):
    """The least `D_f(rho || rho_E) - tau H`, by brute force over policies."""
    mdp, known, expert, _ = small()
    divergence, tau = Divergence(kind, scale=A), 0.2

    def direct(logits):
        policy = jax.nn.softmax(logits.reshape(expert.shape), axis=1)
        rho = known.occupancy(policy)
        return (expert * divergence.f(rho / expert)).sum() + tau * (rho * jnp.log(policy)).sum()

    step = jax.jit(jax.value_and_grad(direct))
    brute = minimize(
        lambda x: [np.asarray(y, np.float64) for y in step(jnp.asarray(x, jnp.float32))],
        np.zeros(expert.size),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-12, "gtol": 1e-7},
    )
    found = iq_learn(mdp, expert, tau, divergence)
    policy = jax.nn.softmax(jnp.asarray(brute.x).reshape(expert.shape), axis=1)
    np.testing.assert_allclose(found.policy, policy, atol=3e-3)
    assert float(found.loss) == pytest.approx(-brute.fun, abs=1e-4)
    assert distance(found.policy, known.expert) > 0.01


@pytest.mark.parametrize("kind", ["chi2", "kl", "js", "tv"])
def test_iq_learn_tends_to_the_expert(kind):
    mdp, known, expert, _ = small()
    distances = [distance(iq_learn(mdp, expert, tau, Divergence(kind, A)).policy, known.expert) for tau in (1.0, 0.01)]
    assert distances[1] < 0.01
    assert distances[0] > 3 * distances[1] or kind == "tv"


def test_iq_learn_leaves_states_without_data_as_they_are():
    """State 2 leads into the chain of 0 and 1, and nothing leads to it."""
    mdp = dense(np.eye(3)[np.array([[1, 0], [0, 1], [0, 1]])], np.zeros((3, 2)), np.array([1.0, 0, 0]), 0.8)
    expert = occupancy(mdp, jnp.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]]))
    q = jnp.array([[0.0, 0], [0, 0], [2, -1]])
    found = iq_learn(mdp, expert, 0.1, q=q)
    np.testing.assert_array_equal(found.q[2], q[2])
    assert jnp.abs(found.q[:2]).max() > 0.01


def test_recoil_recovers_the_expert_from_suboptimal_data():
    mdp, known, expert, other = small()
    distances = []
    for tau in (0.5, 0.02):
        found = recoil(mdp, expert, other, tau, value_term="v0")
        rho = occupancy(mdp, found.policy)
        np.testing.assert_allclose(found.reward, (expert - rho) / (0.25 * (expert + other)), atol=2e-4)
        distances.append(distance(found.policy, known.expert))
    assert distances[1] < 0.005 < distances[0]


@pytest.mark.parametrize("term", ["suboptimal", "mix"])
@pytest.mark.parametrize("through", [True, False])
def test_recoil_finds_a_deterministic_experts_actions(term, through):
    """From its own data and that of uniformly random actions, which cover everything."""
    for seed in range(3):
        mdp, *_ = small(seed)
        best = soft_value_iteration(mdp, 0.0).policy
        random = occupancy(mdp, jnp.full((3, 2), 0.5))
        found = recoil(mdp, occupancy(mdp, best), random, 0.01, value_term=term, through_target=through, tolerance=1e-5)
        np.testing.assert_array_equal(found.policy.argmax(1), best.argmax(1))
        uninformed = recoil(mdp, random, random, 0.01, value_term=term, through_target=through, tolerance=1e-5)
        assert distance(uninformed.policy, best) > 0.4


@pytest.mark.parametrize("term", ["suboptimal", "mix"])
def test_recoil_with_a_fixed_target_rewards_each_step_by_itself(term):
    mdp, _, expert, other = small()
    found = recoil(mdp, expert, other, 0.3, 0.5, value_term=term, through_target=False, tolerance=1e-5)
    on = (other if term == "suboptimal" else (expert + other) / 2).sum(1, keepdims=True)
    known = (expert - on * found.policy) / (0.5 * (expert + other))
    np.testing.assert_allclose(found.reward, known, atol=2e-4)
    np.testing.assert_allclose(soft_value_iteration(mdp, 0.3, known).q, found.q, atol=2e-3)


def test_recoil_with_a_fixed_target_leaves_states_without_data_as_they_are():
    """Steps from 0 to 2 are in the data, state 2 is not; with V(2) free the loss falls for ever."""
    mdp = dense(np.eye(3)[np.array([[2, 2], [1, 0], [2, 2]])], np.zeros((3, 2)), np.array([0, 1.0, 0]), 0.8)
    expert, other = jnp.array([[0.0, 0], [1, 0], [0, 0]]), jnp.array([[0.4, 0.2], [0.2, 0.2], [0, 0]])
    found = recoil(mdp, expert, other, 0.1, through_target=False, tolerance=1e-5)
    np.testing.assert_array_equal(found.q[2], 0)
    assert float(found.v[0]) < float(found.v[1])
    assert float(found.policy[1, 0]) > 0.9
    assert float(recoil(mdp, expert, other, 0.1, steps=10).loss) < -10 < float(found.loss)


def test_methods_are_compiled_and_forbidden_actions_are_not_taken():
    mdp, _, expert, other = small()
    both = jax.vmap(lambda rho: iq_learn(mdp, rho, 0.1).reward)(jnp.stack([expert, other]))
    np.testing.assert_allclose(both[0], iq_learn(mdp, expert, 0.1).reward, atol=1e-4)
    forbidden = dense(np.full((2, 2, 2), 0.5), np.array([[-np.inf, 0.0], [0.0, 0.0]]), np.array([0.5, 0.5]), 0.9)
    assert soft_value_iteration(forbidden, 1.0).policy[0].tolist() == [0, 1]


def test_shapes_that_do_not_fit_together():
    """Here annotations refuse them first, which nobody else's program checks."""
    states, p, zeros, start = np.zeros((2, 2, 1), int), np.ones((2, 2, 1)), np.zeros((2, 2)), np.array([0.5, 0.5])
    for message, arrays in (
        ("reward must have the shape", (states, p, np.zeros(2), start, 0.9, None)),
        ("start has the shape", (states, p, zeros, np.full(4, 0.25), 0.9, None)),
        ("absorbing must be one bool", (states, p, zeros, start, 0.9, np.array([1]))),
    ):
        with pytest.raises(ConfigError, match=message):
            mdp_module._create(*arrays)
    with pytest.raises(ConfigError, match=r"expert has the shape \(2,\), not \(2, 2\)"):
        mdp_module.distribution("expert", start, (2, 2))


def test_impossible_input_is_refused():
    mdp, _, expert, other = small()
    p, start = np.full((2, 2, 2), 0.5), np.array([0.5, 0.5])
    for message, call in (
        ("gamma", lambda: dense(p, np.zeros((2, 2)), start, 1.0)),
        ("transition must", lambda: dense(0.9 * p, np.zeros((2, 2)), start, 0.9)),
        ("start must", lambda: dense(p, np.zeros((2, 2)), np.array([1.5, -0.5]), 0.9)),
        ("states 0 to 1", lambda: deterministic(np.full((2, 2), 2), np.zeros((2, 2)), start, 0.9)),
        ("reward must hold numbers", lambda: dense(p, np.full((2, 2), np.nan), start, 0.9)),
        ("expert must hold", lambda: iq_learn(mdp, 2 * expert)),
        ("expert must hold", lambda: max_causal_entropy(mdp, expert * np.nan)),
        ("suboptimal must hold", lambda: recoil(mdp, expert, -other)),
        ("replay must hold", lambda: iq_learn(mdp, expert, replay=other / 2)),
        ("not be negative", lambda: soft_value_iteration(mdp, -1.0)),
        ("not be negative", lambda: policy_evaluation(mdp, expert, -1.0)),
        ("must be positive", lambda: iq_learn(mdp, expert, 0.0)),
        ("must be positive", lambda: max_causal_entropy(mdp, expert, 0.0)),
        ("must be positive", lambda: recoil(mdp, expert, other, 0.0)),
        ("weight", lambda: recoil(mdp, expert, other, 0.1, 0.0)),
        ("goes with chi2", lambda: iq_learn(mdp, expert, 0.1, Divergence("js"), replay=other)),
        ("give replay", lambda: iq_learn(mdp, expert, 0.1, value_term="value")),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
    with pytest.raises(DataError, match="states 0 to 2"):
        empirical(mdp, Paths(np.full((1, 2), 3), np.zeros((1, 2), int), np.full((1, 2), 3)))
