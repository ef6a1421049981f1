"""Policies of every kind that is exported, small ones."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from imitax.networks import EncoderConfig, Normalizer, Policy, PolicyConfig, policy_head
from imitax.spaces import BoxActions, FiniteActions, Leaf, ObservationSpace, Spec

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
