import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.choices.policy_update import sac_policy_loss
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature, temperature_loss
from imitax.choices.terminal import Terminal
from imitax.choices.weight_penalty import l2
from imitax.errors import ConfigError
from imitax.networks import MLP, Critic, CriticConfig, PolicyConfig, TanhGaussian
from imitax.types import Spec


def test_squared_and_huber_known_values():
    error = jnp.array([-3.0, -1.0, 0.0, 0.5, 2.0])
    np.testing.assert_allclose(TdLoss()(error), [9, 1, 0, 0.25, 4])
    np.testing.assert_allclose(TdLoss("huber", delta=1.0)(error), [5, 1, 0, 0.25, 3])
    np.testing.assert_allclose(TdLoss("huber", delta=2.0)(error), [8, 1, 0, 0.25, 4])


def test_huber_is_smooth_and_tends_to_squared():
    error = jnp.linspace(-20, 20, 101)
    np.testing.assert_allclose(TdLoss("huber", delta=1e3)(error), error**2, rtol=1e-6)
    slope = jax.vmap(jax.grad(TdLoss("huber", delta=2.0)))(jnp.array([-9.0, -1.0, 0.0, 1.999, 2.001, 9.0]))
    np.testing.assert_allclose(slope, [-4, -2, 0, 3.998, 4, 4], rtol=1e-5)


def test_value_clip():
    v = jnp.array([-7.0, 1.0, 9.0])
    np.testing.assert_array_equal(TdLoss().clip(v), v)
    np.testing.assert_array_equal(TdLoss(value_clip=5.0).clip(v), [-5, 1, 5])


def test_terminal_states():
    v, ended = jnp.array([2.0, 3.0]), jnp.array([False, True])
    np.testing.assert_array_equal(Terminal("mask").next_value(v, ended), [2, 0])
    np.testing.assert_array_equal(Terminal("none").next_value(v, ended), [2, 3])
    np.testing.assert_array_equal(Terminal("mask").next_value(v, ended, 100.0), [2, 0])


def test_mask_stops_what_is_not_finite():
    v, ended = jnp.array([jnp.inf]), jnp.array([True])
    np.testing.assert_array_equal(Terminal("mask").next_value(v, ended), [0.0])


def test_a_fixed_temperature_stays():
    choice = Temperature("fixed", initial=0.2)
    learner = choice.create()
    after = choice.update(learner, jnp.full(4, -100.0), jnp.ones(4), jnp.ones(2))
    assert float(after.net()) == float(learner.net()) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("half", "aim"), [((1.0, 1.0), -2.0), ((0.5, 4.0), -2 + math.log(2)), ((0.1,), -1 + math.log(0.1))]
)
def test_tuning_moves_the_temperature_towards_the_target_entropy(half, aim):
    choice = Temperature("tuned", initial=0.5, lr=1e-2)
    box = jnp.array(half)
    for offset, direction in ((-0.1, 1), (0.1, -1)):
        learner = choice.update(choice.create(), jnp.full(8, aim + offset), jnp.ones(8), box)
        assert np.sign(float(learner.net()) - 0.5) == direction
        assert float(learner.net.value) == pytest.approx(
            math.log(0.5) + direction * 1e-2, abs=1e-5
        )  # Adam's first step
    given = Temperature("tuned", initial=0.5, target_entropy=1.0)
    assert float(given.update(given.create(), jnp.full(8, 0.9), jnp.ones(8), box).net()) > 0.5


def test_temperature_loss_by_hand():
    net = Temperature(initial=2.0).create().net
    loss, _ = temperature_loss(net, jnp.array([1.0, 3.0]), jnp.ones(2), -1.0)
    assert float(loss) == pytest.approx(2 * 3.0, rel=1e-6)
    loss, _ = temperature_loss(net, jnp.array([1.0, 3.0, 99.0]), jnp.array([1.0, 1.0, 0.0]), -1.0)
    assert float(loss) == pytest.approx(2 * 3.0, rel=1e-6)  # the absorbing state is left out


def test_l2_by_hand_and_its_gradient():
    net = MLP((2, 3, 1), key=jr.key(0))
    leaves = jax.tree.leaves(eqx.filter(net, eqx.is_inexact_array))
    assert len(leaves) == 4  # two weights, two biases
    assert float(l2(net)) == pytest.approx(sum(float((np.asarray(p) ** 2).sum()) for p in leaves) / 2, rel=1e-6)
    for g, p in zip(jax.tree.leaves(eqx.filter_grad(l2)(net)), leaves, strict=True):
        np.testing.assert_allclose(g, p, rtol=1e-6)


def test_the_policy_loss_by_hand():
    spec = Spec(3, 2, (-1.0, -1.0), (1.0, 2.0))
    actor = TanhGaussian(spec, PolicyConfig(hidden=(8,)), key=jr.key(0))
    critic = Critic(spec, CriticConfig(hidden=(8,), members=3), key=jr.key(1))
    obs = jr.normal(jr.key(2), (6, 3))
    loss, metrics = sac_policy_loss(actor, critic, obs, jnp.ones(6), jnp.asarray(0.3), jr.key(3))
    action, logp = actor.sample(obs, jr.key(3))
    q = np.asarray(critic(obs, action)).min(0)
    assert float(loss) == pytest.approx(float((0.3 * np.asarray(logp) - q).mean()), rel=1e-5)
    np.testing.assert_allclose(metrics["entropy"], -logp)
    real = np.array([1, 1, 0, 1, 0, 1], np.float32)  # the absorbing state is left out
    loss, _ = sac_policy_loss(actor, critic, obs, jnp.asarray(real), jnp.asarray(0.3), jr.key(3))
    assert float(loss) == pytest.approx(float((0.3 * np.asarray(logp) - q)[real > 0].mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TdLoss(delta=0.0), "delta"),
        (lambda: TdLoss("huber", delta=-1.0), "delta"),
        (lambda: TdLoss(value_clip=0.0), "value_clip"),
        (lambda: TdLoss(value_clip=-2.0), "value_clip"),
        (lambda: Temperature(initial=0.0), "initial"),
        (lambda: Temperature(initial=-1.0), "initial"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
