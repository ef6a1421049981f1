"""Early stopping: the network that explains held-out demonstrations best is kept while training goes on (Prechelt 1998,
"Early Stopping - But When?")."""

from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.buffers import Buffer
from imitax.networks import Policy
from imitax.spaces import FiniteActions

Net = TypeVar("Net")
NONE = float(np.finfo(np.float32).max)
ROWS = 1024
"""Held-out transitions that a comparison takes, evenly spaced."""


class Kept(eqx.Module, Generic[Net]):
    """The best network so far, and its loss on held-out data: `NONE` before the first comparison."""

    net: Net
    loss: Float[Array, "*S"]

    @classmethod
    def none(cls, net: Net) -> "Kept[Net]":
        """Before the first comparison."""
        return cls(net, jnp.asarray(NONE))

    def compared(self, net: Net, loss: Float[Array, ""]) -> "Kept[Net]":
        """With the network in place of the kept one where its loss is lower; one that is not finite never is."""
        better = loss < self.loss
        return Kept(_choose(better, net, self.net), jnp.where(better, loss, self.loss))

    def or_else(self, latest: Net) -> Net:
        """The kept network; before the first comparison, and where nothing is held out, the latest one."""
        return _choose(self.loss < NONE, self.net, latest)


def _choose(condition: Array, one: Net, other: Net) -> Net:
    def leaf(x: Any, y: Any) -> Any:
        if not eqx.is_array(x):
            return x
        return jnp.where(condition.reshape(*condition.shape, *(1,) * (x.ndim - condition.ndim)), x, y)

    return jax.tree.map(leaf, one, other)


def held_out_loss(policy: Policy, held_out: Buffer, key: PRNGKeyArray) -> Float[Array, ""]:
    """How far a policy's deterministic actions are from demonstrated ones that it has not learned: their mean absolute
    difference, in the actions' units; of a finite set the negative log-likelihood, which has no ties.

    The likelihood of actions in a box is no guide: it gets worse as the standard deviation becomes too small, long
    before the actions do.
    """
    data = held_out.take(held_out.evenly(ROWS))
    space = policy.actor.spec.action
    if isinstance(space, FiniteActions):
        return -policy.log_prob(data.obs, data.action).mean()
    return space.error(policy.act(data.obs, key, "mode"), data.action)
