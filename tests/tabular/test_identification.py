"""What behaviour tells of a reward, against rewards that are known."""

import jax
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.tabular import Behaviour, dense, identify, soft_value_iteration

TAU = 0.5
RNG = np.random.default_rng(0)
STATES, ACTIONS = 5, 3
START = np.full(STATES, 1 / STATES)
HERE, THERE, ELSEWHERE = (RNG.dirichlet(np.ones(STATES), (STATES, ACTIONS)) for _ in range(3))
REWARD = RNG.normal(size=(STATES, ACTIONS))
OF_STATES = np.repeat(RNG.normal(size=(STATES, 1)), ACTIONS, 1)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64():
        yield


def behaviour(transition=HERE, gamma=0.9, reward=REWARD, absorbing=None):
    mdp = dense(transition, reward, START, gamma, absorbing)
    return Behaviour(mdp, np.asarray(soft_value_iteration(mdp, TAU).policy))


def error(found, reward):
    """Of a reward that is known up to a constant."""
    return np.ptp((found.reward - reward)[found.possible])


def test_one_policy_leaves_the_potential_open():
    found = identify([behaviour()], TAU)
    assert found.residual < 1e-9
    assert len(found.freedom) == STATES
    assert not found.up_to_constant
    assert error(found, REWARD) > 1
    # what it leaves open is potential shaping, and the true reward lies within
    difference = (REWARD - found.reward).ravel()
    basis = found.freedom.reshape(STATES, -1)
    assert np.abs(difference - basis.T @ (basis @ difference)).max() < 1e-9
    potential = RNG.normal(size=STATES)
    shaping = potential[:, None] - 0.9 * HERE @ potential
    assert np.abs(shaping.ravel() - basis.T @ (basis @ shaping.ravel())).max() < 1e-9


@pytest.mark.parametrize("second", [{"gamma": 0.7}, {"transition": THERE}], ids=["discount", "dynamics"])
def test_two_discounts_or_two_dynamics_identify_it(second):
    found = identify([behaviour(), behaviour(**second)], TAU)
    assert found.up_to_constant
    assert error(found, REWARD) < 1e-6


def test_the_same_dynamics_twice_identify_nothing_more():
    assert len(identify([behaviour(), behaviour()], TAU).freedom) == STATES


def test_a_reward_of_states_is_identified_by_one_policy():
    found = identify([behaviour(reward=OF_STATES)], TAU, "state")
    assert found.up_to_constant
    assert error(found, OF_STATES) < 1e-6
    assert identify([behaviour()], TAU, "state").residual > 0.1  # this reward depends on actions


def test_what_is_identified_is_optimal_elsewhere_and_what_is_not_is_not():
    truth = behaviour(ELSEWHERE).policy

    def lost(found):
        return np.abs(behaviour(ELSEWHERE, reward=found.reward).policy - truth).max()

    assert lost(identify([behaviour(), behaviour(THERE)], TAU)) < 1e-6
    assert lost(identify([behaviour()], TAU)) > 0.1


def test_absorbing_states_have_one_action():
    ends = np.arange(STATES) == 2
    both = [behaviour(gamma=gamma, absorbing=ends) for gamma in (0.9, 0.7)]
    found = identify(both, TAU)
    assert found.up_to_constant
    assert found.possible[2].tolist() == [True, False, False]
    assert error(found, np.where(ends[:, None], 0.0, REWARD)) < 1e-6


@pytest.mark.parametrize(
    ("behaviours", "options", "message"),
    [
        ([], {}, "at least one behaviour"),
        ([behaviour()], {"temperature": 0.0}, "positive temperature"),
        ([behaviour()], {"features": "actions"}, "features must be state, state_action or an array"),
        ([Behaviour(behaviour().mdp, np.eye(3)[np.zeros(5, int)])], {}, "no probability"),
        ([behaviour(), Behaviour(behaviour().mdp, np.ones((4, 3)))], {}, "5 states and 3 actions"),
    ],
)
def test_what_cannot_be(behaviours, options, message):
    with pytest.raises(ConfigError, match=message):
        identify(behaviours, **{"temperature": TAU} | options)
