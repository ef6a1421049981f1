"""Implicit maximisation: a state value near the best action that the data show, without asking for any other."""

from typing import Annotated, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.settings import Positive, Range, settings


@settings("maximum")
class ImplicitMaximum:
    """Asymmetric loss of `x = Q(s, a) - V(s)` whose minimum over V lies above the mean of Q."""

    kind: Literal["expectile", "gumbel"] = "expectile"
    """expectile: |tau - 1(x < 0)| x^2 (Kostrikov et al. 2022, arXiv:2110.06169, equation 5). gumbel: e^z - z - 1 with
    z = x / beta, whose minimum is `beta log E[e^(Q / beta)]`, the soft maximum (Garg et al. 2023, arXiv:2301.02328,
    equation 10; the reverse KL of ReCOIL)."""
    tau: Annotated[float, Range(0.5, 1.0, open_high=True)] = 0.8
    """Expectile: 0.5 is the mean, 1 the maximum."""
    beta: Positive = 1.0
    """Temperature of gumbel, in units of the value."""
    clip: Positive = 7.0
    """Largest z of gumbel; beyond it the loss goes on along its tangent."""

    def __call__(self, x: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Loss of each difference."""
        if self.kind == "expectile":
            return jnp.where(x < 0, 1 - self.tau, self.tau) * x**2
        z = x / self.beta
        inside = jnp.minimum(z, self.clip)
        return jnp.exp(inside) * (1 + z - inside) - z - 1
