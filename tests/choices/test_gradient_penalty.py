from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from imitax.choices.gradient_penalty import GradientPenalty, gradient_norm
from imitax.errors import ConfigError
from imitax.networks import MLP, Normalizer
from imitax.spaces import Leaf, ObservationSpace
from imitax.types import RewardInput


class Points(NamedTuple):
    """Inputs of a function of one observed number and two actions."""

    obs: jax.Array
    action: jax.Array

    @classmethod
    def of(cls, x):
        return cls(x[..., :1], x[..., 1:])

    @property
    def columns(self):
        return jnp.concatenate(self, -1)


W = np.array([3.0, -4.0, 12.0], np.float32)  # l2 norm 13, linf norm 12
KEY = jr.key(0)
rng = np.random.default_rng(0)
EXPERT, LEARNER = (Points.of(jnp.asarray(rng.normal(size=(5, 3)), jnp.float32)) for _ in range(2))


def linear(x):
    return x.columns @ jnp.asarray(W)


def square(x):
    """Its gradient is x, so that the norm tells where it was taken."""
    return (x.columns**2).sum(-1) / 2


def norms(x):
    return np.linalg.norm(np.asarray(x.columns), axis=1)


@pytest.mark.parametrize(
    ("kind", "margin", "norm", "value"),
    [
        ("hinge", 1.0, "l2", 12.0**2),
        ("hinge", 13.0, "l2", 0.0),
        ("hinge", 20.0, "l2", 0.0),
        ("hinge", 2.0, "linf", 10.0**2),
        ("two_sided", 1.0, "l2", 12.0**2),
        ("two_sided", 20.0, "l2", 7.0**2),
        ("two_sided", 20.0, "linf", 8.0**2),
        ("zero", 1.0, "l2", 13.0**2),
        ("zero", 1.0, "linf", 12.0**2),
        ("none", 1.0, "l2", 0.0),
    ],
)
@pytest.mark.parametrize("at", ["mix", "expert", "learner", "both"])
def test_of_a_linear_function(kind, margin, norm, value, at):
    """The gradient of w.x is w, wherever it is taken."""
    choice = GradientPenalty(kind, weight=0.5, margin=margin, at=at, norm=norm)
    penalty, metrics = choice(linear, EXPERT, LEARNER, KEY)
    assert float(penalty) == pytest.approx(0.5 * value, rel=1e-5, abs=1e-6)
    if kind == "none":
        assert metrics == {}
    else:
        assert float(metrics["gradient_norm"]) == pytest.approx(13 if norm == "l2" else 12, rel=1e-5)


def test_where_it_is_taken():
    def zero(at):
        return float(GradientPenalty("zero", weight=1.0, at=at)(square, EXPERT, LEARNER, KEY)[0])

    on_expert, on_learner = (norms(EXPERT) ** 2).mean(), (norms(LEARNER) ** 2).mean()
    assert zero("expert") == pytest.approx(on_expert, rel=1e-5)
    assert zero("learner") == pytest.approx(on_learner, rel=1e-5)
    assert zero("both") == pytest.approx((on_expert + on_learner) / 2, rel=1e-5)
    u = jr.uniform(KEY, (5, 1))  # one position a pair
    mix = norms(Points.of(u * EXPERT.columns + (1 - u) * LEARNER.columns)) ** 2
    assert zero("mix") == pytest.approx(mix.mean(), rel=1e-5)


@pytest.mark.parametrize(("norm", "value"), [("l2", 4.0**2 + 12.0**2), ("linf", 12.0**2)])
def test_of_actions_alone(norm, value):
    choice = GradientPenalty("zero", weight=1.0, norm=norm, inputs="action")
    penalty, _ = choice(linear, EXPERT, LEARNER, KEY)
    assert float(penalty) == pytest.approx(value, rel=1e-5)


