"""The categorical policy against probabilities worked out by hand."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.networks import Categorical, PolicyConfig, TanhGaussian, policy_head
from imitax.networks.choices import Choices
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec

SPACE = FiniteActions((2, 3), (0, 0), (2,))
SPEC = Spec(ObservationSpace((Leaf((2,)),)), SPACE)
LOGITS = np.array([0.5, -0.5, 1.0, 0.0, -1.0])
P = [np.exp(x) / np.exp(x).sum() for x in (LOGITS[:2], LOGITS[2:])]


@pytest.fixture(scope="module")
def actor():
    net = Categorical(SPEC, PolicyConfig(hidden=(4,)), key=jr.key(0))
    last = (jnp.zeros_like(net.mlp.weights[-1]), jnp.asarray(LOGITS, jnp.float32).reshape(net.mlp.biases[-1].shape))
    return eqx.tree_at(lambda n: (n.mlp.weights[-1], n.mlp.biases[-1]), net, last)


OBS = jnp.ones((3, 2))


def test_log_probabilities_of_data_actions(actor):
    action = jnp.asarray(SPACE.encode(np.array([[0, 0], [1, 2], [0, 1]])))
    expected = np.log([P[0][0] * P[1][0], P[0][1] * P[1][2], P[0][0] * P[1][1]])
    np.testing.assert_allclose(actor.log_prob(OBS, action), expected, rtol=1e-5)
    np.testing.assert_array_equal(actor.log_prob(OBS, jnp.zeros((3, 5))), 0)  # the absorbing state's


def test_choices_are_all_joint_actions_with_their_probabilities(actor):
    choices = actor.choices(OBS, jr.key(1))
    joint = np.outer(*P).ravel()
    np.testing.assert_array_equal(choices.action[:, 0], SPACE.joint())
    np.testing.assert_allclose(choices.weight, np.repeat(joint[:, None], 3, 1), rtol=1e-5)
    np.testing.assert_allclose(np.exp(choices.log_prob), choices.weight, rtol=1e-6)
    values = jnp.arange(6.0)[:, None] + jnp.array([0.0, 10.0, 20.0])[None]  # [M B]
    np.testing.assert_allclose(choices.mean(values), joint @ np.arange(6) + np.array([0, 10, 20]), rtol=1e-5)
    np.testing.assert_array_equal(choices.drawn.sum(-1), 2)  # one value of each factor
    entropy = -sum((p * np.log(p)).sum() for p in P)
    np.testing.assert_allclose(-choices.mean(choices.log_prob), entropy, rtol=1e-5)


def test_the_absorbing_state_has_no_entropy_and_all_actions_alike(actor):
    choices = actor.choices(OBS, jr.key(1))
    absorbed = choices.absorbed(jnp.array([False, True, False]))
    np.testing.assert_allclose(absorbed.weight[:, 1], 1 / 6)
    np.testing.assert_array_equal(absorbed.weight[:, 0], choices.weight[:, 0])
    assert not absorbed.action[:, 1].any()
    assert not absorbed.log_prob[:, 1].any()
    assert not absorbed.drawn[1].any()


def test_samples_have_the_probabilities_and_the_mode_is_the_likeliest(actor):
    action, logp = actor.sample(jnp.ones((20_000, 2)), jr.key(2))
    np.testing.assert_allclose(np.asarray(action).mean(0), np.concatenate(P), atol=0.015)
    np.testing.assert_allclose(logp, actor.log_prob(jnp.ones((20_000, 2)), action), rtol=1e-5)
    np.testing.assert_array_equal(SPACE.decode(actor.mode(OBS)), [[0, 0]] * 3)


def test_the_head_fits_the_actions():
    assert isinstance(policy_head(SPEC, PolicyConfig(hidden=(4,)), key=jr.key(0)), Categorical)
    assert isinstance(policy_head(Spec.flat(2, (-1.0,), (1.0,)), PolicyConfig((4,)), key=jr.key(0)), TanhGaussian)


def test_the_loss_that_follows_values_has_its_minimum_at_their_softmax(actor):
    q, alpha = np.array([0.3, -1.0, 0.5, 2.0, 0.0, -0.2]), 0.7
    share = np.exp(q / alpha) / np.exp(q / alpha).sum()
    choices, values = actor.choices(OBS, jr.key(1)), jnp.asarray(np.repeat(q[:, None], 3, 1), jnp.float32)
    loss = choices.climb(values, jnp.asarray(alpha))
    np.testing.assert_allclose(loss, -(share * np.log(np.outer(*P).ravel())).sum(), rtol=1e-5)
    exact = choices._replace(log_prob=jnp.asarray(np.repeat(np.log(share)[:, None], 3, 1), jnp.float32))
    assert (np.asarray(exact.climb(values, jnp.asarray(alpha))) < np.asarray(loss)).all()
    sample = choices._replace(log_prob=choices.log_prob[:1], weight=None)  # as of a Gaussian
    expected = alpha * np.asarray(choices.log_prob)[0] - q[0]
    np.testing.assert_allclose(sample.climb(values[:1], jnp.asarray(alpha)), expected, rtol=1e-5)


def test_a_regression_finds_the_mean_of_values_with_noise():
    """The cross-entropy finds the mean of what is best: a third of the time the worse action."""
    q, alpha = np.array([1.0, 0.0]), 0.5
    noise = np.random.default_rng(0).normal(size=(2, 20_000))
    noise -= noise.mean(1, keepdims=True)
    values, steps = jnp.asarray(q[:, None] + noise, jnp.float32), jnp.zeros((2, 1))

    def loss(logits, kind):
        log_prob = jnp.broadcast_to(jax.nn.log_softmax(logits, axis=0), values.shape)
        choices = Choices(jnp.zeros((*values.shape, 2)), log_prob, jnp.exp(log_prob), jnp.zeros((20_000, 2)))
        return choices.climb(values, jnp.asarray(alpha), kind).mean()

    found = {}
    for kind in ("cross_entropy", "regression"):
        logits, slope = steps, jax.jit(jax.grad(partial(loss, kind=kind)))
        for _ in range(200):
            logits = logits - 5 * slope(logits)
        found[kind] = float((logits[0] - logits[1])[0])
    assert found["regression"] == pytest.approx(1 / alpha, rel=1e-3)
    assert found["cross_entropy"] < 0.8 / alpha


def test_what_is_far_behind_is_cut_off():
    """The slope in a logit is at most about 1, however far values are apart."""
    values = jnp.array([[0.0], [-3e5], [-1.0]])

    def loss(logits):
        log_prob = jax.nn.log_softmax(logits, axis=0)
        choices = Choices(jnp.zeros((3, 1, 3)), log_prob, jnp.exp(log_prob), jnp.zeros((1, 3)))
        return choices.climb(values, jnp.asarray(0.01), "regression").sum()

    np.testing.assert_allclose(jax.grad(loss)(jnp.zeros((3, 1)))[:, 0] * 20, [-40 / 3, 20 / 3, 20 / 3], rtol=1e-5)
    assert float(loss(jnp.array([[0.0], [-20.0], [-20.0]]))) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("alpha", [1.0, 1e-7, 1e-12])
def test_a_tiny_temperature_leaves_the_slope_a_number(alpha):
    """`Q / alpha - max` in one fused operation is not exactly 0 at the maximum: its exponential was infinite."""
    values = 150 * jr.normal(jr.key(0), (4, 256))

    def loss(logits, alpha):
        log_prob = jax.nn.log_softmax(logits, axis=0)
        choices = Choices(jnp.zeros((4, 256, 4)), log_prob, jnp.exp(log_prob), jnp.zeros((256, 4)))
        return choices.climb(values, alpha).sum()

    lowered = jax.jit(jax.grad(loss)).lower(jnp.zeros((4, 256)), jnp.float32(alpha))
    optimised = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}  # as outside of the tests
    slope = lowered.compile(compiler_options=optimised)(jnp.zeros((4, 256)), jnp.float32(alpha))
    exact = np.asarray(values, np.float64)
    share = np.exp((exact - exact.max(0)) / alpha)
    np.testing.assert_allclose(slope, 0.25 - share / share.sum(0), atol=1e-4)
