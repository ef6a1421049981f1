import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.networks import MLP
from imitax.networks.mlp import layer_norm

SIZES = (5, 16, 8, 3)


def member(net, i):
    return jax.tree.map(lambda x: x[i] if eqx.is_array(x) else x, net)


def inputs(members, shared):
    return jr.normal(jr.key(1), (7, 5) if shared else (members, 7, 5))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize(
    ("activation", "of"),
    [("relu", lambda x: np.maximum(x, 0)), ("silu", lambda x: x / (1 + np.exp(-x))), ("tanh", np.tanh)],
)
def test_the_layers_in_numpy(activation, of, norm):
    net = MLP(SIZES, key=jr.key(0), activation=activation, layer_norm=norm)
    net = eqx.tree_at(lambda n: n.norms, net, tuple((scale + 0.5, offset - 0.1) for scale, offset in net.norms))
    h = x = np.asarray(inputs(None, True))
    for i, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        h = h @ np.asarray(w) + np.asarray(b)
        if i < len(net.weights) - 1:
            if norm:
                h = 1.5 * (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-5) - 0.1
            h = of(h)
    np.testing.assert_allclose(net(jnp.asarray(x)), h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_an_ensemble_is_its_members(shared, norm):
    net = MLP(SIZES, key=jr.key(0), members=4, layer_norm=norm)
    x = inputs(4, shared)
    out = net(x)
    assert out.shape == (4, 7, 3)
    for i in range(4):
        np.testing.assert_allclose(out[i], member(net, i)(x if shared else x[i]), rtol=1e-5, atol=1e-6)
    assert not np.allclose(out[0], out[1])


def test_a_vmap_over_networks_is_each_network():
    nets = [MLP(SIZES, key=jr.key(i), members=2) for i in range(3)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *nets)
    x = jr.normal(jr.key(1), (3, 7, 5))

    @eqx.filter_jit
    def grads(net, x):
        return eqx.filter_grad(lambda n: (n(x) ** 2).sum())(net)

    together = eqx.filter_vmap(grads)(stacked, x)
    for i, net in enumerate(nets):
        alone = grads(net, x[i])
        for g, r in zip(jax.tree.leaves(member(together, i)), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(g, r, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("members", [None, 2])
def test_bfloat16_is_close_and_leaves_float32(members):
    full = MLP(SIZES, key=jr.key(0), members=members)
    half = MLP(SIZES, key=jr.key(0), members=members, precision="bfloat16")
    x = inputs(members, True)
    out, reference = half(x), full(x)
    assert out.dtype == jnp.float32
    assert not np.array_equal(out, reference)  # or the option would do nothing
    np.testing.assert_allclose(out, reference, atol=0.03)
    grads = eqx.filter_grad(lambda n: (n(x) ** 2).mean())(half)
    wanted = eqx.filter_grad(lambda n: (n(x) ** 2).mean())(full)
    for leaf in jax.tree.leaves(eqx.filter(half, eqx.is_array)) + jax.tree.leaves(grads):
        assert leaf.dtype == jnp.float32
    for g, r in zip(jax.tree.leaves(grads), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(g, r, atol=0.02 + 0.05 * float(jnp.abs(r).max()))


def test_layer_norm_known_answer():
    out = layer_norm(jnp.array([[1.0, 3.0], [-2.0, -2.0]]))
    np.testing.assert_allclose(out, [[-1.0, 1.0], [0.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(layer_norm(jnp.array([[0.0, 4.0, 8.0]])), [[-(1.5**0.5), 0, 1.5**0.5]], atol=1e-5)


@pytest.mark.parametrize("members", [None, 3])
def test_the_initialisation_is_uniform_within_its_bound(members):
    net = MLP((64, 128, 2), key=jr.key(0), members=members)
    for w, b, fan_in in zip(net.weights, net.biases, (64, 128), strict=True):
        for values in (w, b):
            assert float(jnp.abs(values).max()) <= fan_in**-0.5
        assert float(w.std()) == pytest.approx((fan_in * 3) ** -0.5, rel=0.1)
    assert float(jnp.abs(net.weights[0]).max()) > 0.98 * 64**-0.5
