"""Policies of every kind that is exported, small ones."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from imitax.history import ACTIONS, stacked_shape
from imitax.networks import (
    ActionChunks,
    ChunkActor,
    EncoderConfig,
    Normalizer,
    Policy,
    PolicyConfig,
    chunked,
    policy_head,
)
from imitax.spaces import BoxActions, FiniteActions, History, Leaf, ObservationSpace, Spec

FLAT = ObservationSpace((Leaf((3,)),))
BOX = BoxActions((-0.3, -2.0), (1.2, 0.5))
ENCODER = EncoderConfig(channels=(4, 5), kernels=(4, 2), strides=(2, 1), features=6)
MIXED = ObservationSpace.of(
    {
        "camera": Leaf((3, 8, 10), "image"),  # channels first
        "frames": Leaf((2, 9, 8, 1), "image"),
        "small": Leaf((2, 2), "image"),  # flattened
        "switch": Leaf((2,), "binary"),
        "where": (Leaf((2, 2)), Leaf((2,), "categories", (2, 3), (0, -1))),
    }
)
SPACES = {
    "flat": (FLAT, BOX, "relu"),
    "silu": (FLAT, BOX, "silu"),
    "open": (FLAT, BoxActions.of((-float("inf"), -2.0), (float("inf"), 0.5)), "relu"),
    "mixed": (MIXED, BOX, "tanh"),
    "class": (ObservationSpace((Leaf((), "categories", (4,), (1,)),)), FiniteActions((3,), (-1,)), "relu"),
    "factors": (FLAT, FiniteActions((2, 3), (0, 5), (2,), "int8"), "tanh"),
}


def policy(name, precision="float32"):
    """With weights three times as large as those at the start, so that actions differ, and statistics of its own."""
    space, action, activation = SPACES[name]
    cfg = PolicyConfig((16, 8), activation, encoder=ENCODER)
    actor = policy_head(Spec(space, action), cfg, key=jr.key(1), precision=precision)
    actor = eqx.tree_at(lambda a: a.mlp.weights, actor, replace_fn=lambda weights: tuple(3 * w for w in weights))
    normalizer = Normalizer.identity(space)
    if space is FLAT:
        normalizer = Normalizer.of(space, (jnp.array([1.0, -20.0, 0.0]), jnp.array([0.5, 8.0, 1e-3])))
    return Policy(normalizer, actor)


def remembering(name, length=1, actions=False, **chunks):
    """The same with a history and chunks, whose later actions are others."""
    space, action, activation = SPACES[name]
    spec, cfg = Spec(space, action), PolicyConfig((16, 8), activation, encoder=ENCODER)
    if length > 1:
        history = History(length, actions, space)
        spec = Spec(_stacked(history, action.size), action, history)
    chunks = ActionChunks(**chunks)
    head = policy_head(chunked(spec, chunks.action_horizon), cfg, key=jr.key(2))
    head = eqx.tree_at(lambda a: a.mlp.weights, head, replace_fn=lambda weights: tuple(3 * w for w in weights))
    actor = head if chunks.action_horizon == 1 else ChunkActor(head, spec, chunks)
    return Policy(Normalizer.identity(spec.observation), actor)


def _stacked(history, size):
    """The space of what `imitax.history.join` makes."""
    length, past = history.length, (history.length - 1) * size
    leaves = [
        Leaf(stacked_shape(x, length), x.kind, x.categories * length, x.first * length) for x in history.single.leaves
    ]
    tree = jax.tree.unflatten(history.single.structure, leaves)
    if not history.actions:
        return ObservationSpace.of(tree)
    if history.single.is_flat:
        return ObservationSpace((Leaf((leaves[0].size + past,)),))
    return ObservationSpace.of({"observation": tree, ACTIONS: Leaf((past,))})
