import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.networks import Normalizer, Policy, PolicyConfig, TanhGaussian
from imitax.spaces import Spec

LOW, HIGH = -0.3, 1.2
MIDDLE, HALF = 0.45, 0.75
ONE = Spec.flat(3, (LOW,), (HIGH,))
TWO = Spec.flat(3, (-0.3, -2.0), (1.2, 0.5))


def actor(spec=ONE, seed=0, **options):
    return TanhGaussian(spec, PolicyConfig(hidden=(16, 16), **options), key=jr.key(seed))


def with_output(net, loc, raw):
    """The actor with a constant Gaussian: its last layer is only a bias."""
    last = jnp.asarray(np.r_[loc, raw], jnp.float32)
    zero = jnp.zeros_like(net.mlp.weights[-1])
    return eqx.tree_at(lambda n: (n.mlp.weights[-1], n.mlp.biases[-1]), net, (zero, last))


@pytest.mark.parametrize("loc", [0.0, -1.5, 2.5])
def test_the_density_integrates_to_one_over_an_asymmetric_box(loc):
    u = np.linspace(-7.2, 7.2, 8001)
    action = MIDDLE + HALF * np.tanh(u)
    net = with_output(actor(), [loc], [0.1])
    logp = net.log_prob(jnp.zeros((len(u), 3)), jnp.asarray(action[:, None], jnp.float32))
    mass = np.trapezoid(np.exp(np.asarray(logp, np.float64)), action)
    assert mass == pytest.approx(1.0, abs=2e-3)


def test_the_log_probability_of_a_sample_is_that_of_the_action():
    net = actor(TWO)
    obs = jr.normal(jr.key(1), (500, 3))
    action, logp = net.sample(obs, jr.key(2))
    unit = np.abs((np.asarray(action) - np.asarray(TWO.middle)) / np.asarray(TWO.half))
    inside = (unit < 0.99).all(1)
    assert inside.sum() > 300
    again = np.asarray(net.log_prob(obs, action))
    np.testing.assert_allclose(again[inside], np.asarray(logp)[inside], atol=2e-3)


def test_samples_follow_the_gaussian():
    net = with_output(actor(), [0.4], [0.0])  # log std is the middle of [-5, 2]
    action, _ = net.sample(jnp.zeros((20_000, 3)), jr.key(0))
    u = np.arctanh((np.asarray(action, np.float64) - MIDDLE) / HALF)
    assert u.mean() == pytest.approx(0.4, abs=0.01)
    assert u.std() == pytest.approx(math.exp(-1.5), rel=0.03)


@pytest.mark.parametrize("loc", [-50.0, -1.0, 0.0, 0.7, 50.0])
def test_the_deterministic_action_is_the_squashed_mean(loc):
    mode = np.asarray(with_output(actor(TWO), [loc, -loc], [0.0, 0.0]).mode(jnp.ones((4, 3))))
    expected = np.asarray(TWO.middle) + np.asarray(TWO.half) * np.tanh([loc, -loc])
    np.testing.assert_allclose(mode, np.broadcast_to(expected, (4, 2)), atol=1e-5)
    assert (mode >= np.float32(TWO.action_low)).all()
    assert (mode <= np.float32(TWO.action_high)).all()


def test_actions_stay_in_asymmetric_boxes():
    for seed in range(3):
        net = actor(TWO, seed)
        obs = 100 * jr.normal(jr.key(seed), (500, 3))
        for action in (net.mode(obs), net.sample(obs, jr.key(9))[0]):
            assert (np.asarray(action) >= np.float32(TWO.action_low)).all()
            assert (np.asarray(action) <= np.float32(TWO.action_high)).all()


@pytest.mark.parametrize(("clip", "size"), [(1e-6, 7.254), (1e-3, 3.8002)])
@pytest.mark.parametrize("edge", [LOW, HIGH])
def test_a_saturated_action_becomes_the_documented_target(clip, size, edge):
    net = with_output(actor(action_clip=clip), [0.3], [0.5])
    obs, action = jnp.zeros((2, 3)), jnp.full((2, 1), edge)
    std = math.exp(-5 + 7 * (math.tanh(0.5) + 1) / 2)
    u = size if edge == HIGH else -size
    slope = math.log(HALF) + math.log(4) - 2 * size - 2 * math.log1p(math.exp(-2 * size))
    expected = -0.5 * ((u - 0.3) / std) ** 2 - math.log(std) - 0.5 * math.log(2 * math.pi) - slope
    np.testing.assert_allclose(np.asarray(net.log_prob(obs, action)), expected, rtol=1e-2)
    grads = eqx.filter_grad(lambda n: n.log_prob(obs, action).sum())(net)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
    grad = eqx.filter_grad(lambda n: n.log_prob(obs, action).mean())(net).mlp.biases[-1][0]
    assert float(grad) == pytest.approx((u - 0.3) / std**2, rel=1e-2)  # d log N / d loc


def test_actions_beyond_the_box_count_as_its_edge():
    net = actor()
    inside = net.log_prob(jnp.zeros((1, 3)), jnp.full((1, 1), HIGH))
    beyond = net.log_prob(jnp.zeros((1, 3)), jnp.full((1, 1), HIGH + 1e-4))
    np.testing.assert_array_equal(inside, beyond)


def test_the_log_slope_is_exact_for_any_size():
    u = np.concatenate([np.linspace(-100, 100, 401), np.linspace(-0.01, 0.01, 11)])
    size = np.abs(u)
    reference = np.log(HALF) + np.log(4) - 2 * size - 2 * np.log1p(np.exp(-2 * size))
    zeros = jnp.zeros((len(u), 1))  # of the noise and the log standard deviation
    density = np.asarray(actor()._log_density(zeros, zeros, jnp.asarray(u[:, None], jnp.float32)))
    np.testing.assert_allclose(-density - 0.5 * np.log(2 * np.pi), reference, rtol=1e-5, atol=2e-6)


def test_log_std_stays_in_its_range():
    net = actor(log_std_min=-3.0, log_std_max=0.5)
    for raw in (-40.0, 0.0, 40.0):
        _, log_std = with_output(net, [0.0], [raw]).gaussian(jnp.zeros((1, 3)))
        assert float(log_std[0, 0]) == pytest.approx(-3.0 + 3.5 * (math.tanh(raw) + 1) / 2, abs=1e-5)


def test_the_policy_normalises_raw_observations():
    normalizer = Normalizer(jnp.array([1.0, 2.0, 3.0]), jnp.array([2.0, 4.0, 0.5]))
    policy, obs = Policy(normalizer, actor(TWO)), jr.normal(jr.key(0), (5, 3))
    x = (obs - normalizer.mean[None]) / normalizer.std[None]
    np.testing.assert_array_equal(policy.act(obs, jr.key(0), "mode"), policy.actor.mode(x))
    np.testing.assert_array_equal(policy.act(obs, jr.key(3), "sample"), policy.actor.sample(x, jr.key(3))[0])
    action = policy.actor.mode(x)
    np.testing.assert_array_equal(policy.log_prob(obs, action), policy.actor.log_prob(x, action))
