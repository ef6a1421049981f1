"""Multilayer perceptrons: one network, or an ensemble of them computed as one batched product.

`Precision` "bfloat16" rounds the operands of every product to bfloat16 and accumulates in float32; parameters,
activations, biases and gradients stay float32.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

Precision = Literal["float32", "bfloat16"]
Activation = Literal["relu", "silu", "tanh"]

ACTIVATIONS = {"relu": jax.nn.relu, "silu": jax.nn.silu, "tanh": jnp.tanh}


NARROW = 32
"""Widest output whose weight gradient is computed transposed, see `_weight_gradient`."""


def _dot(a: Array, b: Array, precision: Precision) -> Array:
    """`a @ b` over the last two axes, batched over a leading axis that one or both may have."""
    if precision == "float32":
        return jnp.matmul(a, b)
    a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    if a.ndim == b.ndim == 2:
        return jnp.matmul(a, b, preferred_element_type=jnp.float32)
    # XLA's CPU backend has no batched product of bfloat16 into float32, so members are multiplied one by one
    members = [(x, y) for x, y in zip(_members(a, b), _members(b, a), strict=True)]
    return jnp.stack([jnp.matmul(x, y, preferred_element_type=jnp.float32) for x, y in members])


def _members(a: Array, other: Array) -> list[Array]:
    return list(a) if a.ndim == 3 else [a] * len(other)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def product(
    x: Float[Array, "*N P Q"],
    w: Float[Array, "*M I O"],
    precision: Precision,
    columns: tuple[bool, bool],
    turned: bool = False,
) -> Float[Array, "*K R S"]:
    """`x @ w` whose two gradient products run at the same precision as the forward one.

    Plain autodiff would multiply a float32 cotangent with a bfloat16 operand, which runs at float32 speed.

    Args:
        x: inputs, `[*N B I]`; the result is `[*K B O]`.
        w: a layer's weights.
        precision: of the operands.
        columns: whether x and the result hold their examples as columns, `[*N I B]` and `[*K O B]`, instead of rows.
        turned: whether w is held as `[*M O I]`.
    """
    w = _turned(w) if turned else w
    if columns[1]:
        return _dot(_turned(w), x if columns[0] else _turned(x), precision)
    return _dot(_turned(x) if columns[0] else x, w, precision)


def _product_forward(
    x: Array, w: Array, precision: Precision, columns: tuple[bool, bool], turned: bool
) -> tuple[Array, tuple[Array, Array]]:
    out: Array = product(x, w, precision, columns, turned)  # type: ignore[assignment]
    return out, (x, w)  # of itself: derivatives of derivatives take the same form


def _product_backward(
    precision: Precision, columns: tuple[bool, bool], turned: bool, saved: tuple[Array, Array], g: Array
) -> tuple[Array, Array]:
    x, w = saved
    back = (columns[1], columns[0])
    dx: Array = product(g, w, precision, back, not turned)  # type: ignore[assignment]
    if dx.ndim > x.ndim:  # one input shared by all members of an ensemble
        dx = reduce(jnp.add, list(dx))  # XLA fuses dx.sum(0) with the whole chain of products, at a fifth of the speed
    if turned:  # the weights' gradient as they are held: turning it where it is added costs two such sums
        return dx, _weight_gradient(g, x, precision, back)
    return dx, _weight_gradient(x, g, precision, columns)


product.defvjp(_product_forward, _product_backward)


def _weight_gradient(x: Array, g: Array, precision: Precision, columns: tuple[bool, bool]) -> Array:
    """`x.T @ g` in the form that XLA's CPU backend runs fastest.

    With few outputs, and from rows into columns, that is the transposed result. Else one side may need turning, by an
    explicit copy: kept from being folded back by a barrier, and by another one from being fused with the activation
    into a slow strided transposition. At 256 cubed on one core the plain form takes 199 us, with the copy 164 us; with
    6 outputs 73 us, transposed 6 us.
    """
    few = not any(columns) and g.ndim == x.ndim and g.shape[-1] <= NARROW
    if few or columns == (False, True):
        return _turned(jax.lax.optimization_barrier(_dot(_turned(g) if few else g, x, precision)))
    x, g = (x if columns[0] else _copied(x)), (_copied(g) if columns[1] else g)
    return jax.lax.optimization_barrier(_dot(x, g, precision))  # or a derivative's transposition would be folded in


@jax.custom_vjp
def add_to_columns(h: Float[Array, "*N O B"], b: Float[Array, "*N O"]) -> Float[Array, "*N O B"]:
    """`h + b` whose gradient for b is a product with ones: at 7 x 200 x 256, 29 us instead of 189 for a sum."""
    return h + b[..., None]


def _add_forward(h: Array, b: Array) -> tuple[Array, None]:
    return add_to_columns(h, b), None


def _add_backward(_: None, g: Array) -> tuple[Array, Array]:
    return g, jnp.matmul(g, jnp.ones((*g.shape[:-2], g.shape[-1], 1)))[..., 0]


add_to_columns.defvjp(_add_forward, _add_backward)


def _turned(x: Float[Array, "*N A B"]) -> Float[Array, "*N B A"]:
    return x.swapaxes(-1, -2)


def _copied(x: Float[Array, "*N A B"]) -> Float[Array, "*N B A"]:
    return jax.lax.optimization_barrier(_turned(jax.lax.optimization_barrier(x)))


class MLP(eqx.Module):
    """Fully connected layers `sizes[0] -> ... -> sizes[-1]`, linear at the end.

    With `members` None it maps `[B, I]` to `[B, O]`; with `members` N it is an ensemble with stacked parameters
    that maps a shared `[B, I]`, or one input a member `[N, B, I]`, to `[N, B, O]`.

    Initialisation is uniform in +-1/sqrt(fan_in), for weights and biases (PyTorch's default for linear layers,
    which the reference implementations of SAC and CleanIL use).

    Args:
        sizes: widths, input and output included.
        key: randomness of the initialisation.
        members: size of the ensemble, None for one network.
        activation: hidden nonlinearity.
        layer_norm: normalise each hidden layer before its nonlinearity (Ba et al. 2016), with learned scale and offset.
        dropout, input_dropout: share of hidden units and of inputs that are zeroed, and the rest scaled up, in calls
            with a key.
        spectral_norm: divide each weight matrix by its largest singular value, found by 10 power iterations from a
            fixed vector at every call (Miyato et al. 2018 carry the vector along and do one).
        precision: of the products, see the module's docstring.
        columns: hold the examples as columns between the hidden layers, where they are at least as many as a layer's
            units and not normalised. The numbers are the same to rounding. XLA's kernels like a last axis of 256 more
            than one of 200: on two cores, fit and rollouts of seven members of 200 units take a tenth less; on one
            core, as long.
    """

    weights: tuple[Float[Array, "*N I O"], ...]
    biases: tuple[Float[Array, "*N O"], ...]
    norms: tuple[tuple[Float[Array, "*N O"], Float[Array, "*N O"]], ...]
    activation: Activation = eqx.field(static=True)
    dropout: float = eqx.field(static=True)
    input_dropout: float = eqx.field(static=True)
    spectral_norm: bool = eqx.field(static=True)
    precision: Precision = eqx.field(static=True)
    columns: bool = eqx.field(static=True)

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        key: PRNGKeyArray,
        members: int | None = None,
        activation: Activation = "relu",
        layer_norm: bool = False,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        spectral_norm: bool = False,
        precision: Precision = "float32",
        columns: bool = False,
    ):
        lead = () if members is None else (members,)
        weights, biases = [], []
        for k, n_in, n_out in zip(jr.split(key, len(sizes) - 1), sizes[:-1], sizes[1:], strict=True):
            kw, kb = jr.split(k)
            bound = n_in**-0.5
            weights.append(jr.uniform(kw, (*lead, n_in, n_out), minval=-bound, maxval=bound))
            biases.append(jr.uniform(kb, (*lead, n_out), minval=-bound, maxval=bound))
        self.weights = tuple(weights)
        self.biases = tuple(biases)
        hidden = sizes[1:-1] if layer_norm else ()
        self.norms = tuple((jnp.ones((*lead, n)), jnp.zeros((*lead, n))) for n in hidden)
        self.activation = activation
        self.dropout, self.input_dropout, self.spectral_norm = dropout, input_dropout, spectral_norm
        self.precision, self.columns = precision, columns

    def __call__(self, x: Float[Array, "*N B I"], key: PRNGKeyArray | None = None) -> Float[Array, "*M B O"]:
        """Apply the layers; units are dropped only in calls with a key."""
        act = ACTIVATIONS[self.activation]
        last = len(self.weights) - 1
        turned = self.columns and not self.norms and x.shape[-2] >= max(w.shape[-1] for w in self.weights)
        if key is not None and self.input_dropout:
            x = drop(x, self.input_dropout, jr.fold_in(key, last))
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if self.spectral_norm:
                w = w / largest_singular_value(w)[..., None, None]
            columns = (turned and 0 < i < last, turned and i < last - 1)
            h: Array = product(x, w, self.precision, columns)  # type: ignore[assignment]
            x = add_to_columns(h, b) if columns[1] else h + b[..., None, :]  # [*N O B] or [*N B O]
            if i < last:
                if self.norms:
                    scale, offset = self.norms[i]
                    x = layer_norm(x) * scale[..., None, :] + offset[..., None, :]
                x = act(x)
                if key is not None and self.dropout:
                    x = drop(x, self.dropout, jr.fold_in(key, i))
        return x


def drop(x: Float[Array, "*B"], share: float, key: PRNGKeyArray) -> Float[Array, "*B"]:
    """Zero a share of the entries and scale up the others, so that the mean stays (Srivastava et al. 2014)."""
    return jnp.where(jr.bernoulli(key, 1 - share, x.shape), x / (1 - share), 0)


def largest_singular_value(w: Float[Array, "*N I O"], iterations: int = 10) -> Float[Array, "*N"]:
    """Estimate from below by power iteration; its gradient is that of `u.T w v` with u and v held fixed."""
    fixed = jax.lax.stop_gradient(w)
    v = jnp.ones((*w.shape[:-2], w.shape[-1], 1)) / w.shape[-1] ** 0.5
    u = v
    for _ in range(iterations):
        u = fixed @ v
        u = u / (jnp.linalg.norm(u, axis=-2, keepdims=True) + 1e-12)
        v = _turned(fixed) @ u
        v = v / (jnp.linalg.norm(v, axis=-2, keepdims=True) + 1e-12)
    return (u * (w @ v)).sum((-1, -2))


def bounded(x: Float[Array, "*B"], bound: float | None, kind: Literal["tanh", "clip"]) -> Float[Array, "*B"]:
    """Outputs within +-bound, by `bound * tanh(x / bound)` or by clipping; None leaves them free."""
    if bound is None:
        return x
    return jnp.clip(x, -bound, bound) if kind == "clip" else bound * jnp.tanh(x / bound)


def layer_norm(x: Float[Array, "*B O"], epsilon: float = 1e-5) -> Float[Array, "*B O"]:
    """Zero mean and unit variance along the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + epsilon)
