"""Products of inputs with a layer's weights, and the two products of their gradient."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.networks.mlp import Precision

NARROW = 32
"""Widest output whose weight gradient is computed transposed, see `_weight_gradient`."""


def matmul(x: Float[Array, "*N B I"], w: Float[Array, "*M I O"], precision: Precision) -> Float[Array, "*K B O"]:
    """`x @ w` with the examples in rows, as usual."""
    return product(x, w, precision, (False, False))  # type: ignore[return-value]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def product(
    x: Float[Array, "*N P Q"],
    w: Float[Array, "*M I O"],
    precision: Precision,
    columns: tuple[bool, bool],
    transposed: bool = False,
) -> Float[Array, "*K R S"]:
    """`x @ w` whose two gradient products run at the same precision as the forward one.

    Plain autodiff would multiply a float32 cotangent with a bfloat16 operand, which runs at float32 speed.

    Args:
        x: inputs, `[*N B I]`; the result is `[*K B O]`.
        w: a layer's weights.
        precision: of the operands.
        columns: whether x and the result hold their examples as columns, `[*N I B]` and `[*K O B]`, instead of rows.
        transposed: whether w is held as `[*M O I]`.
    """
    w = _transpose(w) if transposed else w
    if columns[1]:
        return _dot(_transpose(w), x if columns[0] else _transpose(x), precision)
    return _dot(_transpose(x) if columns[0] else x, w, precision)


def _product_forward(
    x: Array, w: Array, precision: Precision, columns: tuple[bool, bool], transposed: bool
) -> tuple[Array, tuple[Array, Array]]:
    out: Array = product(x, w, precision, columns, transposed)  # type: ignore[assignment]
    return out, (x, w)  # a call of itself: derivatives of derivatives take the same form


def _product_backward(
    precision: Precision, columns: tuple[bool, bool], transposed: bool, saved: tuple[Array, Array], g: Array
) -> tuple[Array, Array]:
    x, w = saved
    back = (columns[1], columns[0])
    dx: Array = product(g, w, precision, back, not transposed)  # type: ignore[assignment]
    if dx.ndim > x.ndim:  # one input shared by all members of an ensemble
        dx = reduce(jnp.add, list(dx))  # XLA fuses dx.sum(0) with the whole chain of products, at a fifth of the speed
    if transposed:  # the gradient in the layout of the weights: transposing it where it is added costs two such sums
        return dx, _weight_gradient(g, x, precision, back)
    return dx, _weight_gradient(x, g, precision, columns)


product.defvjp(_product_forward, _product_backward)


def _weight_gradient(x: Array, g: Array, precision: Precision, columns: tuple[bool, bool]) -> Array:
    """`x.T @ g` in the form that XLA's CPU backend runs fastest.

    With few outputs, and from rows into columns, that is the transposed result. Otherwise one side may need
    transposing, by an explicit copy: one barrier keeps it from being folded back, another one from being fused with
    the activation into a slow strided transposition. At 256 cubed on one core the plain form takes 199 us, with the
    copy 164 us; with 6 outputs 73 us, transposed 6 us.
    """
    few = not any(columns) and g.ndim == x.ndim and g.shape[-1] <= NARROW
    if few or columns == (False, True):
        return _transpose(jax.lax.optimization_barrier(_dot(_transpose(g) if few else g, x, precision)))
    x, g = (x if columns[0] else _copied(x)), (_copied(g) if columns[1] else g)
    return jax.lax.optimization_barrier(_dot(x, g, precision))  # or a derivative's transposition would be folded in


def _dot(a: Array, b: Array, precision: Precision) -> Array:
    """`a @ b` over the last two axes, batched over a leading axis that one or both may have."""
    if precision == "float32":
        return jnp.matmul(a, b)
    a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    if a.ndim == b.ndim == 2:
        return jnp.matmul(a, b, preferred_element_type=jnp.float32)
    # XLA's CPU backend computes batched products of bfloat16 in float32, so members are multiplied one by one
    members = [(x, y) for x, y in zip(_members(a, b), _members(b, a), strict=True)]
    return jnp.stack([jnp.matmul(x, y, preferred_element_type=jnp.float32) for x, y in members])


def _members(a: Array, other: Array) -> list[Array]:
    return list(a) if a.ndim == 3 else [a] * len(other)


def _transpose(x: Float[Array, "*N A B"]) -> Float[Array, "*N B A"]:
    return x.swapaxes(-1, -2)


def _copied(x: Float[Array, "*N A B"]) -> Float[Array, "*N B A"]:
    return jax.lax.optimization_barrier(_transpose(jax.lax.optimization_barrier(x)))
