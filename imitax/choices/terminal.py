"""What a terminal state is worth: the only code, beside the sources, that reads `terminated`."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@dataclass(frozen=True)
class Terminal:
    """How a loss treats transitions that end the MDP. Time limits are not among them."""

    kind: Literal["none", "mask"] = "mask"
    """none: bootstrap through the end, as if the horizon were infinite. mask: the value of a terminal state is zero."""

    def next_value(
        self,
        v_next: Float[Array, "*B"],
        terminated: Bool[Array, "*B"],
        absorbing_value: Float[Array, "*B"] | float = 0.0,
    ) -> Float[Array, "*B"]:
        """Value of the next state as it enters a target.

        Args:
            v_next: value of `next_obs`.
            terminated: the MDP ended there.
            absorbing_value: value of the absorbing state, for kinds that model it; none and mask ignore it.
        """
        del absorbing_value
        if self.kind == "none":
            return v_next
        return jnp.where(terminated, 0.0, v_next)
