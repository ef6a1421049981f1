"""Whether an exported policy acts like its original: on many observations, with the largest difference."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from imitax.compiled import filter_jit
from imitax.networks import Categorical, Policy
from imitax.observations import rows
from imitax.spaces import Leaf
from imitax.types import Obs

OBSERVATIONS = 10_000
ALONE = 100
"""Of them, those that are also given one by one."""
BYTES = 2**24
"""Of observations at a time."""


def draw(policy: Policy, count: int) -> Any:
    """Observations [count, ...] that a policy could see: Gaussian with mean and standard deviation of its normaliser,
    three times as wide in the second half; images, classes and binary numbers are uniform."""
    rng, space = np.random.default_rng(0), policy.actor.spec.observation
    means, stds = (jax.tree.leaves(x) for x in (policy.normalizer.mean, policy.normalizer.std))
    wide = np.where(np.arange(count) < count // 2, 1.0, 3.0)

    def one(leaf: Leaf, mean: Array, std: Array) -> np.ndarray:
        shape = (count, *leaf.shape)
        if leaf.kind == "image":
            return rng.integers(0, 256, shape, np.uint8)
        if leaf.kind == "binary":
            return rng.integers(0, 2, shape).astype(np.float32)
        if leaf.kind == "categories":
            first, classes = (np.reshape(x, leaf.shape) for x in (leaf.first, leaf.categories))
            return rng.integers(first, first + classes, shape).astype(np.float32)
        spread = wide.reshape(-1, *(1,) * len(leaf.shape))
        return (np.asarray(mean) + spread * np.asarray(std) * rng.standard_normal(shape)).astype(np.float32)

    drawn = [one(*x) for x in zip(space.leaves, means, stds, strict=True)]
    return jax.tree.unflatten(space.structure, drawn)


@filter_jit
def _original(policy: Policy, obs: Obs) -> Float[Array, "B A"]:
    """Actions of a box; of a finite set, log-probabilities."""
    x, actor = policy.normalizer(obs), policy.actor
    return actor.log_probs(x) if isinstance(actor, Categorical) else actor.mode(x)


def difference(policy: Policy, act: Callable[[Any], np.ndarray], obs: Any, alone: int = ALONE) -> float:
    """The largest difference of an exported policy's actions from the original's.

    Args:
        policy: the original.
        act: the exported one: observations as the environment gives them, one or [B, ...], to actions.
        obs: observations [N, ...].
        alone: how many of them are also given one by one; 0 where `act` takes only [B, ...].

    Returns:
        Of a box, the largest absolute difference in a dimension as a share of half its range, so that 1 is the middle
        instead of an end. Of a finite set, how much less log-probability the exported choice has than the best one, 0
        where they are the same. NaN counts as infinite.
    """
    leaves = jax.tree.leaves(obs)
    count, size = len(leaves[0]), sum(x.nbytes for x in leaves) // len(leaves[0])
    step = max(1, min(1000, BYTES // size))
    parts = [rows(obs, slice(i, i + step)) for i in range(0, count, step)]
    worst = max(_largest(policy, part, act(part)) for part in parts)
    for i in range(min(alone, count)):
        one = rows(obs, slice(i, i + 1))
        worst = max(worst, _largest(policy, one, np.asarray(act(rows(obs, i)))[None]))
    return worst


def _largest(policy: Policy, obs: Any, actions: np.ndarray) -> float:
    spec, found = policy.actor.spec, np.asarray(_original(policy, jax.tree.map(jnp.asarray, obs)), np.float64)
    columns = np.asarray(actions).reshape(len(found), -1)
    if not spec.is_finite:
        off = (np.abs(columns - found) / np.asarray(spec.half, np.float64)).max()
    else:
        parts = [np.asarray(x) for x in spec.finite.factors(jnp.asarray(found, jnp.float32))]
        index = columns.astype(int) - np.asarray(spec.finite.starts)
        off = max(float((x.max(-1) - np.take_along_axis(x, index[:, [i]], 1)[:, 0]).max()) for i, x in enumerate(parts))
    return float(off) if np.isfinite(off) else float("inf")
