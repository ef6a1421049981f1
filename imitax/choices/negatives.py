"""Counter-examples: the actions that the demonstrated one is told apart from."""

import math
from collections.abc import Callable
from dataclasses import field
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.errors import ConfigError
from imitax.networks import ActionRange, Langevin, TanhGaussian, draw_actions, log_probs
from imitax.settings import Count, CountOrZero, settings
from imitax.spaces import FiniteActions
from imitax.types import Obs


def all_others(space: FiniteActions, action: Float[Array, "B A"]) -> Float[Array, "B N A"]:
    """Counter-examples from a finite set: all K - 1 joint actions but the demonstrated one."""
    joint = jnp.asarray(space.joint())
    own = space.combined(action, jnp.multiply).argmax(-1)  # [B]
    return joint[(own[:, None] + 1 + jnp.arange(len(joint) - 1)[None]) % len(joint)]


@settings("negatives")
class Negatives:
    """Counter-examples of each demonstrated state, in unit coordinates of the searched range. Of a finite set they are
    all other actions, whatever these settings are."""

    kind: Literal["uniform", "langevin", "actor", "mix"] = "mix"
    """uniform: over the range. langevin: uniform ones, moved to where f is high by a chain. actor: drawn from the
    amortised policy. mix: `actor` of the policy's, `langevin` of the chain's, the rest
    uniform."""
    count: Count = 8
    """Counter-examples a state."""
    actor: CountOrZero = 4
    """Of these in a mix, how many are the amortised policy's."""
    chained: CountOrZero = 0
    """Of these in a mix, how many are a chain's."""
    corrected: bool = False
    """Subtract the log-density of the counter-examples' distribution from f in the loss, so that f estimates
    log pi_E(a|s) for whatever counter-examples (Ma and Collins 2018; R-NCE, Singh et al. 2023, arXiv:2309.05803).
    Without it f estimates the log-ratio of the two densities, flat where the counter-examples are like the expert."""
    langevin: Langevin = field(default_factory=Langevin)
    """The chain."""

    def __post_init__(self):
        if self.actor + self.chained > self.count:
            raise ConfigError(
                f"negatives.actor ({self.actor}) and negatives.chained ({self.chained}) are parts of "
                f"negatives.count ({self.count})"
            )
        if self.corrected and self.counts[1]:
            raise ConfigError(
                "negatives.corrected needs the counter-examples' density, which those of a chain have not: take "
                "negatives.kind uniform, actor, or mix with negatives.chained 0"
            )

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many are uniform, a chain's, and the policy's."""
        n = self.count
        mix = (n - self.actor - self.chained, self.chained, self.actor)
        return {"uniform": (n, 0, 0), "langevin": (0, n, 0), "actor": (0, 0, n), "mix": mix}[self.kind]

    def draw(
        self,
        f: Callable[[Array], Array],
        actor: TanhGaussian,
        obs: Obs,
        searched: ActionRange,
        key: PRNGKeyArray,
    ) -> Float[Array, "B N A"]:
        """Unit actions, uniform ones first, then the chain's, then the policy's; no gradient flows through them.

        Those of the policy may lie outside [-1, 1], where it leaves the searched range.

        Args:
            f: `[B, M, A] -> [B, M]` at these states.
            actor: the amortised policy.
            obs: normalised observations.
            searched: the range whose unit coordinates these are.
            key: of the draw.
        """
        n_uniform, n_chained, n_actor = self.counts
        k_uniform, k_chain, k_actor = jr.split(key, 3)
        shape = (len(jax.tree.leaves(obs)[0]), n_uniform + n_chained, actor.spec.action_dim)
        uniform = jr.uniform(k_uniform, shape, minval=-1, maxval=1)
        parts = [uniform[:, :n_uniform]]
        if n_chained:
            parts.append(self.langevin(f, uniform[:, n_uniform:], k_chain))
        if n_actor:
            parts.append(searched.unit(draw_actions(actor, obs, n_actor, k_actor)))
        return jax.lax.stop_gradient(jnp.concatenate(parts, 1))

    def log_density(
        self, actor: TanhGaussian, obs: Obs, searched: ActionRange, unit: Float[Array, "B N A"]
    ) -> Float[Array, "B N"]:
        """Log-density of the mixture that counter-examples are drawn from, per volume of unit coordinates."""
        n_actor = self.counts[2]
        inside = (jnp.abs(unit) <= 1).all(-1)
        density = jnp.where(inside, -unit.shape[-1] * math.log(2.0), -jnp.inf)
        if n_actor:
            of_actor = log_probs(actor, obs, searched.action(unit)) + jnp.log(searched.half).sum()
            share = n_actor / self.count
            density = jnp.logaddexp(density + math.log(max(1 - share, 1e-30)), of_actor + math.log(share))
        return jax.lax.stop_gradient(density)
