import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.choices.discrimination import Discrimination, RewardHead
from imitax.errors import ConfigError

EXPERT, LEARNER = jnp.array([2.0, -1.0]), jnp.array([0.0, -3.0])
"""Logits."""


def softplus(x):
    return math.log1p(math.exp(x))


BCE = (softplus(-2) + softplus(1)) / 2 + (softplus(0) + softplus(-3)) / 2
SMOOTH = (0.9 * softplus(-2) + 0.1 * softplus(2) + 0.9 * softplus(1) + 0.1 * softplus(-1)) / 2 + (
    0.9 * softplus(0) + 0.1 * softplus(0) + 0.9 * softplus(-3) + 0.1 * softplus(3)
) / 2
UNLABELLED = (softplus(0) + softplus(-3)) / 2 - 0.2 * (softplus(2) + softplus(-1)) / 2


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        (Discrimination("bce"), BCE),
        (Discrimination("bce", smoothing=0.1), SMOOTH),
        (Discrimination("linear"), -1.5 - 0.5),
        (Discrimination("least_squares"), (1 + 4) / 2 + (1 + 4) / 2),
        (Discrimination("pu", prior=0.2), 0.2 * (softplus(-2) + softplus(1)) / 2 + UNLABELLED),
        (Discrimination("pu", prior=0.5), 0.5 * (softplus(-2) + softplus(1)) / 2),  # where the risk would be negative
    ],
)
def test_losses_by_hand(choice, value):
    assert UNLABELLED > 0 > (softplus(0) + softplus(-3)) / 2 - 0.5 * (softplus(2) + softplus(-1)) / 2
    assert float(choice.of_logits(EXPERT, LEARNER)) == pytest.approx(value, rel=1e-5)
    loss, _ = choice(lambda x: x[:, 0], EXPERT[:, None], LEARNER[:, None], jr.key(0))
    assert float(loss) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    "choice",
    [
        Discrimination("bce"),
        Discrimination("bce", smoothing=0.1),
        Discrimination("linear"),
        Discrimination("least_squares"),
        Discrimination("pu", prior=0.2),
        Discrimination("pu", prior=0.9),  # where the risk would be negative
    ],
)
def test_whole_weights_are_repeated_examples(choice):
    expert, learner = jnp.array([2.0, -1.0, 0.5]), jnp.array([0.0, -3.0, 1.0])
    times = jnp.array([4, 2, 0]), jnp.array([1, 3, 2])
    repeated = choice.of_logits(jnp.array([2.0, 2, 2, 2, -1, -1]), jnp.array([0.0, -3, -3, -3, 1, 1]))
    for scale in (1.0, 0.01):  # weights are shares
        weights = tuple(t * scale for t in times)
        assert float(choice.of_logits(expert, learner, weights)) == pytest.approx(float(repeated), rel=1e-5)
        loss, metrics = choice(lambda x: x[:, 0], expert[:, None], learner[:, None], jr.key(0), weights)
        assert float(loss) == pytest.approx(float(repeated), rel=1e-5)
        assert float(metrics["logit_expert"]) == 0.5  # of those that count, alike
    plain = float(choice.of_logits(expert, learner))
    assert abs(plain - float(repeated)) > 0.01
    assert float(choice.of_logits(expert, learner, (jnp.ones(3), jnp.ones(3)))) == pytest.approx(plain, rel=1e-6)


def test_examples_of_weight_zero_enter_no_metric():
    """Logits 2, -1, 9 of the expert, whose last does not count, and 0, -3, 1 of the learner, whose first does not."""
    weights = jnp.array([1.0, 0.5, 0.0]), jnp.array([0.0, 0.5, 0.25])
    expert, learner = jnp.array([2.0, -1.0, 9.0]), jnp.array([0.0, -3.0, 7.0])
    _, metrics = Discrimination()(lambda x: x[:, 0], expert[:, None], learner[:, None], jr.key(0), weights)
    known = {"logit_expert": 0.5, "logit_learner": 2.0, "accuracy": 1.0, "saturation": 0.25}
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(known)


def test_weighted_sums_divided_by_examples():
    """A logit of 1 along 100 discounted steps: the sum of weights is 63.4, so that the loss is 1.58 times smaller."""
    weight = 0.99 ** jnp.arange(100.0)
    by_weights, by_examples = (
        float(Discrimination("linear", weighted_mean=of).of_logits(jnp.ones(100), jnp.zeros(100), (weight, weight)))
        for of in ("weights", "examples")
    )
    assert by_weights == pytest.approx(-1, rel=1e-5)
    assert by_examples == pytest.approx(-(1 - 0.99**100) / (1 - 0.99) / 100, rel=1e-5)
    assert by_weights / by_examples == pytest.approx(1.577, abs=1e-3)
    unweighted = Discrimination("linear", weighted_mean="examples").of_logits(EXPERT, LEARNER)
    assert float(unweighted) == pytest.approx(-2)


