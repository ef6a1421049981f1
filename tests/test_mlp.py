import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.networks import MLP
from imitax.networks.mlp import layer_norm

SIZES = (5, 16, 8, 3)
ACTIVATIONS = {"relu": jax.nn.relu, "silu": jax.nn.silu, "tanh": jnp.tanh}


def member(net, i):
    return jax.tree.map(lambda x: x[i] if eqx.is_array(x) else x, net)


def plain(net, x):
    """The same network by `jnp.matmul` alone, which JAX differentiates itself."""
    for i, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        x = jnp.matmul(x, w) + b[..., None, :]
        if i < len(net.weights) - 1:
            if net.norms:
                scale, offset = net.norms[i]
                mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
                x = (x - mean) / jnp.sqrt(var + 1e-5) * scale[..., None, :] + offset[..., None, :]
            x = ACTIVATIONS[net.activation](x)
    return x


def inputs(members, shared):
    return jr.normal(jr.key(1), (7, 5) if shared else (members, 7, 5))


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


@pytest.mark.parametrize(("members", "shared"), [(None, True), (1, True), (1, False), (3, True), (3, False)])
@pytest.mark.parametrize(("norm", "activation"), [(False, "relu"), (True, "silu"), (False, "tanh")])
def test_gradients_are_those_of_plain_autodiff(members, shared, norm, activation):
    net = MLP(SIZES, key=jr.key(0), members=members, layer_norm=norm, activation=activation)
    x = inputs(members, shared)

    def loss(args, f):
        net, x = args
        return (jnp.sin(f(net, x)) ** 2).sum()

    ours = eqx.filter_grad(loss)((net, x), lambda n, x: n(x))
    reference = eqx.filter_grad(loss)((net, x), plain)
    a, b = jax.tree.leaves(ours), jax.tree.leaves(reference)
    assert len(a) == len(b)
    for g, r in zip(a, b, strict=True):
        np.testing.assert_allclose(g, r, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("hidden", [(16,), (16, 8), (8, 16, 12)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_examples_in_columns_make_no_difference(hidden, shared, precision):
    rows, columns = (
        MLP((5, *hidden, 3), key=jr.key(0), members=4, activation="silu", precision=precision, columns=on)
        for on in (False, True)
    )
    x = jr.normal(jr.key(1), (20, 5) if shared else (4, 20, 5))
    between = f"4,{hidden[0]},20"
    assert (between in str(jax.make_jaxpr(columns)(x))) == (len(hidden) > 1)  # or nothing would be tested
    assert between not in str(jax.make_jaxpr(rows)(x))
    assert between not in str(jax.make_jaxpr(columns)(x[..., :10, :]))  # fewer examples than units
    np.testing.assert_allclose(columns(x), rows(x), rtol=1e-5, atol=1e-6)

    def loss(args):
        net, x = args
        return (jnp.sin(net(x)) ** 2).sum()

    ours, reference = (jax.tree.leaves(eqx.filter_grad(loss)((net, x))) for net in (columns, rows))
    for g, r in zip(ours, reference, strict=True):
        np.testing.assert_allclose(g, r, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(("members", "shared"), [(None, True), (3, True), (3, False)])
def test_the_gradient_of_a_gradient_is_that_of_plain_autodiff(members, shared, columns):
    """Gradient penalties differentiate twice."""
    net = MLP((5, 6, 4, 1), key=jr.key(0), members=members, activation="tanh", columns=columns)
    x = inputs(members, shared)  # more examples than units

    def penalty(net, f):
        slope = jax.grad(lambda x: f(net, x).sum())(x)
        return ((jnp.sqrt((slope**2).sum(-1)) - 1) ** 2).mean()

    ours = eqx.filter_grad(penalty)(net, lambda n, x: n(x))
    reference = eqx.filter_grad(penalty)(net, plain)
    for g, r in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(g, r, rtol=2e-4, atol=1e-5)


def test_a_vmap_over_networks_is_each_network():
    nets = [MLP(SIZES, key=jr.key(i), members=2) for i in range(3)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *nets)
    x = jr.normal(jr.key(1), (3, 7, 5))

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
