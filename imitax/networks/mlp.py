"""Multilayer perceptrons: one network, or an ensemble of them computed as one batched product.

`Precision` "bfloat16" rounds the operands of products to bfloat16 and accumulates in float32; parameters, activations
and gradients are arrays of float32.
"""

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.kernels import Replaceable
from imitax.types import Carried

Precision = Literal["float32", "bfloat16"]
Activation = Literal["relu", "silu", "tanh"]

ITERATIONS = 10
"""Power iterations that the singular vectors of a new network start with."""

ACTIVATIONS = {"relu": jax.nn.relu, "silu": jax.nn.silu, "tanh": jnp.tanh}


@Replaceable
def matmul(x: Float[Array, "*N B I"], w: Float[Array, "*M I O"], precision: Precision) -> Float[Array, "*K B O"]:
    """`x @ w`. With bfloat16, the operands are rounded to it, and so are the gradients with respect to them."""
    if precision == "float32":
        return x @ w
    return jnp.matmul(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16), preferred_element_type=jnp.float32)


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
        spectral_norm: divide each weight matrix by its largest singular value, by one power iteration at every call
            from a vector that a learner carries from step to step (Miyato et al. 2018, algorithm 1).
        precision: of the products, see the module's docstring.
    """

    weights: tuple[Float[Array, "*N I O"], ...]
    biases: tuple[Float[Array, "*N O"], ...]
    norms: tuple[tuple[Float[Array, "*N O"], Float[Array, "*N O"]], ...]
    singular: tuple[Carried, ...]
    """[*N O], right singular vectors of the weights as far as they are known; none without `spectral_norm`."""
    activation: Activation = eqx.field(static=True)
    dropout: float = eqx.field(static=True)
    input_dropout: float = eqx.field(static=True)
    spectral_norm: bool = eqx.field(static=True)
    precision: Precision = eqx.field(static=True)

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
    ):  # the options of all networks, by keyword
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
        self.precision = precision
        self.singular = singular_vectors(self.weights) if spectral_norm else ()

    def iterated(self) -> "MLP":
        """The network with its singular vectors one power iteration further."""
        vectors = tuple(
            Carried(power_iteration(w, v.value)[1]) for w, v in zip(self.weights, self.singular, strict=False)
        )
        return eqx.tree_at(lambda m: m.singular, self, vectors) if vectors else self

    def restarted(self) -> "MLP":
        """The network with singular vectors from its weights alone, as a new one has them."""
        return eqx.tree_at(lambda m: m.singular, self, singular_vectors(self.weights)) if self.singular else self

    def __call__(self, x: Float[Array, "*N B I"], key: PRNGKeyArray | None = None) -> Float[Array, "*M B O"]:
        """Apply the layers; units are dropped only in calls with a key."""
        act = ACTIVATIONS[self.activation]
        last = len(self.weights) - 1
        if key is not None and self.input_dropout:
            x = drop(x, self.input_dropout, jr.fold_in(key, last))
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if self.spectral_norm:
                w = w / singular_value(w, self.singular[i].value)[..., None, None]
            x = matmul(x, w, self.precision) + b[..., None, :]
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


def singular_vectors(weights: tuple[Array, ...]) -> tuple[Carried, ...]:
    """What power iteration starts from: so many steps that a call's own is number ITERATIONS."""
    found = []
    for w in weights:
        v = jnp.ones((*w.shape[:-2], w.shape[-1])) / w.shape[-1] ** 0.5
        found.append(Carried(jax.lax.fori_loop(1, ITERATIONS, lambda _, v, w=w: power_iteration(w, v)[1], v)))
    return tuple(found)


def power_iteration(
    w: Float[Array, "*N I O"], v: Float[Array, "*N O"]
) -> tuple[Float[Array, "*N I"], Float[Array, "*N O"]]:
    """One step towards the left and right vectors of the largest singular value; they carry no gradient."""
    fixed = jax.lax.stop_gradient(w)
    u = fixed @ jax.lax.stop_gradient(v)[..., None]
    u = u / (jnp.linalg.norm(u, axis=-2, keepdims=True) + 1e-12)
    v = fixed.mT @ u
    v = v / (jnp.linalg.norm(v, axis=-2, keepdims=True) + 1e-12)
    return u[..., 0], v[..., 0]


def singular_value(w: Float[Array, "*N I O"], v: Float[Array, "*N O"]) -> Float[Array, "*N"]:
    """The largest one, from below, by one power iteration; its gradient is that of `u.T w v` with u and v fixed."""
    left, right = power_iteration(w, v)
    return (left[..., None] * (w @ right[..., None])).sum((-1, -2))


def bounded(x: Float[Array, "*B"], bound: float | None, kind: Literal["tanh", "clip"]) -> Float[Array, "*B"]:
    """Outputs within +-bound, by `bound * tanh(x / bound)` or by clipping; None leaves them free."""
    if bound is None:
        return x
    return jnp.clip(x, -bound, bound) if kind == "clip" else bound * jnp.tanh(x / bound)


def layer_norm(x: Float[Array, "*B O"], epsilon: float = 1e-5) -> Float[Array, "*B O"]:
    """Zero mean and unit variance along the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + epsilon)