def test_mixup_by_hand():
    """Inputs and labels are mixed with one share an example; a pair of equal labels would not notice."""
    key, w = jr.key(3), np.array([1.0, -2.0], np.float32)
    expert, learner = np.array([[1.0, 0.5], [2.0, -1.0]], np.float32), np.array([[0.0, 1.0], [-1.0, 1.0]], np.float32)
    loss, metrics = Discrimination("mixup")(
        lambda x: x @ jnp.asarray(w), jnp.asarray(expert), jnp.asarray(learner), key
    )
    share = np.asarray(jr.uniform(key, (2,)))
    h = (share[:, None] * expert + (1 - share[:, None]) * learner) @ w
    parts = [s * softplus(-x) + (1 - s) * softplus(x) for s, x in zip(share, h, strict=True)]
    assert float(loss) == pytest.approx(np.mean(parts), rel=1e-5)
    assert float(metrics["logit_expert"]) == pytest.approx(float((expert @ w).mean()), rel=1e-6)


def test_metrics_by_hand():
    expert, learner = jnp.array([5.0, 0.0, 1.0, 4.59]), jnp.array([-4.7, 1.0, 0.0, 4.58])
    _, metrics = Discrimination()(lambda x: x[:, 0], expert[:, None], learner[:, None], jr.key(0))
    assert {k: float(v) for k, v in metrics.items()} == pytest.approx(
        {"logit_expert": 10.59 / 4, "logit_learner": 0.88 / 4, "accuracy": 0.75, "saturation": 2 / 8}, rel=1e-5
    )


@pytest.mark.parametrize("kind", ["bce", "linear", "least_squares", "mixup", "pu"])
def test_losses_want_the_expert_high(kind):
    x = jnp.ones((4, 1))

    def loss(bias):
        return Discrimination(kind, prior=0.1)(lambda x: x[:, 0] * bias, x, -x, jr.key(0))[0]

    assert float(jax.grad(loss)(0.1)) < 0


def test_the_best_logit_is_the_log_density_ratio():
    """At two points with known densities the cross-entropy is stationary at h = log(rho_E / rho_learner)."""
    points = {"expert": [3, 1], "learner": [1, 3]}  # counts of points 0 and 1
    expert, learner = (jnp.repeat(jnp.eye(2), jnp.array(n), axis=0) for n in points.values())
    h = jnp.log(jnp.array([3.0, 1 / 3]))

    def loss(kind, h):
        return Discrimination(kind)(lambda x: x @ h, expert, learner, jr.key(0))[0]

    np.testing.assert_allclose(jax.grad(lambda h: loss("bce", h))(h), [0, 0], atol=1e-6)
    best = jnp.array([(3 - 1) / 4, (1 - 3) / 4])  # (rho_E - rho_learner) / (rho_E + rho_learner)
    np.testing.assert_allclose(jax.grad(lambda h: loss("least_squares", h))(best), [0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("logit", [-2.0, 0.0, 3.0]),
        ("gail", [softplus(-2), math.log(2), softplus(3)]),
        ("log_d", [-softplus(2), -math.log(2), -softplus(-3)]),
        ("fairl", [2 * math.exp(-2), 0.0, -10.0]),
    ],
)
def test_heads_by_hand(kind, values):
    np.testing.assert_allclose(RewardHead(kind)(jnp.array([-2.0, 0.0, 3.0])), values, rtol=1e-5)


def test_signs_and_order_of_the_heads():
    h = jnp.linspace(-60, 60, 241)
    rewards = {kind: np.asarray(RewardHead(kind)(h)) for kind in ("logit", "gail", "log_d", "fairl")}
    assert all(np.isfinite(r).all() for r in rewards.values())
    assert (rewards["gail"] >= 0).all()
    assert (rewards["log_d"] <= 0).all()
    np.testing.assert_allclose(rewards["gail"] + rewards["log_d"], rewards["logit"], rtol=1e-5, atol=1e-5)
    for kind in ("logit", "gail", "log_d"):
        assert (np.diff(rewards[kind]) >= 0).all()
    assert float(h[rewards["fairl"].argmax()]) == -1.0
    assert rewards["fairl"].max() == pytest.approx(math.exp(-1), rel=1e-5)
    assert np.abs(rewards["fairl"]).max() == 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discrimination(smoothing=0.5), r"smoothing must lie in \[0, 0.5\), got 0.5"),
        (lambda: Discrimination(smoothing=-0.1), "smoothing must lie"),
        (lambda: Discrimination("linear", smoothing=0.1), "smoothing is for kind bce; linear has no labels to smooth"),
        (lambda: Discrimination("pu", prior=0.0), r"prior must lie in \(0, 1\), got"),
        (lambda: Discrimination("pu", prior=1.0), r"prior must lie in \(0, 1\), got"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
