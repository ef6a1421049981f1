"""f-divergences `D_f(P || Q) = E_Q[f(p / q)]`: generator, conjugate, and what imitation makes of them."""

import math
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from imitax.settings import Positive, settings

EDGE = 0.05
"""Distance from the edge of `concave`'s domain at which it is continued by its tangent."""


@settings("divergence")
class Divergence:
    """Which f-divergence. Generators are normalised to f(1) = f'(1) = 0, which changes no divergence."""

    kind: Literal["chi2", "kl", "reverse_kl", "js", "hellinger", "tv"] = "chi2"
    """chi2 (Pearson): (u - 1)^2. kl (forward): u log u - u + 1. reverse_kl: u - 1 - log u. js (twice Jensen-Shannon):
    u log u - (1 + u) log((1 + u) / 2). hellinger (squared): (sqrt u - 1)^2. tv (total variation): |u - 1| / 2."""
    scale: Positive = 1.0
    """Factor of the divergence; with chi2 the `alpha` of IQ-Learn, whose penalty is r^2 / (4 alpha)."""

    def f(self, u: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """The generator at density ratios u > 0."""
        log = jnp.log(u)
        return (
            self.scale
            * {
                "chi2": lambda: (u - 1) ** 2,
                "kl": lambda: u * log - u + 1,
                "reverse_kl": lambda: u - 1 - log,
                "js": lambda: u * log - (1 + u) * jnp.log((1 + u) / 2),
                "hellinger": lambda: (jnp.sqrt(u) - 1) ** 2,
                "tv": lambda: jnp.abs(u - 1) / 2,
            }[self.kind]()
        )

    def conjugate(self, t: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """`f*(t) = sup_u u t - f(u)`, over all real u for chi2, inside its domain for the others.

        tv, infinite beyond t = 1/2, goes on with slope 1 there.
        """
        s = t / self.scale
        return (
            self.scale
            * {
                "chi2": lambda: s + s**2 / 4,
                "kl": lambda: jnp.expm1(s),
                "reverse_kl": lambda: -jnp.log1p(-s),
                "js": lambda: -jnp.log(2 - jnp.exp(s)),
                "hellinger": lambda: s / (1 - s),
                "tv": lambda: jnp.maximum(s, -0.5),
            }[self.kind]()
        )

    def concave(self, r: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """`phi(r) = -f*(-r)`, which IQ-Learn applies to the expert's implied rewards (Garg et al. 2021, section 4).

        Where the conjugate has an edge (reverse_kl and hellinger at r = -1, js at -log 2, times `scale`) phi goes on
        along its tangent from EDGE inside of it: concave, finite, and its gradient still pulls r back.
        """
        low = {"reverse_kl": -1.0, "hellinger": -1.0, "js": -math.log(2)}.get(self.kind)
        if low is None:
            return -self.conjugate(-r)
        start = self.scale * (low + EDGE)
        inside = jnp.maximum(r, start)
        at_start = {  # derivative of phi there, from f*'(t) at t = -(low + EDGE)
            "reverse_kl": 1 / EDGE,
            "hellinger": 1 / EDGE**2,
            "js": 1 / (2 * math.exp(low + EDGE) - 1),
        }[self.kind]
        return -self.conjugate(-inside) + at_start * (r - inside)

    def state_reward(self, log_ratio: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """`h(u) = f(u) - u f'(u)` at `u = exp(log_ratio)`, up to a constant (Ni et al. 2020, theorem 4.1).

        The gradient of D_f(expert || learner) with respect to a reward is the covariance of h with the reward's
        gradient along the learner's trajectories; -h is high where the expert is and the learner is not.
        """
        u = jnp.exp(log_ratio)
        return (
            self.scale
            * {
                "chi2": lambda: -(u**2),
                "kl": lambda: -u,
                "reverse_kl": lambda: -log_ratio,
                "js": lambda: -jnp.logaddexp(0.0, log_ratio),
                "hellinger": lambda: -jnp.sqrt(u),
                "tv": lambda: -jnp.sign(u - 1) / 2,
            }[self.kind]()
        )
