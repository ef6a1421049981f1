"""Options of multilayer perceptrons: dropout, and spectral normalisation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.networks import MLP
from imitax.networks.mlp import drop, largest_singular_value


def test_dropout_keeps_the_mean():
    x = jnp.full((50_000,), 2.0)
    dropped = np.asarray(drop(x, 0.3, jr.key(0)))
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(2 / 0.7)}
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean() == pytest.approx(2, abs=0.02)


def test_the_largest_singular_value():
    for shape in ((5, 7), (64, 64), (9, 1), (3, 6, 4)):
        w = jr.normal(jr.key(4), shape)
        exact = np.linalg.svd(np.asarray(w), compute_uv=False)[..., 0]
        found = np.asarray(largest_singular_value(w))
        assert (found <= exact * (1 + 1e-5)).all()  # an estimate from below
        np.testing.assert_allclose(found, exact, rtol=0.12)  # 10 iterations on random matrices, the slowest kind
        np.testing.assert_allclose(largest_singular_value(w, iterations=100), exact, rtol=1e-3)
    w = jr.normal(jr.key(5), (4, 6))
    u, _, v = np.linalg.svd(np.asarray(w))
    many = jax.grad(lambda w: largest_singular_value(w, iterations=100))(w)
    np.testing.assert_allclose(many, np.outer(u[:, 0], v[0]), atol=1e-3)


def test_spectral_normalisation():
    mlp = MLP((6, 8, 5, 1), key=jr.key(6), activation="relu", spectral_norm=True)
    exact = [np.asarray(w) / np.linalg.svd(np.asarray(w), compute_uv=False)[0] for w in mlp.weights]
    x = np.asarray(jr.normal(jr.key(7), (40, 6)))
    h = x
    for i, (w, b) in enumerate(zip(exact, mlp.biases, strict=True)):
        h = h @ w + np.asarray(b)
        h = np.maximum(h, 0) if i < 2 else h
    np.testing.assert_allclose(mlp(jnp.asarray(x)), h, rtol=0.05, atol=0.02)
    scaled = eqx.tree_at(lambda m: m.weights, mlp, tuple(7 * w for w in mlp.weights))
    np.testing.assert_allclose(scaled(jnp.asarray(x)), mlp(jnp.asarray(x)), rtol=1e-4, atol=1e-5)
    slope = np.asarray(jax.vmap(jax.grad(lambda x: scaled(x[None])[0, 0]))(jnp.asarray(x)))
    assert np.linalg.norm(slope, axis=1).max() < 1.1  # a network of unit layers is 1-Lipschitz
