"""Where a task ends, as a function of the observation: known for Gymnasium's MuJoCo tasks, learned for others."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from imitax.types import AnyArray

_FREE = (-math.inf, math.inf)


class Termination(eqx.Module):
    """The MDP ends where an observation leaves an open box, or is not finite.

    Args:
        low, high: of each observation, in its own unit.
        inclusive: whether the bounds themselves belong to the box.
    """

    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    inclusive: bool = eqx.field(static=True, default=False)

    def within(self, before: int, after: int) -> "Termination":
        """The same rule for observations that stand among other numbers: `before` in front of them, `after` behind."""
        low, high = (
            (infinite,) * before + bound + (infinite,) * after
            for bound, infinite in ((self.low, -math.inf), (self.high, math.inf))
        )
        return Termination(low, high, self.inclusive)

    def __call__(self, obs: Float[AnyArray, "B O"]) -> Bool[Array, "B"]:
        """Whether each observation, not normalised, is where an episode has ended."""
        low, high = jnp.asarray(self.low)[None], jnp.asarray(self.high)[None]
        inside = (low <= obs) & (obs <= high) if self.inclusive else (low < obs) & (obs < high)
        return ~(inside & jnp.isfinite(obs)).all(-1)


def known_termination(env_id: str, env_kwargs: dict[str, Any], obs_dim: int) -> Termination | None:
    """The termination of a task that is known here, None of others.

    Ranges that `env_kwargs` change are followed. Observed velocities are clipped to +-10 by the tasks, so the ranges
    of the full state that only a diverging simulation leaves (+-100) show themselves in positions alone.
    """
    name, _, version = env_id.partition("-")
    if version not in ("v4", "v5"):
        return None
    rows: dict[int, tuple[float, float]] = {}
    first = int(not env_kwargs.get("exclude_current_positions_from_observation", True))  # x, shown before the rest
    inclusive = False
    if name == "Hopper":
        low, high = env_kwargs.get("healthy_state_range", (-100.0, 100.0))
        rows = dict.fromkeys(range(first + 1, obs_dim), (low, high))
        rows[first] = env_kwargs.get("healthy_z_range", (0.7, math.inf))
        angle = env_kwargs.get("healthy_angle_range", (-0.2, 0.2))
        rows[first + 1] = (max(low, angle[0]), min(high, angle[1]))
    elif name == "Walker2d":
        rows = {
            first: env_kwargs.get("healthy_z_range", (0.8, 2.0)),
            first + 1: env_kwargs.get("healthy_angle_range", (-1.0, 1.0)),
        }
    elif name == "Ant":
        rows = {2 * first: env_kwargs.get("healthy_z_range", (0.2, 1.0))}
        inclusive = True
    elif name == "Humanoid":
        rows = {2 * first: env_kwargs.get("healthy_z_range", (1.0, 2.0))}
    elif name not in ("HalfCheetah", "Swimmer", "Reacher", "Pusher"):
        return None
    if not env_kwargs.get("terminate_when_unhealthy", True):
        rows = {}
    bounds = [tuple(map(float, rows.get(i, _FREE))) for i in range(obs_dim)]
    return Termination(tuple(b[0] for b in bounds), tuple(b[1] for b in bounds), inclusive)