def test_of_an_ensemble_is_the_mean_over_its_members():
    """Not the penalty of the mean member: these two are w and -w, whose mean is flat."""
    both = jnp.stack([jnp.asarray(W), -2 * jnp.asarray(W)])

    def ensemble(x):
        x = jnp.broadcast_to(x.columns, (2, *x.columns.shape[-2:]))
        return jnp.einsum("nbd,nd->nb", x, both)

    penalty, metrics = GradientPenalty("hinge", weight=1.0, margin=1.0)(ensemble, EXPERT, LEARNER, KEY)
    assert float(penalty) == pytest.approx((12.0**2 + 25.0**2) / 2, rel=1e-5)
    assert float(metrics["gradient_norm"]) == pytest.approx((13 + 26) / 2, rel=1e-5)


def test_members_of_a_network_ensemble_are_penalised_one_by_one():
    keys = jr.split(jr.key(1), 3)
    nets = [MLP((3, 6, 1), key=k, activation="silu") for k in keys]
    stacked = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *nets)
    choice = GradientPenalty("two_sided", weight=1.0, margin=0.3)
    together, _ = choice(lambda x: stacked(x.columns)[..., 0], EXPERT, LEARNER, KEY)
    alone = [float(choice(lambda x, net=net: net(x.columns)[..., 0], EXPERT, LEARNER, KEY)[0]) for net in nets]
    assert float(together) == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("kind", ["hinge", "two_sided", "zero"])
def test_a_flat_function_has_a_finite_gradient(kind, norm):
    def loss(w):
        choice = GradientPenalty(kind, weight=1.0, margin=0.5, norm=norm)
        return choice(lambda x: x.columns @ w + 1.0, EXPERT, LEARNER, KEY)[0]

    value, slope = jax.value_and_grad(loss)(jnp.zeros(3))
    assert float(value) == pytest.approx(0.25 if kind == "two_sided" else 0.0, abs=1e-5)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("activation", ["relu", "silu", "tanh"])
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("kind", ["hinge", "two_sided", "zero"])
def test_its_gradient_by_finite_differences(kind, norm, activation):
    """Through two derivatives of the network, and the product that has its own."""
    with jax.enable_x64(True):
        net = jax.tree.map(
            lambda x: x.astype(jnp.float64) if eqx.is_inexact_array(x) else x,
            MLP((3, 7, 5, 1), key=jr.key(2), activation=activation),
        )
        params, static = eqx.partition(net, eqx.is_inexact_array)
        flat, unflatten = ravel_pytree(params)
        expert, learner = jax.tree.map(lambda x: x.astype(jnp.float64), (EXPERT, LEARNER))
        choice = GradientPenalty(kind, weight=1.0, margin=0.05, at="both", norm=norm)

        @jax.jit
        def loss(flat):
            net = eqx.combine(unflatten(flat), static)
            return choice(lambda x: net(x.columns)[:, 0], expert, learner, KEY)[0]

        slope = jax.grad(loss)(flat)
        assert np.isfinite(slope).all()
        assert np.abs(slope).max() > 1e-4
        step = 1e-6
        for direction in np.random.default_rng(3).normal(size=(4, len(flat))):
            numeric = (loss(flat + step * direction) - loss(flat - step * direction)) / (2 * step)
            np.testing.assert_allclose(slope @ direction, numeric, rtol=1e-5, atol=1e-8)


