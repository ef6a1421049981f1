import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig, growing_average, polyak


class Pair(eqx.Module):
    a: object
    b: object
    name: str = eqx.field(static=True, default="pair")


def pair(a, b):
    return Pair(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))


def linear(net, ga, gb):
    """A loss whose gradient is (ga, gb), whatever the parameters."""
    return (net.a * ga).sum() + (net.b * gb).sum(), {"known": jnp.asarray(7.0)}


def test_two_adam_steps_by_hand():
    cfg = OptimizerConfig(lr=0.1, beta1=0.9, beta2=0.99, epsilon=1e-3)
    learner = Learner.create(pair([1.0, -2.0], 0.5), cfg)
    p, m, v = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.zeros(3)
    for t, g in enumerate([[2.0, -0.5, 0.1], [-1.0, -0.5, 0.0]], 1):
        g = np.array(g)
        learner, metrics = learner.descend(linear, jnp.asarray(g[:2], jnp.float32), jnp.asarray(g[2], jnp.float32))
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        p = p - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-3)
        np.testing.assert_allclose(np.r_[learner.net.a, learner.net.b], p, rtol=1e-5)
    assert float(metrics["known"]) == 7.0


def test_steps_change_no_type():
    before = Learner.create(Pair(jnp.full(2, 0.5), jnp.asarray(1.0)), OptimizerConfig())
    after, _ = before.descend(linear, 1.0, 1.0)
    types = [jax.tree.map(jax.typeof, eqx.filter(learner, eqx.is_array)) for learner in (before, after)]
    assert types[0] == types[1]
    assert not before.net.a.weak_type


@pytest.mark.parametrize("end", [0.02, 0.0, None])
def test_the_learning_rate_follows_half_a_cosine_and_stays(end):
    """On a constant gradient Adam's steps are as large as the rate."""
    learner = Learner.create(pair([0.0], 0.0), OptimizerConfig(lr=0.1, decay_to=end, decay_steps=4, epsilon=1e-12))
    sizes = []
    for _ in range(7):
        before = float(learner.net.b)
        learner, _ = learner.descend(linear, jnp.array([3.0]), jnp.asarray(-2.0))
        sizes.append(float(learner.net.b) - before)
    shares = [1, (2 + np.sqrt(2)) / 4, 1 / 2, (2 - np.sqrt(2)) / 4, 0, 0, 0]
    low = 0.1 if end is None else end
    np.testing.assert_allclose(sizes, [low + (0.1 - low) * share for share in shares], rtol=1e-4, atol=1e-6)


def moment(learner):
    """Adam's first moment after one step is a tenth of the gradient that it was given."""
    state = next(s for s in learner.opt_state if hasattr(s, "mu"))
    return np.r_[state.mu.a, state.mu.b] * 10


@pytest.mark.parametrize(("clip", "factor"), [(None, 1.0), (10.0, 1.0), (1.0, 0.2)])
def test_the_clip_is_on_the_global_norm(clip, factor):
    learner = Learner.create(pair([0.0], [0.0]), OptimizerConfig(clip=clip))
    learner, _ = learner.descend(linear, jnp.array([3.0]), jnp.array([-4.0]))
    np.testing.assert_allclose(moment(learner), factor * np.array([3.0, -4.0]), rtol=1e-5)


def test_decoupled_decay_is_not_the_coupled_penalty():
    decay, lr = 0.1, 0.01
    net = pair([2.0, -4.0], [10.0])
    zero = (jnp.zeros(2), jnp.zeros(1))
    decoupled, _ = Learner.create(net, OptimizerConfig(lr=lr, weight_decay=decay)).descend(linear, *zero)
    np.testing.assert_allclose(
        np.r_[decoupled.net.a, decoupled.net.b], np.array([2, -4, 10]) * (1 - lr * decay), rtol=1e-6
    )

    def penalty(net):
        return decay * ((net.a**2).sum() + (net.b**2).sum()) / 2, {}

    coupled, _ = Learner.create(net, OptimizerConfig(lr=lr)).descend(
        penalty
    )  # Adam's step is the sign: lr, whatever the size
    np.testing.assert_allclose(
        np.r_[coupled.net.a, coupled.net.b], np.array([2, -4, 10]) - lr * np.array([1, -1, 1]), rtol=1e-5
    )


def test_polyak_by_hand():
    target = polyak(pair([1.0, 2.0], 3.0), pair([3.0, 2.0], -1.0), 0.25)
    np.testing.assert_allclose(np.r_[target.a, target.b], [1.5, 2.0, 2.0])
    assert target.name == "pair"
    assert eqx.tree_equal(polyak(target, pair([9.0, 9.0], 9.0), 0.0), target)


def test_a_growing_average_by_hand():
    """Until share * updates is 1 it is the network as it is, then a moving average over that many updates."""
    average, online = pair([1.0, 2.0], 3.0), pair([3.0, 2.0], -1.0)
    for share, updates, expected in ((0.5, 8, [1.5, 2.0, 2.0]), (0.1, 5, [3, 2, -1]), (0.0, 1000, [3, 2, -1])):
        new = growing_average(average, online, share, jnp.asarray(updates))
        np.testing.assert_allclose(np.r_[new.a, new.b], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1e-3}, "optimizer.lr must not be negative"),
        ({"weight_decay": -1.0}, "optimizer.weight_decay must not be negative"),
        ({"beta2": 1.0}, r"optimizer.beta2 must lie in \[0, 1\)"),
        ({"epsilon": 0.0}, "optimizer.epsilon must be positive"),
        ({"clip": 0.0}, "optimizer.clip must be positive"),
        ({"decay_to": 1.0}, r"optimizer.decay_to must lie in 0 to lr \(0.0003\)"),
        ({"lr": 0.0, "decay_to": 0.0}, r"optimizer.decay_to must lie in 0 to lr \(0.0\), which must be positive"),
        ({"decay_to": 1e-5, "decay_steps": 0}, "optimizer.decay_steps must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        OptimizerConfig(**change)
