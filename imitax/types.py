"""The types that every other room shares, and the one definition of `terminated`.

Observations are pytrees of arrays with a leading axis of examples; a flat Box is one array [B, O].
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree, Shaped

if TYPE_CHECKING:
    AnyArray = Any  # NumPy's and JAX's arrays share no base class
else:
    AnyArray = Array | np.ndarray
"""An array on the host or on the device."""

Obs = PyTree[Shaped[AnyArray, "..."]]
"""Observations: a pytree of arrays [B, ...]."""

Metrics = dict[str, Any]
"""Named scalars that a loss or an update reports; the loop averages them over a chunk."""

Tree = TypeVar("Tree")


class Transition(eqx.Module):
    """A batch of environment steps.

    `terminated` means that the MDP ended at `next_obs`. A time limit is never in it: at a time limit the
    episode stops, but the value of `next_obs` still counts. `next_obs` is always the true next observation,
    also at the end of an episode.

    `absorbing` marks a step from the absorbing state that follows a termination to itself: its observation and action
    are zeros and `terminated` is True. Only samples that a source draws for `Needs.absorbing` contain any.
    """

    obs: Obs
    action: Float[AnyArray, "*B A"]
    reward: Float[AnyArray, "*B"]
    next_obs: Obs
    terminated: Bool[AnyArray, "*B"]
    absorbing: Bool[AnyArray, "*B"]
    uncertainty: Float[AnyArray, "*B"] | None = None
    """Of model transitions, how uncertain the model is (`choices/pessimism.py`); None of real ones."""
    recorded: Bool[AnyArray, "*B H"] | None = None
    """Where `action` is the next H actions, which of them the episode has; None where it is one action."""

    def __len__(self) -> int:
        return len(self.reward)


class RewardInput(NamedTuple):
    """What a reward or discriminator sees of transitions; flags are 0 or 1 and mark the end (`Terminal`)."""

    obs: Obs
    action: Float[Array, "B A"]
    flag: Float[Array, "B"]
    next_obs: Obs
    next_flag: Float[Array, "B"]


def concat(*trees: Tree) -> Tree:
    """Batches of the same structure, one after the other."""
    return jax.tree.map(lambda *x: jnp.concatenate(x), *trees)


def part(tree: Tree, start: int, stop: int) -> Tree:
    """The examples `start` to `stop` of a batch."""
    return jax.tree.map(lambda x: x[start:stop], tree)


def scaled(tree: Tree, factor: Float[AnyArray, "*B"]) -> Tree:
    """Every leaf [*B, ...] times one factor for each example."""
    return jax.tree.map(lambda x: x * factor.reshape(*factor.shape, *(1,) * (x.ndim - factor.ndim)), tree)


class Carried(eqx.Module):
    """An array of a network that goes from step to step and is no parameter: nothing trains, decays or averages it."""

    value: Array


@runtime_checkable
class Iterated(Protocol):
    """A part of a network that has `Carried` arrays."""

    def iterated(self) -> Any:
        """The part after one step of the network: its carried arrays are brought up to date."""
        ...

    def restarted(self) -> Any:
        """The part with carried arrays computed from its parameters alone."""
        ...


def of_iterated(f: Callable[[Iterated], Any], tree: Tree) -> Tree:
    """The tree with `f` applied to its `Iterated` parts."""

    def own(x: Any) -> bool:
        return isinstance(x, Iterated)

    return jax.tree.map(lambda x: f(x) if own(x) else x, tree, is_leaf=own)


def parameters(net: Any) -> Any:
    """A network with None in the place of all that is not trained."""
    return jax.tree.map(lambda x: x if eqx.is_inexact_array(x) else None, net, is_leaf=lambda x: isinstance(x, Carried))


class Batch(NamedTuple):
    """What one update learns from; an algorithm's `Needs` say which fields there are, the others are None."""

    expert: Transition | None = None
    replay: Transition | None = None
    initial: Transition | None = None
    """First steps of demonstrations."""
    offline: Transition | None = None
    """Recorded transitions that are no demonstrations."""
    rollouts: Transition | None = None
    """Transitions of rollouts in a learned model."""
