"""What IQ-Learn's losses rest at in small MDPs, against known answers."""

import implied
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from imitax.choices.divergence import Divergence
from imitax.choices.terminal import Terminal


@pytest.mark.parametrize("on", ["both", "expert"])
def test_the_implied_reward_of_a_small_mdp(on):
    """r = 4a (rho_E - rho) / (rho_E + rho) with the penalty on both, 2a (1 - rho / rho_E) on the expert's."""
    mdp, chi2, tau = implied.Tabular(), Divergence("chi2", scale=0.5), 0.3
    expert, learner = mdp.occupancy(mdp.expert), mdp.occupancy(mdp.other)

    def parts(q):
        v = (mdp.other * (q - tau * jnp.log(mdp.other))).sum(1)
        return q - mdp.target(v), v

    def loss(q):
        r, v = parts(q)
        value = (expert * (v[:, None] - mdp.target(v))).sum()
        if on == "expert":
            return value - (expert * chi2.concave(r)).sum()
        return value - (expert * r).sum() + ((expert + learner) / 2 * r**2).sum() / (4 * chi2.scale)

    r, v = parts(implied.quadratic_minimum(loss, expert.shape))
    a = chi2.scale
    known = 4 * a * (expert - learner) / (expert + learner) if on == "both" else 2 * a * (1 - learner / expert)
    np.testing.assert_allclose(r, known, atol=2e-4)
    assert (jnp.abs(r) <= 4 * a).all() or on == "expert"
    on_start = (1 - mdp.gamma) * (mdp.start * v).sum()
    for rho in (expert, learner):  # the value term is the same on any data from the same initial states
        assert float((rho * (v[:, None] - mdp.target(v))).sum()) == pytest.approx(float(on_start), abs=1e-5)


def least(loss, shape):
    step = jax.jit(jax.value_and_grad(lambda x: loss(x.reshape(shape))))
    found = minimize(
        lambda x: [np.asarray(y, np.float64) for y in step(jnp.asarray(x, jnp.float32))],
        np.zeros(int(np.prod(shape))),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "ftol": 1e-12, "gtol": 1e-7},
    )
    return jnp.asarray(found.x, jnp.float32).reshape(shape), found.fun


def test_the_policy_solves_its_objective_and_tends_to_the_expert():
    """The saddle point's policy is the one with the least a chi2(rho || rho_E) - tau H, found here by brute force."""
    mdp, chi2 = implied.Tabular(), Divergence("chi2", scale=0.5)
    expert = mdp.occupancy(mdp.expert)
    distances = []
    for tau in (0.5, 0.1, 0.02):

        def inverse(q, tau=tau):
            v = tau * jax.nn.logsumexp(q / tau, axis=1)
            return (expert * (v[:, None] - mdp.target(v) - chi2.concave(q - mdp.target(v)))).sum()

        def direct(logits, tau=tau):
            policy = jax.nn.softmax(logits, axis=1)
            rho = mdp.occupancy(policy)
            return (expert * chi2.f(rho / expert)).sum() + tau * (rho * jnp.log(policy)).sum()

        q, lowest = least(inverse, expert.shape)
        logits, brute = least(direct, expert.shape)
        policy = jax.nn.softmax(q / tau, axis=1)
        np.testing.assert_allclose(policy, jax.nn.softmax(logits, axis=1), atol=5e-3)
        assert lowest == pytest.approx(-brute, abs=1e-4)
        distances.append(float(jnp.abs(policy - mdp.expert).max()))
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.03


def test_closed_form_is_absorbing_in_the_tabular_limit():
    """State 1 ends under action 1; the absorbing state is visited gamma / (1 - gamma) times as often as entered."""
    gamma, a = 0.8, 0.5
    ended = jnp.array([[False, False], [False, True]])
    following = jnp.array([[0, 1], [0, 0]])
    policies = (jnp.array([[0.3, 0.7], [0.4, 0.6]]), jnp.array([[0.6, 0.4], [0.8, 0.2]]))

    def occupancy(policy):
        steps = jnp.zeros((2, 2))
        for s, act in ((0, 0), (0, 1), (1, 0)):
            steps = steps.at[following[s, act], s].add(policy[s, act])
        return jnp.linalg.solve(jnp.eye(2) - gamma * steps, jnp.array([0.5, 0.5]))[:, None] * policy

    expert, learner = map(occupancy, policies)

    def loss(q, kind, end=0.0, weight=0.0):
        v = (policies[1] * (q + 0.1)).sum(1)
        choice = Terminal(kind)
        y = gamma * choice.next_value(v[following], ended, end)
        closed = kind == "closed_form"
        share = choice.next_value(jnp.ones((2, 2)), ended, 1 - gamma) if closed else 1.0
        r = share * (q - y)
        square = (expert + learner) / 2 / (4 * a)
        total = (-expert * r / share + square * r**2 / share + expert * (v[:, None] - y)).sum()
        r_end = (1 - gamma) * end  # and V - gamma V of the absorbing state is the same
        return total + weight * (square[1, 1] * r_end**2 - expert[1, 1] * r_end + expert[1, 1] * r_end)

    closed = implied.quadratic_minimum(lambda q: loss(q, "closed_form"), (2, 2))
    explicit = implied.quadratic_minimum(
        lambda x: loss(x[:4].reshape(2, 2), "absorbing", x[4], gamma / (1 - gamma)), (5,)
    )
    np.testing.assert_allclose(explicit[:4].reshape(2, 2), closed, atol=1e-3)
    assert float(explicit[4]) == pytest.approx(float(closed[1, 1]), abs=1e-3)
