import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.choices.td_loss import TdLoss, within_rewards
from imitax.errors import ConfigError


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


def test_learned_values_are_clipped_where_asked():
    q = jnp.array([-7.0, 1.0, 9.0])
    np.testing.assert_array_equal(TdLoss(value_clip=5.0).learned(q), q)
    clipped = TdLoss(value_clip=5.0, clip_learned=True)
    np.testing.assert_array_equal(clipped.learned(q), [-5, 1, 5])
    np.testing.assert_array_equal(jax.grad(lambda q: clipped.learned(q).sum())(q), [0, 1, 0])


def test_targets_stay_within_what_rewards_can_be_worth():
    target, rewards = jnp.array([-50.0, -20.0, 3.0, 10.0, 900.0]), jnp.array([-2.0, 1.0, 0.5])
    np.testing.assert_allclose(within_rewards(target, rewards, 0.9), [-20, -20, 3, 10, 10], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TdLoss(delta=0.0), "td_loss.delta must be positive, got 0.0"),
        (lambda: TdLoss("huber", delta=-1.0), "td_loss.delta must be positive"),
        (lambda: TdLoss(value_clip=0.0), "td_loss.value_clip must be positive"),
        (lambda: TdLoss(value_clip=-2.0), "td_loss.value_clip must be positive"),
        (lambda: TdLoss(clip_learned=True), "td_loss.clip_learned needs a bound: give td_loss.value_clip"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
