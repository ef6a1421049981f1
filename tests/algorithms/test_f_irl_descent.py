"""What following f-IRL's gradient does, in closed form, on bandits and small MDPs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.algorithms import f_irl
from imitax.choices.divergence import Divergence

KINDS = ["kl", "reverse_kl", "js", "hellinger"]
SAMPLES = ["mixed", "weighted", "learner"]


def weights(log_ratio, rho_e, rho, samples):
    """`sample_weights` where every state is there once for the expert and once for the learner, with its mass."""
    cfg = f_irl.Config(samples=samples)
    per_expert = rho_e * f_irl.sample_weights(log_ratio, jnp.ones_like(log_ratio), cfg)
    return per_expert + rho * f_irl.sample_weights(log_ratio, jnp.zeros_like(log_ratio), cfg)


def reward_gradient(kind, samples, rho_e, rho, r):
    log_ratio = jnp.log(rho_e / rho)
    h, m = Divergence(kind).state_reward(log_ratio), weights(log_ratio, rho_e, rho, samples)
    return jax.grad(lambda r: f_irl.covariance(h, r, m))(r)


def d_f(kind, rho_e, rho):
    return (rho * Divergence(kind).f(rho_e / rho)).sum()


RHO_E = jnp.array([0.5, 0.3, 0.15, 0.05])
START = jnp.array([-0.3, 0.1, 0.0, 0.4])
ALPHA = 0.2


@pytest.mark.parametrize("samples", ["weighted", "learner"])
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_bandit_it_is_the_gradient_of_the_divergence(kind, samples):
    """One step, one state an action: the learner visits softmax(r / alpha), and theorem 4.1 has T = 1."""
    exact = jax.grad(lambda r: d_f(kind, RHO_E, jax.nn.softmax(r / ALPHA)))(START)
    ours = reward_gradient(kind, samples, RHO_E, jax.nn.softmax(START / ALPHA), START) / ALPHA
    np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_bandit_is_led_to_the_experts_marginal(kind, samples):
    def step(r, _):
        rho = jax.nn.softmax(r / ALPHA)
        return r - 0.05 * reward_gradient(kind, samples, RHO_E, rho, r), d_f(kind, RHO_E, rho)

    r, divergence = jax.jit(lambda r: jax.lax.scan(step, r, None, 2000))(START)
    np.testing.assert_allclose(jax.nn.softmax(r / ALPHA), RHO_E, atol=2e-3)
    assert (np.diff(divergence) < 1e-6).all()


def occupancy(r, dynamics, first, gamma):
    """Discounted state marginal of the soft-optimal policy of r, dynamics [S A S]."""

    def backup(v, _):
        return ALPHA * jax.nn.logsumexp((r[:, None] + gamma * dynamics @ v) / ALPHA, axis=1), None

    v, _ = jax.lax.scan(backup, jnp.zeros_like(r), None, 120)
    pi = jax.nn.softmax((r[:, None] + gamma * dynamics @ v) / ALPHA, axis=1)  # [S A]
    moves = (pi[:, :, None] * dynamics).sum(1)  # [S S]
    return (1 - gamma) * jnp.linalg.solve(jnp.eye(len(r)) - gamma * moves.T, first)


def descend(kind, samples, scale, rate, steps, share):
    """Divergences on a random problem of 6 states and 3 actions, the reward following what its replay holds.

    Args:
        share: of a step number, how much of the replay the step's states make up; 1 is no replay.
    """
    rng, gamma = np.random.default_rng(2), 0.9
    dynamics = jnp.asarray(rng.dirichlet(np.full(6, 0.3), (6, 3)), jnp.float32)
    first = jnp.asarray(rng.dirichlet(np.ones(6)), jnp.float32)
    rho_e = occupancy(jnp.asarray(rng.normal(size=6) * scale, jnp.float32), dynamics, first, gamma)

    def step(carry, i):
        r, replay = carry
        rho = occupancy(r, dynamics, first, gamma)
        replay = replay + share(i) * (rho - replay)
        r = r - rate * reward_gradient(kind, samples, rho_e, replay, r)
        return (r, replay), d_f(kind, rho_e, rho)

    begin = jnp.zeros(6), occupancy(jnp.zeros(6), dynamics, first, gamma)
    return jax.jit(lambda c: jax.lax.scan(step, c, jnp.arange(steps)))(begin)[1]


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_over_many_steps_single_states_and_the_soft_optimal_policy_suffice(kind, samples):
    """Not the theorem's gradient any more, but mirror descent: the divergence falls at every step, to zero."""
    divergence = descend(kind, samples, scale=0.3, rate=0.3, steps=800, share=lambda _: 1.0)
    assert (np.diff(divergence) < 1e-6).all()
    assert divergence[-1] < 1e-4 < 1e-2 < divergence[0]


def test_a_window_of_replay_settles_where_a_replay_of_everything_does_not():
    """The reason for `buffer_size`; 50 steps' worth of replay are there at the start."""
    shares = {"present": lambda _: 1.0, "window": lambda _: 1 / 300, "everything": lambda i: 1 / (i + 50)}
    late = {
        name: float(descend("reverse_kl", "mixed", 0.5, 0.1, 3000, share)[2500:].max())
        for name, share in shares.items()
    }
    assert late["present"] < 1e-5 < late["window"] < 1e-3 < 2e-3 < late["everything"]


def test_how_trajectories_and_single_states_differ():
    """The identity of the module's docstring, on 50 trajectories of 4 steps."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(50, 4)) + np.arange(4)
    g = rng.normal(size=(50, 4)) + 0.7 * h[:, ::-1] - np.arange(4)
    over_trajectories = np.cov(h.sum(1), g.sum(1), bias=True)[0, 1] / 4
    between_times = np.cov(h.mean(0), g.mean(0), bias=True)[0, 1]
    across = np.cov(h.T, g.T, bias=True)[:4, 4:]  # [T T]
    single = f_irl.covariance(jnp.asarray(h.ravel()), jnp.asarray(g.ravel()), jnp.ones(200))
    expected = over_trajectories + between_times - (across.sum() - np.trace(across)) / 4
    assert float(single) == pytest.approx(expected, rel=1e-4)