def test_the_norm_at_each_point():
    np.testing.assert_allclose(gradient_norm(square, EXPERT, "l2"), norms(EXPERT), rtol=1e-6)
    np.testing.assert_allclose(gradient_norm(square, EXPERT, "linf"), np.abs(EXPERT.columns).max(1), rtol=1e-6)
    actions = np.linalg.norm(EXPERT.action, axis=1)
    np.testing.assert_allclose(gradient_norm(square, EXPERT, "l2", "action"), actions, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradientPenalty(weight=-1.0), "gradient_penalty.weight must not be negative, got -1.0"),
        (lambda: GradientPenalty(margin=-0.1), "margin must not be negative"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("at", ["mix", "expert", "learner", "both"])
def test_examples_of_weight_zero_do_not_count(at):
    """It is the penalty on the others, whatever stands in their rows and however much the others weigh."""
    choice = GradientPenalty("zero", weight=2.0, at=at)
    weights = jnp.array([1.0, 0.0, 0.5, 0.25, 0.0]), jnp.array([0.1, 1.0, 0.0, 3.0, 0.0])
    shown, own = np.asarray(weights[0]) > 0, np.asarray(weights[1]) > 0
    u = jr.uniform(KEY, (5, 1))
    points = {
        "mix": norms(Points.of(u * EXPERT.columns + (1 - u) * LEARNER.columns))[shown & own],
        "expert": norms(EXPERT)[shown],
        "learner": norms(LEARNER)[own],
        "both": np.concatenate([norms(EXPERT)[shown], norms(LEARNER)[own]]),
    }[at]
    penalty, metrics = choice(square, EXPERT, LEARNER, KEY, weights)
    assert float(penalty) == pytest.approx(2 * (points**2).mean(), rel=1e-5)
    assert float(metrics["gradient_norm"]) == pytest.approx(points.mean(), rel=1e-5)
    assert float(choice(square, EXPERT, LEARNER, KEY, (jnp.zeros(5), jnp.zeros(5)))[0]) == 0

    def members(x):
        return jnp.stack([square(x), 3 * square(x)]) if x.action.ndim == 2 else square(x) * jnp.array([[1.0], [3.0]])

    penalty, metrics = choice(members, EXPERT, LEARNER, KEY, weights)
    assert float(penalty) == pytest.approx(2 * 5 * (points**2).mean(), rel=1e-5)
    assert float(metrics["gradient_norm"]) == pytest.approx(2 * points.mean(), rel=1e-5)


def test_of_images_is_that_of_their_scaled_pixels():
    """For f = sum of pixels from 0 to 1 + 3 x, the norm is that of as many ones as there are pixels, and a three."""
    space = ObservationSpace.of({"eye": Leaf((2, 2), "image"), "x": Leaf((1,))})
    eye = jnp.array([[[0, 255], [51, 0]]], jnp.uint8)
    obs = Normalizer.identity(space)({"eye": eye, "x": jnp.ones((1, 1))})
    points = [RewardInput(x, jnp.zeros((1, 1)), jnp.zeros(1), x, jnp.zeros(1)) for x in (obs, obs)]
    seen = []

    def f(x):
        seen.append(x.obs["eye"])
        return x.obs["eye"].sum((1, 2)) + 3 * x.obs["x"][:, 0]

    penalty, _ = GradientPenalty("zero", weight=1.0, at="mix")(f, *points, jr.key(0))
    np.testing.assert_allclose(penalty, 4 + 9, rtol=1e-5)
    np.testing.assert_allclose(f(points[0]), 1 + 0.2 + 3, rtol=1e-6)
    assert {x.dtype for x in seen} == {jnp.float32.dtype}


def test_flags_are_no_direction_of_what_is_observed():
    flag = jr.uniform(KEY, (5,))
    x = RewardInput(EXPERT.obs, EXPERT.action, flag, EXPERT.obs, flag)

    def f(x):
        return 3 * x.obs[:, 0] + 4 * x.next_obs[:, 0] + 12 * x.action[:, 0] + 100 * x.flag - 50 * x.next_flag

    np.testing.assert_allclose(gradient_norm(f, x, "l2", "observed"), 13, rtol=1e-5)
    np.testing.assert_allclose(gradient_norm(f, x, "linf", "observed"), 12, rtol=1e-5)
    np.testing.assert_allclose(gradient_norm(f, x, "linf", "all"), 100, rtol=1e-5)
    np.testing.assert_allclose(gradient_norm(f, x, "l2", "action"), 12, rtol=1e-5)
