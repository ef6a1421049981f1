"""A policy as plain data: what is done with an observation, step by step, and the arrays that it takes.

Both formats are written from this, so whatever a policy does with what it sees is said here once: a step that is new
in `Policy` is a new entry here, and one in each of `imitax_policy` and `onnx_graph`.
"""

from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np

from imitax import history as histories
from imitax.errors import ConfigError
from imitax.networks import (
    CNN,
    ActionChunks,
    ChunkActor,
    CombinedEncoder,
    Encoder,
    ImplicitActor,
    Policy,
    PolicyHead,
    chunks_of,
    explicit,
    policy_head,
)
from imitax.networks.convolution import Layout
from imitax.networks.policy import LOC_LIMIT
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec

EPSILON = 1e-5
"""Of `layer_norm`."""


@dataclass(frozen=True)
class Plan:
    """A policy's deterministic action as data."""

    leaves: list[dict[str, Any]]
    """Of each array of an observation, in the order of the space: kind, shape, and of images that are convolved, `cnn`
    with the axes in the order height, width, channels, and the strides."""
    activation: str
    layers: int
    action: dict[str, Any]
    """Of one action: kind "box" with shape, low, high, and limit of the last layer's outputs; "open box" with shape; or
    "finite" with sizes, starts, shape and dtype."""
    arrays: dict[str, np.ndarray]
    """`mean/I`, `std/I`, `places/I`, `values/I` and `cnn/I/...` of leaf I; `weight/N`, `bias/N` of layer N; `middle`,
    `half` of a box, and of an open one `low`, `high`. The last layer has H actions side by side, and so have these."""
    history: dict[str, Any] | None = None
    """length K, actions, and single, which describes one observation; the leaves are those of a stack. None: there is
    none."""
    chunk: dict[str, Any] | None = None
    """horizon H, execute N, ensemble and decay. None: one action is predicted."""

    @property
    def steps(self) -> tuple[int, ...]:
        """(H,) of a policy that predicts several actions, () of others."""
        return () if self.chunk is None else (self.chunk["horizon"],)


def exportable(policy: Policy) -> Policy:
    """The policy as both formats compute it: explicit, with products of float32.

    Raises:
        ConfigError: it searches for its actions, or its network is none of imitax's policies.
    """
    actor = policy.actor
    if isinstance(actor, ChunkActor):
        return Policy(policy.normalizer, replace(actor, head=exportable(explicit(policy)).actor))
    if isinstance(actor, ImplicitActor):
        if actor.inference.kind != "actor_mean":
            raise ConfigError(
                "the policy searches for its action with random numbers of JAX, which is not exported; export the "
                "policy that was trained beside it: --inference actor_mean (inference='actor_mean')"
            )
        actor = actor.amortised
    if not isinstance(actor, PolicyHead):
        raise ConfigError(f"policies of class {type(actor).__name__} are not exported: only those of imitax.networks")
    plain = policy_head(actor.spec, actor.cfg, key=jr.key(0))
    arrays, (_, static) = eqx.filter(actor, eqx.is_array), eqx.partition(plain, eqx.is_array)
    filled = jax.tree.unflatten(jax.tree.structure(eqx.filter(plain, eqx.is_array)), jax.tree.leaves(arrays))
    return Policy(policy.normalizer, eqx.combine(filled, static))


def plan(policy: Policy) -> Plan:
    """What an exportable policy does."""
    actor = explicit(policy).actor
    assert isinstance(actor, PolicyHead)
    spec, mlp = actor.spec, actor.mlp
    cnns = _cnns(actor.encoder, spec.observation)
    arrays: dict[str, Any] = {}
    statistics = zip(*map(jax.tree.leaves, (policy.normalizer.mean, policy.normalizer.std)), strict=True)
    for i, (leaf, cnn, (mean, std)) in enumerate(zip(spec.observation.leaves, cnns, statistics, strict=True)):
        arrays |= {f"mean/{i}": mean, f"std/{i}": std} | _classes(i, leaf) | _convolution(i, cnn)
    last = len(mlp.weights) - 1
    for i, (weight, bias) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        used = spec.action_dim if i == last else bias.shape[0]  # of a Gaussian, the means come first
        arrays |= {f"weight/{i}": weight[:, :used], f"bias/{i}": bias[:used]}
    if not spec.is_finite:
        arrays |= {"middle": spec.middle, "half": spec.half}
    if spec.is_open:
        arrays |= {
            name: np.asarray(side, np.float32) for name, side in zip(("low", "high"), spec.box.limits, strict=True)
        }
    chunks = chunks_of(policy)
    return Plan(
        [_described(leaf, cnn) for leaf, cnn in zip(spec.observation.leaves, cnns, strict=True)],
        mlp.activation,
        last + 1,
        _action(policy.actor.spec),
        {name: np.ascontiguousarray(x) for name, x in arrays.items()},
        None if spec.history is None else histories.described(spec.history),
        None if chunks.action_horizon == 1 else _chunk(chunks),
    )


def _chunk(chunks: ActionChunks) -> dict[str, Any]:
    return {
        "horizon": chunks.action_horizon,
        "execute": chunks.executed,
        "ensemble": chunks.action_ensemble,
        "decay": chunks.ensemble_decay,
    }


def _cnns(encoder: Encoder, space: ObservationSpace) -> tuple[CNN | None, ...]:
    return encoder.images if isinstance(encoder, CombinedEncoder) else (None,) * len(space.leaves)


def _described(leaf: Leaf, cnn: CNN | None) -> dict[str, Any]:
    about = ObservationSpace((leaf,)).describe()
    if cnn is None:
        return about
    at = Layout.of(leaf.shape)
    axes = [at.height, at.width, *at.channels]
    return about | {"cnn": {"axes": axes, "strides": list(cnn.strides), "epsilon": EPSILON}}


def _classes(i: int, leaf: Leaf) -> dict[str, np.ndarray]:
    """For each column of the one-hot vectors: which number it looks at, and the class for which it is 1."""
    if leaf.kind != "categories":
        return {}
    values = [low + np.arange(n) for n, low in zip(leaf.categories, leaf.first, strict=True)]
    return {
        f"places/{i}": np.repeat(np.arange(len(values)), leaf.categories),
        f"values/{i}": np.concatenate(values).astype(np.float32),
    }


def _convolution(i: int, cnn: CNN | None) -> dict[str, Any]:
    if cnn is None:
        return {}
    layers = {f"filter/{n}": x for n, x in enumerate(cnn.filters)} | {f"bias/{n}": x for n, x in enumerate(cnn.biases)}
    ends = {"weight": cnn.weight, "bias": cnn.bias, "scale": cnn.scale, "offset": cnn.offset}
    return {f"cnn/{i}/{name}": x for name, x in (layers | ends).items()}


def _action(spec: Spec) -> dict[str, Any]:
    space = spec.action
    shape = list(space.shape)
    if isinstance(space, FiniteActions):
        return {"kind": "finite", "sizes": space.sizes, "starts": space.starts, "shape": shape, "dtype": space.dtype}
    if space.is_open:
        return {"kind": "open box", "shape": shape}
    return {"kind": "box", "shape": shape, "limit": LOC_LIMIT, "low": space.low, "high": space.high}
