"""The dynamics ensemble: who predicts what, and how likely it is."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from ensembles import constant
from scipy.stats import norm

from imitax.errors import ConfigError
from imitax.networks import Dynamics, DynamicsConfig, Termination

sample, sample_from, predict = map(eqx.filter_jit, (Dynamics.sample, Dynamics.sample_from, Dynamics.predict))


def test_rows_are_dealt_to_the_elites_in_equal_numbers():
    d = constant([0.0, 100.0, 200.0, 300.0], [-8.0] * 4)
    d = eqx.tree_at(lambda x: x.elites, d, jnp.array([1, 3, 2]))
    for count in (30, 31):
        step = sample(d, jnp.zeros((count, 2)), jnp.zeros((count, 1)), jr.key(0))
        who = np.round(np.asarray(step.next_obs[:, 0]) / 100).astype(int)
        assert set(who) == {1, 2, 3}
        assert np.bincount(who)[1:].min() >= count // 3 - 1
        np.testing.assert_allclose(step.reward, 100 * who, atol=1)
    prediction = predict(d, jnp.zeros((300, 2)), jnp.zeros((300, 1)))
    step = sample_from(d, prediction, jnp.zeros((300, 2)), jr.key(1))
    assert set(np.round(np.asarray(step.next_obs[:, 1]) / 100)) == {1, 2, 3}


def test_the_mixture_has_its_density():
    d = constant([0.0, 1.0], [0.0, -1.0])
    p = d.predict(jnp.zeros((1, 2)), jnp.zeros((1, 1)))
    x = np.array([0.3, -0.2, 0.9])
    stds = np.exp(np.asarray(p.log_var)[:, 0, 0] / 2)
    parts = [norm.pdf(x, m, s).prod() for m, s in zip((0.0, 1.0), stds, strict=True)]
    np.testing.assert_allclose(d.log_prob(p, jnp.asarray(x)[None]), np.log(np.mean(parts)), rtol=1e-5)


def test_variance_stays_within_its_bounds():
    d = constant([0.0] * 2, [50.0, -50.0])
    log_var = d.predict(jnp.zeros((1, 2)), jnp.zeros((1, 1))).log_var[:, 0, 0]
    np.testing.assert_allclose(log_var, [0.5, -10.0], atol=0.01)


def test_models_know_whether_their_data_had_rewards():
    d = constant([0.0])
    assert not d.predicts_rewards
    assert eqx.tree_at(lambda x: x.output_std, d, jnp.array([1.0, 1.0, 3.0])).predicts_rewards
    assert eqx.tree_at(lambda x: x.output_mean, d, jnp.array([0.0, 0.0, 3.0])).predicts_rewards


def test_a_known_termination_is_the_rule_and_a_learned_one_the_sign_of_its_logit():
    d = constant([1.0, 1.0], [-8.0, -8.0])
    for logit, ended in ((-5.0, False), (5.0, True)):
        told = eqx.tree_at(lambda x: x.mlp.biases[-1], d, d.mlp.biases[-1].at[:, 6].set(logit))
        assert sample(told, jnp.zeros((3, 2)), jnp.zeros((3, 1)), jr.key(0)).terminated.tolist() == [ended] * 3
    rule = Termination((-9.0, -9.0), (1.5, 9.0))
    known = eqx.tree_at(lambda x: x.termination, d, rule, is_leaf=lambda x: x is None)
    obs = jnp.array([[0.0, 0.0], [1.0, 0.0]])  # the next ones are about 1 and 2
    assert sample(known, obs, jnp.zeros((2, 1)), jr.key(0)).terminated.tolist() == [False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elites": 9}, "dynamics.elites must lie in 1 to members .7., got 9"),
        ({"log_var_min": 1.0}, "dynamics.log_var_min .1.0. must lie below log_var_max"),
        ({"members": 0}, "dynamics.members must be at least 1"),
    ],
)
def test_contradictions_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        DynamicsConfig(**change)
