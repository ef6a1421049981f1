"""The types that every other room shares, and the one definition of `terminated`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

if TYPE_CHECKING:
    AnyArray = Any  # NumPy's and JAX's arrays share no base class
else:
    AnyArray = Array | np.ndarray
"""An array on the host or on the device."""

Metrics = dict[str, Any]
"""Named scalars that a loss or an update reports; the loop averages them over a chunk."""


class Transition(eqx.Module):
    """A batch of environment steps.

    `terminated` means that the MDP ended at `next_obs`. A time limit is never in it: at a time limit the
    episode stops, but the value of `next_obs` still counts. `next_obs` is always the true next observation,
    also at the end of an episode.

    `absorbing` marks a step from the absorbing state that follows a termination to itself: its observation and action
    are zeros and `terminated` is True. Only samples that a source draws for `Terminal.rows` contain any.
    """

    obs: Float[AnyArray, "*B O"]
    action: Float[AnyArray, "*B A"]
    reward: Float[AnyArray, "*B"]
    next_obs: Float[AnyArray, "*B O"]
    terminated: Bool[AnyArray, "*B"]
    absorbing: Bool[AnyArray, "*B"]
    uncertainty: Float[AnyArray, "*B"] | None = None
    """Of imagined steps, how unsure the model is of them (`choices/pessimism.py`); None of real ones."""


def concat(*parts: Transition) -> Transition:
    """Batches of transitions, one after the other."""
    return jax.tree.map(lambda *x: jnp.concatenate(x), *parts)


def part(t: Transition, start: int, stop: int) -> Transition:
    """The transitions `start` to `stop` of a batch."""
    return jax.tree.map(lambda x: x[start:stop], t)


class Batch(NamedTuple):
    """What one update learns from; an algorithm declares which fields it needs, the others are None."""

    expert: Transition | None = None
    replay: Transition | None = None
    initial: Transition | None = None
    """First steps of demonstrations, for configurations with `needs_initial`."""
    offline: Transition | None = None
    """Recorded transitions that are no demonstrations, for methods that need offline data."""
    imagined: Transition | None = None
    """Transitions of rollouts in a learned model, for methods that have one."""


class Periodic(NamedTuple):
    """Slow work between chunks of updates, which an algorithm's `periodic(cfg)` lists in its order."""

    every: int
    """Steps between its turns."""
    run: Callable[..., Any]
    """`(state, buffers, cfg, key) -> (state, metrics)` of one seed, inside jit."""


class Spec(eqx.Module):
    """The shape of a task: observation and action sizes and the action box that policies map onto."""

    obs_dim: int = eqx.field(static=True)
    action_dim: int = eqx.field(static=True)
    action_low: tuple[float, ...] = eqx.field(static=True)
    action_high: tuple[float, ...] = eqx.field(static=True)

    @property
    def middle(self) -> Float[Array, "A"]:
        """Centre of the action box."""
        return (jnp.asarray(self.action_high) + jnp.asarray(self.action_low)) / 2

    @property
    def half(self) -> Float[Array, "A"]:
        """Half the width of the action box."""
        return (jnp.asarray(self.action_high) - jnp.asarray(self.action_low)) / 2
