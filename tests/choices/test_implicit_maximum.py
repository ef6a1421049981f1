import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.choices.implicit_maximum import ImplicitMaximum
from imitax.errors import ConfigError


def minimum(choice, q):
    """V that is best for these values of Q, on a grid."""
    grid = jnp.linspace(q.min() - 1, q.max() + 1, 20_001)
    losses = jax.vmap(lambda v: choice(q - v).mean())(grid)
    return float(grid[losses.argmin()])


@pytest.mark.parametrize("tau", [0.5, 0.8, 0.95])
def test_the_expectile_of_a_coin(tau):
    """Of 0 and 1 with equal chances the tau-expectile is tau."""
    assert minimum(ImplicitMaximum(tau=tau), jnp.array([0.0, 1.0])) == pytest.approx(tau, abs=1e-3)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_gumbels_minimum_is_the_soft_maximum(beta):
    q = jnp.array([0.0, 1.0, 2.5])
    expected = beta * np.log(np.exp(np.asarray(q) / beta).mean())
    assert minimum(ImplicitMaximum("gumbel", beta=beta), q) == pytest.approx(expected, abs=1e-3)


def test_gumbel_goes_on_straight_beyond_its_clip():
    choice = ImplicitMaximum("gumbel", clip=2.0)
    x = jnp.array([-1.0, 1.9, 2.0, 2.1, 500.0])
    slope = jax.vmap(jax.grad(choice))(x)
    np.testing.assert_allclose(slope, np.exp(np.minimum(x, 2.0)) - 1, rtol=1e-4)
    assert np.isfinite(choice(x)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"tau": 0.3}, "tau must lie"), ({"tau": 1.0}, "tau must lie"), ({"beta": 0.0}, "beta must be positive")],
)
def test_bad_values_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        ImplicitMaximum(**change)
