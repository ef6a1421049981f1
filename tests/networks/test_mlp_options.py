"""Options of multilayer perceptrons: dropout, and spectral normalisation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.checkpoint import fill_tree, tree_arrays
from imitax.choices.weight_penalty import l2
from imitax.errors import CheckpointError
from imitax.learner import Learner, OptimizerConfig, polyak
from imitax.networks import MLP
from imitax.networks.mlp import drop, power_iteration, singular_value, singular_vectors
from imitax.types import Carried, parameters


def test_dropout_keeps_the_mean():
    x = jnp.full((50_000,), 2.0)
    dropped = np.asarray(drop(x, 0.3, jr.key(0)))
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(2 / 0.7)}
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean() == pytest.approx(2, abs=0.02)


def norms(weights):
    return [np.linalg.svd(np.asarray(w), compute_uv=False)[..., 0] for w in weights]


def test_the_largest_singular_value():
    for shape in ((5, 7), (64, 64), (9, 1), (3, 6, 4)):
        w = jr.normal(jr.key(4), shape)
        (exact,), (v,) = norms([w]), singular_vectors((w,))
        found = np.asarray(singular_value(w, v.value))
        assert (found <= exact * (1 + 1e-5)).all()  # an estimate from below
        np.testing.assert_allclose(found, exact, rtol=0.12)  # 10 iterations on random matrices, the slowest kind
        after = jax.lax.fori_loop(0, 90, lambda _, v, w=w: power_iteration(w, v)[1], v.value)
        np.testing.assert_allclose(singular_value(w, after), exact, rtol=1e-3)
    w = jr.normal(jr.key(5), (4, 6))
    u, _, v = np.linalg.svd(np.asarray(w))
    np.testing.assert_allclose(jax.grad(singular_value)(w, jnp.asarray(v[0])), np.outer(u[:, 0], v[0]), atol=1e-3)


def test_norms_are_exact_after_some_updates():
    """A new network's norms are a few percent low; the vectors that its learner carries make them exact."""
    net = MLP((5, 48, 48, 1), key=jr.key(0), spectral_norm=True)
    x = jr.normal(jr.key(1), (16, 5))

    def loss(net):
        return ((net(x) - jnp.sin(x).sum(1, keepdims=True)) ** 2).mean(), {}

    def estimates(net):
        return [float(singular_value(w, v.value)) for w, v in zip(net.weights, net.singular, strict=True)]

    assert min(np.asarray(estimates(net)) / norms(net.weights)) < 0.99
    before = Learner.create(net, OptimizerConfig(lr=1e-3, weight_decay=0.1))
    after, _ = eqx.filter_jit(lambda k: jax.lax.scan(lambda k, _: k.descend(loss), k, length=100))(before)
    np.testing.assert_allclose(estimates(after.net), norms(after.net.weights), rtol=1e-3)
    assert not np.allclose(after.net.weights[1], net.weights[1])


def test_singular_vectors_are_no_parameters():
    net = MLP((3, 4, 1), key=jr.key(0), members=2, spectral_norm=True)
    plain = MLP((3, 4, 1), key=jr.key(0), members=2)
    assert len(jax.tree.leaves(parameters(net))) == len(jax.tree.leaves(parameters(plain))) == 4
    assert float(l2(net)) == float(l2(plain))
    other = eqx.tree_at(lambda m: m.singular, net.iterated(), tuple(Carried(-v.value) for v in net.singular))
    assert eqx.tree_equal(polyak(net, other, 0.5).singular, other.singular)


def test_files_without_singular_vectors_are_read_as_they_were_written():
    net = MLP((3, 4, 1), key=jr.key(0), spectral_norm=True)
    arrays = tree_arrays(net)
    older = {name: a for name, a in arrays.items() if "singular" not in name}
    assert len(older) == len(arrays) - 2
    template = MLP((3, 4, 1), key=jr.key(1), spectral_norm=True)
    assert eqx.tree_equal(fill_tree(template, older, "file"), net)
    later = net.iterated()
    assert eqx.tree_equal(fill_tree(template, tree_arrays(later), "file"), later)
    with pytest.raises(CheckpointError, match="has no array"):
        fill_tree(template, {n: a for n, a in older.items() if "weights[0]" not in n}, "file")


def test_spectral_normalisation():
    mlp = MLP((6, 8, 5, 1), key=jr.key(6), activation="relu", spectral_norm=True)
    exact = [np.asarray(w) / n for w, n in zip(mlp.weights, norms(mlp.weights), strict=True)]
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
