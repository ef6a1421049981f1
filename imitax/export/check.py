"""Whether an exported policy acts like its original, with the largest difference: on many observations, and where it
remembers, in episodes of several environments too."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Shaped

from imitax.compiled import filter_jit
from imitax.execution import Execution, Memory
from imitax.export import imitax_policy
from imitax.networks import Categorical, Policy, chunks_of, explicit, predict
from imitax.observations import count, rows
from imitax.spaces import Leaf, Spec
from imitax.types import Obs

OBSERVATIONS = 10_000
ALONE = 100
"""Of them, those that are also given one by one."""
BYTES = 2**24
"""Of observations at a time."""
STEPS, LANES, ENDS = 200, (4, 1), 0.1
"""Of sequences: steps, numbers of environments one after the other, and how probably an episode ends at a step."""


def draw(policy: Policy, number: int) -> Any:
    """Observations [number, ...] that a policy's network could see: Gaussian with mean and standard deviation of its
    normaliser, three times as wide in the second half; images, classes and binary numbers are uniform."""
    rng, space = np.random.default_rng(0), policy.actor.spec.observation
    means, stds = (jax.tree.leaves(x) for x in (policy.normalizer.mean, policy.normalizer.std))
    wide = np.where(np.arange(number) < number // 2, 1.0, 3.0)

    def one(leaf: Leaf, mean: Array, std: Array) -> np.ndarray:
        shape = (number, *leaf.shape)
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
        act: the exported one without memory: observations as the network sees them, one or [B, ...], to actions, or to
            the H actions that are predicted.
        obs: observations [N, ...].
        alone: how many of them are also given one by one; 0 where `act` takes only [B, ...].

    Returns:
        Of a box, the largest absolute difference in a dimension as a share of half its range, so that 1 is the middle
        instead of an end. Of a finite set, how much less log-probability the exported choice has than the best one, 0
        where they are the same. NaN counts as infinite.
    """
    policy, leaves = explicit(policy), jax.tree.leaves(obs)
    size = sum(x.nbytes for x in leaves) // count(obs)
    step = max(1, min(1000, BYTES // size))
    parts = [rows(obs, slice(i, i + step)) for i in range(0, count(obs), step)]
    worst = max(_largest(policy, part, act(part)) for part in parts)
    for i in range(min(alone, count(obs))):
        one = rows(obs, slice(i, i + 1))
        worst = max(worst, _largest(policy, one, np.asarray(act(rows(obs, i)))[None]))
    return worst


@filter_jit
def _columns(policy: Policy, obs: Obs) -> Shaped[Array, "B Hk"]:
    """Actions as data have them."""
    return predict(policy, obs, jr.key(0), "mode")


def difference_in_episodes(policy: Policy, exported: imitax_policy.Policy, obs: Any, steps: int = STEPS) -> float:
    """The largest difference where both remember, in environments whose episodes end at random steps.

    The original acts as `run.policy` does. Where it sees earlier actions it is shown those of the export, so that
    rounding is not fed back.

    Args:
        policy: the original.
        exported: likewise, with its memory.
        obs: single observations [N, ...], of which the environments show random ones.
        steps: of each number of environments in `LANES`.

    Returns:
        As `difference`.
    """
    spec, memory, values = policy.actor.spec, Memory(policy.actor.spec, chunks_of(policy)), Execution(chunks_of(policy))
    rng, network, worst = np.random.default_rng(1), explicit(policy), 0.0
    latest: list[Any] = []

    def predicted(seen: Any) -> np.ndarray:
        latest[:] = [jax.tree.map(jnp.asarray, seen)]
        return np.asarray(_columns(policy, *latest))

    for lanes in LANES:
        for t in range(steps):
            ended = None if t == 0 else rng.random(lanes) < ENDS
            for begin in (memory.begin, values.begin, exported.reset):
                begin(ended)
            shown = rows(obs, rng.integers(count(obs), size=lanes))
            memory.act(shown, predicted)
            found = values(lambda: np.asarray(_original(network, *latest)))
            actions = np.reshape(exported(shown if lanes > 1 else rows(shown, 0)), (lanes, -1))
            worst = max(worst, _largest_of(spec, found, actions))
            if worst == np.inf:
                return worst
            if memory.recent is not None:
                memory.recent.actions[:, -1] = spec.action.encode(actions)
    return worst


def _largest(policy: Policy, obs: Any, actions: np.ndarray) -> float:
    return _largest_of(policy.actor.spec, np.asarray(_original(policy, jax.tree.map(jnp.asarray, obs))), actions)


def _largest_of(spec: Spec, found: np.ndarray, actions: np.ndarray) -> float:
    """The largest difference of actions from what `_original` has found."""
    found = np.asarray(found, np.float64)
    columns = np.asarray(actions).reshape(len(found), -1)
    if not spec.is_finite:
        off = (np.abs(columns - found) / np.asarray(spec.half, np.float64)).max()
    else:
        parts = [np.asarray(x) for x in spec.finite.factors(jnp.asarray(found, jnp.float32))]
        index = columns.astype(int) - np.asarray(spec.finite.starts)
        off = max(float((x.max(-1) - np.take_along_axis(x, index[:, [i]], 1)[:, 0]).max()) for i, x in enumerate(parts))
    return float(off) if np.isfinite(off) else float("inf")
