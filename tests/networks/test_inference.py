import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from implicit import quadratic

from imitax.errors import ConfigError
from imitax.networks import Inference, Langevin
from imitax.networks.inference import resample


def two_peaks(a):
    """The higher peak at 0.6 is narrow, the lower one at -0.5 wide."""
    a = a[..., 0]
    return jnp.logaddexp(-((a - 0.6) ** 2) / 0.02 + 1.0, -((a + 0.5) ** 2) / 0.2)


@pytest.mark.parametrize("kind", ["dfo", "langevin"])
def test_searches_find_the_top(kind):
    choice = Inference(kind, samples=256, iterations=6)

    @jax.jit
    @jax.vmap
    def found(key):
        def search(f, dims):
            return choice.search(f, lambda _: None, dims, key, greedy=True)

        return search(quadratic([0.3, -0.7]), 2), search(quadratic([1.5, 0.0]), 2), search(two_peaks, 1)

    for actions, top in zip(found(jr.split(jr.key(0), 3)), ([0.3, -0.7], [1.0, 0.0], [0.6]), strict=True):
        np.testing.assert_allclose(actions, [top] * 3, atol=0.05)


def test_polishing_starts_at_the_actor():
    """From starts around the lower peak a short chain without noise climbs that one."""
    search = Inference("actor_polish", actor_steps=30, langevin=Langevin(first=0.2, last=0.05, noise=0.0))
    starts = jnp.linspace(-0.8, -0.2, 8)[:, None]
    found = search.search(two_peaks, lambda _: starts, 1, jr.key(0), greedy=True)
    np.testing.assert_allclose(found, [-0.5], atol=0.02)
    still = replace(search, actor_steps=0)
    found = still.search(two_peaks, lambda _: starts, 1, jr.key(0), greedy=True)
    assert min(abs(found - starts[3]), abs(found - starts[4])) < 1e-6  # -0.54 or -0.46


def test_polishing_has_a_first_step_of_its_own():
    """One step of eta / 2 times a slope of 1; without `actor_first` it is that of the chain."""
    search = Inference("actor_polish", actor_steps=1, langevin=Langevin(first=0.2, last=0.0, noise=0.0))
    for first, moved in ((None, 0.1), (0.05, 0.025)):
        one = replace(search, actor_first=first)
        found = one.search(lambda a: a.sum(-1), lambda _: jnp.zeros((1, 1)), 1, jr.key(0), greedy=True)
        np.testing.assert_allclose(found, [moved], rtol=1e-5)


def test_langevin_steps_by_hand():
    """eta = (0.5, 0.125 + ..., last), a slope of 1, moves cut at `move` and positions at the box's edge."""
    chain = Langevin(iterations=3, first=0.5, last=0.1, power=2.0, noise=0.0, move=0.2)
    np.testing.assert_allclose(chain.steps(), [0.5, 0.2, 0.1], rtol=1e-6)

    def end(slope, start):
        return float(chain(lambda a: slope * a.sum(-1), jnp.array([[start]]), jr.key(0))[0, 0])

    assert end(0.1, 0.0) == pytest.approx(0.05 * (0.5 + 0.2 + 0.1))
    assert end(-1.0, 0.0) == pytest.approx(-(0.2 + 0.1 + 0.05))  # the first step, 0.25, is cut
    assert end(100.0, 0.9) == 1.0


def test_langevin_samples_follow_the_density():
    """With noise 1 and step eta the chain is the unadjusted Langevin one for exp f with variance scaled by eta."""
    eta, sigma2 = 0.05, 0.04  # a <- a - eta a / (2 sigma2) + eta xi
    chain = Langevin(iterations=200, first=eta, last=eta, noise=1.0)
    ends = chain(lambda a: -(a[:, 0] ** 2) / (2 * sigma2), jnp.zeros((4000, 1)), jr.key(0))
    keep = 1 - eta / (2 * sigma2)
    assert float(ends.std()) == pytest.approx(eta / math.sqrt(1 - keep**2), rel=0.05)


def test_samples_are_drawn_by_their_share():
    share = jnp.array([0.1, 0.0, 0.6, 0.3] + [0.0] * 9996)
    drawn = np.asarray(resample(share, jr.key(0)))
    assert len(drawn) == 10_000
    np.testing.assert_allclose(np.bincount(drawn, minlength=10_000), 10_000 * np.asarray(share), atol=150)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Inference(samples=0), "inference.samples must be at least 1"),
        (lambda: Inference(iterations=-1), "inference.iterations must not be negative"),
        (lambda: Langevin(-1), "langevin.iterations must not be negative"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
