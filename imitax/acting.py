"""Actions of a saved policy for a user's observations, compiled once."""

from typing import Any

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray, Shaped

from imitax.compiled import jit
from imitax.errors import ConfigError
from imitax.networks import Policy
from imitax.observation_spaces import as_batch
from imitax.observations import Misfit
from imitax.spaces import Spec
from imitax.types import Obs

LARGEST_SEED = 2**31 - 1
"""Of a key that is made in the compiled function; another is made outside, which takes longer."""


class Acting:
    """A policy with its compiled functions, one for each number of observations."""

    def __init__(self, policy: Policy):
        self.arrays, static = eqx.partition(policy, eqx.is_array)
        self.spec: Spec = policy.actor.spec

        def mode(arrays: Any, obs: Obs) -> Shaped[Array, "B k"]:
            return eqx.combine(arrays, static).columns(obs, jr.key(0), "mode")

        def seeded(arrays: Any, obs: Obs, seed: Array) -> Shaped[Array, "B k"]:
            return sample(arrays, obs, jr.key(seed))

        def sample(arrays: Any, obs: Obs, key: PRNGKeyArray) -> Shaped[Array, "B k"]:
            return eqx.combine(arrays, static).columns(obs, key, "sample")

        self.mode, self.seeded, self.sample = jit(mode), jit(seeded), jit(sample)

    def __call__(self, obs: Any, sample: int | None) -> np.ndarray | np.generic:
        """Actions, as the environment takes them, for one raw observation or several [B, ...], as it gives them.

        Raises:
            ConfigError: the observations do not fit, or hold NaN or infinity.
        """
        batch, alone = self.batch(obs)
        actions = self.act(batch, sample)
        return actions[0] if alone else actions

    def batch(self, obs: Any) -> tuple[Any, bool]:
        """Observations [B, ...], and whether they were a single one. Raises ConfigError as above."""
        space = self.spec.observation
        if not space.is_flat:
            try:
                return as_batch(space, obs)
            except Misfit as e:
                raise ConfigError(f"{e}: the policy takes what its environment shows") from e
        size = space.size
        try:
            batch = np.asarray(obs, np.float32)
        except (TypeError, ValueError) as e:
            raise ConfigError(f"observations must be numbers, of shape [{size}] or [B, {size}]: {e}") from e
        alone = batch.ndim == 1
        if alone:
            batch = batch[None]
        if batch.ndim != 2 or batch.shape[1] != size:
            raise ConfigError(
                f"observations have {batch.shape[-1] if batch.ndim else 0} dimensions, the policy takes {size}"
            )
        finite = np.isfinite(batch)
        if not finite.all():
            row, dim = np.argwhere(~finite)[0].tolist()
            where = "" if alone else f" of row {row}"
            raise ConfigError(
                f"observation {dim}{where} is {batch[row, dim]:g}: a policy acts on finite numbers; repair what "
                "observes it"
            )
        return batch, alone

    def act(self, batch: Any, sample: int | None) -> Shaped[np.ndarray, "B ..."]:
        """Actions for observations that have been checked."""
        columns = self.mode(self.arrays, batch) if sample is None else self._sampled(batch, sample)
        return self.spec.action.env(np.asarray(columns))

    def _sampled(self, batch: Any, sample: int) -> Array:
        if 0 <= sample <= LARGEST_SEED:
            return self.seeded(self.arrays, batch, np.int32(sample))
        return self.sample(self.arrays, batch, jr.key(sample))
