import math
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imitax.choices.divergence import EDGE, Divergence
from imitax.errors import ConfigError

KINDS = get_args(Divergence.__annotations__["kind"])
ENDS = {"reverse_kl": 1.0, "hellinger": 1.0, "js": math.log(2), "tv": 0.5}
"""Where the conjugate stops being finite (tv: goes on)."""
U = np.exp(np.linspace(-14, 14, 800_001))
"""Density ratios over which a supremum is taken."""


def values(function, *points):
    return np.asarray(function(jnp.asarray(points, jnp.float32)))


def slopes(function, *points):
    return np.asarray(jax.vmap(jax.grad(function))(jnp.asarray(points, jnp.float32)))


@pytest.mark.parametrize(
    ("kind", "at_half", "at_two"),
    [
        ("chi2", 0.25, 1.0),
        ("kl", 0.5 * math.log(0.5) + 0.5, 2 * math.log(2) - 1),
        ("reverse_kl", -0.5 + math.log(2), 1 - math.log(2)),
        ("js", 0.5 * math.log(0.5) - 1.5 * math.log(0.75), 2 * math.log(2) - 3 * math.log(1.5)),
        ("hellinger", (math.sqrt(0.5) - 1) ** 2, (math.sqrt(2) - 1) ** 2),
        ("tv", 0.25, 0.5),
    ],
)
def test_generators_by_hand(kind, at_half, at_two):
    np.testing.assert_allclose(values(Divergence(kind).f, 0.5, 2.0), [at_half, at_two], rtol=1e-5)
    np.testing.assert_allclose(values(Divergence(kind, scale=3.0).f, 0.5), [3 * at_half], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_generators_are_zero_and_flat_at_one_and_convex(kind):
    f = Divergence(kind).f
    np.testing.assert_allclose(values(f, 1.0), [0.0], atol=1e-7)
    if kind != "tv":  # which has a corner there
        np.testing.assert_allclose(slopes(f, 1.0), [0.0], atol=1e-6)
    assert (values(f, *np.linspace(0.05, 5, 60)) >= -1e-6).all()
    slope = slopes(f, *np.linspace(0.05, 5, 60))
    assert (np.diff(slope) >= -1e-4).all()


@pytest.mark.parametrize("scale", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_conjugate_is_the_supremum(kind, scale):
    """Over a fine grid in double precision."""
    u = np.concatenate([-U[::-1], U]) if kind == "chi2" else U  # chi2's is over all real u
    f = {
        "chi2": lambda: (u - 1) ** 2,
        "kl": lambda: u * np.log(u) - u + 1,
        "reverse_kl": lambda: u - 1 - np.log(u),
        "js": lambda: u * np.log(u) - (1 + u) * np.log((1 + u) / 2),
        "hellinger": lambda: (np.sqrt(u) - 1) ** 2,
        "tv": lambda: np.abs(u - 1) / 2,
    }[kind]()
    last = ENDS.get(kind, 2.5)
    for t in np.array([-3.0, -1.0, -0.3, 0.0, 0.3 * last, 0.9 * last]) * scale:
        supremum = (u * t - scale * f).max()
        assert values(Divergence(kind, scale).conjugate, t)[0] == pytest.approx(supremum, rel=1e-4, abs=1e-5), t


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_concave_is_minus_the_conjugate_mirrored(kind, scale):
    choice = Divergence(kind, scale)
    low = -ENDS.get(kind, 3.0) + (EDGE if kind in ENDS and kind != "tv" else 0)
    r = scale * np.linspace(low, 4, 50)
    np.testing.assert_allclose(values(choice.concave, *r), -values(choice.conjugate, *-r), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "factor"),
    [
        ("chi2", lambda r: 1 - r / 2),
        ("kl", lambda r: np.exp(-r)),
        ("reverse_kl", lambda r: 1 / (1 + r)),
        ("js", lambda r: np.exp(-r) / (2 - np.exp(-r))),
        ("hellinger", lambda r: 1 / (1 + r) ** 2),
        ("tv", lambda r: np.where(r < 0.5, 1.0, 0.0)),
    ],
)
def test_factors_of_iq_learn(kind, factor):
    """What its official code multiplies an expert's temporal difference with: the derivative of phi."""
    r = np.array([-0.6, -0.2, 0.0, 0.4, 1.5, 6.0])
    np.testing.assert_allclose(slopes(Divergence(kind).concave, *r), factor(r), rtol=1e-3, atol=1e-6)


def test_chi2_is_iq_learns_quadratic():
    r = np.array([-4.0, 0.0, 1.0, 5.0])
    np.testing.assert_allclose(values(Divergence("chi2", scale=0.5).concave, *r), r - r**2 / 2, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_concave_everywhere_and_finite(kind, scale):
    r = np.linspace(-50, 50, 1001) if kind != "kl" else np.linspace(-20, 50, 701)
    phi = Divergence(kind, scale).concave
    value, slope = values(phi, *r), slopes(phi, *r)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert (np.diff(slope) <= 1e-5 * np.abs(slope[1:]) + 1e-6).all()
    assert (slope[r < 0] > 0).all()  # its gradient raises what is too low


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("kind", ["reverse_kl", "js", "hellinger"])
def test_the_continuation_has_no_step_and_no_corner(kind, scale):
    phi = Divergence(kind, scale).concave
    edge = scale * (EDGE - ENDS[kind])
    inside, outside = edge + 1e-4, edge - 1e-4
    slope = slopes(phi, outside, inside)
    assert slope[0] == pytest.approx(slope[1], rel=1e-2)
    value = values(phi, outside, inside)
    assert value[1] - value[0] == pytest.approx(2e-4 * slope[0], rel=2e-2)
    np.testing.assert_allclose(slopes(phi, -10 * scale, -20 * scale), slope[[0, 0]], rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_runs_compiled(kind):
    choice = Divergence(kind, scale=2.0)
    points = jnp.asarray([0.1, 0.7, 1.3])
    for method in (choice.f, choice.conjugate, choice.concave, choice.state_reward):
        np.testing.assert_allclose(jax.jit(method)(points), method(points), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_state_reward_is_h_up_to_a_constant(kind, scale):
    """h(u) = f(u) - u f'(u), with f' by automatic differentiation."""
    choice = Divergence(kind, scale)
    u = np.array([0.1, 0.4, 0.9, 1.5, 3.0, 8.0], np.float32)
    h = values(choice.f, *u) - u * slopes(choice.f, *u)
    offset = values(choice.state_reward, *np.log(u)) - h
    np.testing.assert_allclose(offset, np.full(len(u), offset[0]), atol=2e-4)


def test_known_state_rewards():
    """Ni et al. 2020, table 1: forward KL, reverse KL, Jensen-Shannon."""
    u = np.array([0.5, 1.0, 4.0])
    np.testing.assert_allclose(values(Divergence("kl").state_reward, *np.log(u)), -u, rtol=1e-6)
    np.testing.assert_allclose(values(Divergence("reverse_kl").state_reward, *np.log(u)), -np.log(u), rtol=1e-6)
    np.testing.assert_allclose(values(Divergence("js").state_reward, *np.log(u)), -np.log1p(u), rtol=1e-6)
    assert np.isfinite(values(Divergence("js").state_reward, 200.0)).all()


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_bad_values(scale):
    with pytest.raises(ConfigError, match="scale must be positive"):
        Divergence(scale=scale)
