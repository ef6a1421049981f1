import math

import jax.numpy as jnp
import numpy as np
import pytest

from imitax.choices.temperature import LogScalar, Temperature, temperature_loss, usual_entropy
from imitax.errors import ConfigError
from imitax.learner import OptimizerConfig
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec


def test_a_fixed_temperature_stays():
    choice = Temperature("fixed", initial=0.2)
    learner = choice.create()
    after = choice.update(learner, jnp.full(4, -100.0), jnp.ones(4), Spec.flat(1, (-1.0, -1.0), (1.0, 1.0)))
    assert float(after.net()) == float(learner.net()) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("half", "aim"), [((1.0, 1.0), -2.0), ((0.5, 4.0), -2 + math.log(2)), ((0.1,), -1 + math.log(0.1))]
)
def test_tuning_moves_the_temperature_towards_the_target_entropy(half, aim):
    choice = Temperature("tuned", initial=0.5, lr=1e-2)
    box = Spec.flat(1, tuple(-h for h in half), half)
    for offset, direction in ((-0.1, 1), (0.1, -1)):
        learner = choice.update(choice.create(), jnp.full(8, aim + offset), jnp.ones(8), box)
        assert np.sign(float(learner.net()) - 0.5) == direction
        assert float(learner.net.value) == pytest.approx(
            math.log(0.5) + direction * 1e-2, abs=1e-5
        )  # Adam's first step
    given = Temperature("tuned", initial=0.5, target_entropy=1.0)
    assert float(given.update(given.create(), jnp.full(8, 0.9), jnp.ones(8), box).net()) > 0.5


def test_the_target_entropy_of_a_finite_set_is_a_share_of_the_largest():
    spec = Spec(ObservationSpace((Leaf((1,)),)), FiniteActions((3, 2), (0, 0), (2,)))
    assert float(usual_entropy(spec)) == pytest.approx(0.4 * math.log(6))


def test_temperature_loss_by_hand():
    net = Temperature(initial=2.0).create().net
    loss, _ = temperature_loss(net, jnp.array([1.0, 3.0]), jnp.ones(2), -1.0)
    assert float(loss) == pytest.approx(2 * 3.0, rel=1e-6)
    loss, _ = temperature_loss(net, jnp.array([1.0, 3.0, 99.0]), jnp.array([1.0, 1.0, 0.0]), -1.0)
    assert float(loss) == pytest.approx(2 * 3.0, rel=1e-6)  # the absorbing state is left out


def test_a_trained_positive_number():
    learner = LogScalar.learner(0.25, 1e-2)
    assert float(learner.net()) == pytest.approx(0.25)
    assert learner.optimizer == OptimizerConfig(lr=1e-2)
    down, _ = learner.descend(lambda net: (net(), {}))
    assert float(down.net.value) == pytest.approx(math.log(0.25) - 1e-2, abs=1e-5)  # Adam's first step


@pytest.mark.parametrize("initial", [0.0, -1.0])
def test_bad_values(initial):
    with pytest.raises(ConfigError, match=r"temperature\.initial must be positive"):
        Temperature(initial=initial)
