"""ML-IRL, AIRL and f-IRL find the true reward of states, and nothing that the expert does not show."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.tabular import (
    airl,
    dense,
    deterministic,
    f_irl,
    max_causal_entropy,
    ml_irl,
    occupancy,
    soft_value_iteration,
)

RNG = np.random.default_rng(0)
STATES, ACTIONS = 5, 3
TRANSITION, CHANGED = (RNG.dirichlet(np.ones(STATES), (STATES, ACTIONS)) for _ in range(2))
REWARD = np.repeat(RNG.normal(size=(STATES, 1)), ACTIONS, 1)
START = np.full(STATES, 1 / STATES)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64():
        yield


@pytest.fixture
def mdp():
    return dense(TRANSITION, REWARD, START, 0.9)


def optimal(mdp, reward=None):
    return soft_value_iteration(mdp, 1.0, None if reward is None else jnp.asarray(reward)).policy


def agrees(found, mdp):
    """The reward up to a constant, and what is optimal for it where the dynamics have changed."""
    assert np.abs(found.policy - optimal(mdp)).max() < 1e-6
    assert np.ptp(found.reward - REWARD) < 1e-6
    changed = dense(CHANGED, REWARD, START, 0.9)
    assert np.abs(optimal(changed, found.reward) - optimal(changed)).max() < 1e-6


def test_ml_irl(mdp):
    agrees(ml_irl(mdp, occupancy(mdp, optimal(mdp)), state_only=True), mdp)


def test_ml_irl_of_states_and_actions_is_maximum_causal_entropy(mdp):
    rho = occupancy(mdp, optimal(mdp, RNG.normal(size=(STATES, ACTIONS))))
    found = ml_irl(mdp, rho, temperature=0.5)
    other = max_causal_entropy(mdp, rho, 0.5, tolerance=1e-9)
    assert np.abs(found.policy - rho / rho.sum(1, keepdims=True)).max() < 1e-6
    assert np.abs(found.policy - other.policy).max() < 1e-6
    assert np.isclose(found.loss, -(rho * np.log(rho / rho.sum(1, keepdims=True))).sum())


@pytest.mark.parametrize("divergence", ["js", *(pytest.param(d, marks=pytest.mark.long) for d in ("fkl", "rkl"))])
def test_f_irl(divergence, mdp):
    agrees(f_irl(mdp, occupancy(mdp, optimal(mdp)).sum(1), divergence=divergence, tolerance=1e-13), mdp)


def test_f_irl_knows_its_divergences(mdp):
    with pytest.raises(ConfigError, match="fkl, rkl or js"):
        f_irl(mdp, mdp.start, divergence="tv")


def test_airl_finds_the_advantage_and_the_reward():
    """Its theorem 5.1: deterministic dynamics, a reward of states, and states that are linked."""
    states = np.arange(STATES)
    mdp = deterministic(np.stack([(states + 1) % STATES, states, 2 * states % STATES], 1), REWARD, START, 0.9)
    truth = soft_value_iteration(mdp, 1.0)
    found, g = airl(mdp, occupancy(mdp, truth.policy))
    assert np.isclose(found.loss, 2 * np.log(2))
    assert np.abs(found.reward - (truth.q - truth.v[:, None])).max() < 1e-6
    assert np.ptp(g - REWARD[:, 0]) < 1e-6
    changed = dense(CHANGED, REWARD, START, 0.9)
    assert np.abs(optimal(changed, np.repeat(g[:, None], ACTIONS, 1)) - optimal(changed)).max() < 1e-6
    assert np.abs(optimal(changed, found.reward) - optimal(changed)).max() > 0.05  # the advantage does not transfer
