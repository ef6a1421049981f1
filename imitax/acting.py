"""Actions of a saved policy for a user's observations, compiled once."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray, Shaped

from imitax.compiled import guarded, jit
from imitax.errors import ConfigError
from imitax.execution import Memory
from imitax.networks import Policy, predict
from imitax.observation_spaces import as_batch
from imitax.observations import NO_ARRAY, Misfit, rows
from imitax.settings import number
from imitax.spaces import Spec
from imitax.types import Obs

LARGEST_SEED = 2**31 - 1
"""Of a key that is made in the compiled function; another is made outside, which takes longer."""


class Acting:
    """A policy with its compiled functions, one for each number of observations.

    A policy with a history, or one that predicts several actions, remembers what it has seen and predicted since
    `reset`: each row of its observations is then an environment of its own, one step further at every call.
    """

    def __init__(self, policy: Policy):
        self.memory = Memory.of(policy)
        self._policy = policy
        self.arrays, static = eqx.partition(policy, eqx.is_array)
        self.spec: Spec = policy.actor.spec

        def mode(arrays: Any, obs: Obs) -> Shaped[Array, "B k"]:
            return predict(eqx.combine(arrays, static), obs, jr.key(0), "mode")

        def seeded(arrays: Any, obs: Obs, seed: Array) -> Shaped[Array, "B k"]:
            return sample(arrays, obs, jr.key(seed))

        def sample(arrays: Any, obs: Obs, key: PRNGKeyArray) -> Shaped[Array, "B k"]:
            return predict(eqx.combine(arrays, static), obs, key, "sample")

        self.mode, self.seeded, self.sample = jit(mode), jit(seeded), jit(sample)

    def __reduce__(self) -> tuple[type["Acting"], tuple[Policy]]:
        """Copies and other processes compile the policy anew, and remember nothing."""
        return type(self), (self._policy,)

    def reset(self, lanes: Any = None) -> None:
        """Begin episodes in some environments (an index, several, a mask), or in all, which may be more or fewer then.

        Raises:
            ConfigError: there are no such environments.
        """
        if self.memory is not None:
            self.memory.begin(lanes)

    def __call__(self, obs: Any, sample: int | None) -> np.ndarray | np.generic:
        """Actions, as the environment takes them, for one raw observation or several [B, ...], as it gives them.

        Raises:
            ConfigError: the observations do not fit, or hold NaN or infinity, or are of more or fewer environments than
                the policy remembers; or `sample` is no whole number.
        """
        sample = noise_seed(sample)
        batch, alone = self.batch(obs)
        actions = self.act(batch, sample)
        return actions[0] if alone else actions

    def batch(self, obs: Any) -> tuple[Any, bool]:
        """Observations [B, ...], and whether they were a single one. Raises ConfigError as above."""
        space = self.spec.single
        if not space.is_flat:
            try:
                return as_batch(space, obs)
            except Misfit as e:
                raise ConfigError(f"{e}: the policy takes what its environment shows") from e
        size = space.size
        try:
            if np.iscomplexobj(obs):
                raise TypeError("complex numbers are none")
            with np.errstate(over="ignore"):  # infinite numbers are refused below
                batch = np.asarray(obs, np.float32)
        except NO_ARRAY as e:
            pair = isinstance(obs, tuple) and len(obs) == 2 and isinstance(obs[1], Mapping)
            said = "this is the pair obs, info that reset returns, give its first part" if pair else e
            raise ConfigError(f"observations must be numbers, of shape [{size}] or [B, {size}]: {said}") from e
        alone = batch.ndim == 1
        if alone:
            batch = batch[None]
        if batch.ndim == 2 and batch.shape[1] != size:
            raise ConfigError(f"observations have {batch.shape[1]} dimensions, the policy takes {size}")
        if batch.ndim != 2 or not len(batch):
            raise ConfigError(
                f"observations have the shape {list(np.shape(obs))}: the policy takes one of {size} dimensions, or "
                f"rows of them, [B, {size}]"
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
        if self.memory is None:
            columns = self._predicted(batch, sample)
        else:
            columns = self.memory.act(batch, lambda seen: self._predicted(seen, sample))
        return self.spec.action.env(columns)

    def _predicted(self, batch: Any, sample: int | None) -> np.ndarray:
        return np.asarray(self.mode(self.arrays, batch) if sample is None else self._sampled(batch, sample))

    def _sampled(self, batch: Any, sample: int) -> Array:
        if 0 <= sample <= LARGEST_SEED:
            return self.seeded(self.arrays, batch, np.int32(sample))
        return self.sample(self.arrays, batch, jr.key(sample))


def noise_seed(sample: Any) -> int | None:
    """What decides the noise of a sampled action; None, and False, are the deterministic mode.

    Raises:
        ConfigError: it is no whole number.
    """
    if sample is True:
        raise ConfigError("sample is a whole number that decides the noise: give another one at every step, not True")
    return None if sample is False else number(sample, int, "sample")


class RunPolicy:
    """The trained policies of a run: `run.policy(obs)`.

    A policy that sees more than one observation (`--history`), or predicts more than one action (`--action-horizon`),
    remembers what it has seen and predicted: give it one observation after the other, and call `reset` when an episode
    begins. Rows of a batch are environments that step together, in the same order at every call.

    Args:
        acting: `(seed, which) -> Acting`.
        opened: those that have been asked for so far.
    """

    def __init__(self, acting: Callable[[int | None, str], Acting], opened: Callable[[], Iterable[Acting]]):
        self._acting, self._opened = acting, opened

    @guarded
    def __call__(
        self, obs: Any, *, seed: int | None = None, which: str = "last", sample: int | None = None
    ) -> np.ndarray | np.generic:
        """Actions of a trained policy.

        Args:
            obs: one raw observation in the form that the environment gives it, or several [B, ...].
            seed: which seed's policy; the run's first when None.
            which: the last policy, the one with the best evaluation, or the selected one.
            sample: a number that decides the noise of a sampled action; None is the deterministic mode.

        Returns:
            Actions as the environment takes them, [A] or [B, A]; of Discrete, integers [] or [B].

        Raises:
            ConfigError: the observations do not fit the environment's space, or hold NaN or infinity, or are of more or
                fewer environments than the policy remembers.
        """
        return self._acting(seed, which)(obs, sample)

    def reset(self, lanes: Any = None, *, seed: int | None = None, which: str = "last") -> None:
        """Begin episodes. Policies that remember nothing need no reset.

        Args:
            lanes: the environments, which are rows of a batch, whose episodes begin: an index, several, a mask. None is
                all of them, for all policies of the run, and the next batch may have another size.
            seed: whose policy `lanes` are of.
            which: likewise.

        Raises:
            ConfigError: there are no such environments.
        """
        if lanes is not None:
            self._acting(seed, which).reset(lanes)
            return
        for acting in self._opened():
            acting.reset()


class Collector:
    """Actions of one policy for `imitax.datasets.collect`, which says when the episodes begin.

    Args:
        policies: one, stacked.
        act: `(policies, obs [1, N, ...], step) -> actions [1, N, H k]`, as `imitax.evaluate.make_act` makes it.
    """

    def __init__(self, policies: Policy, act: Callable[[Policy, Any, int], np.ndarray]):
        self._policies, self._act, self._memory = policies, act, Memory.of(policies)

    def reset(self) -> None:
        """Begin an episode in every environment."""
        if self._memory is not None:
            self._memory.begin()

    @guarded
    def __call__(self, obs: Any, step: int) -> np.ndarray:
        """Actions [N, ...], as the environment takes them, for raw observations [N, ...]; noise is of the step."""

        def predicted(seen: Any) -> np.ndarray:
            return self._act(self._policies, rows(seen, None), step)[0]

        columns = predicted(obs) if self._memory is None else self._memory.act(obs, predicted)
        return self._policies.actor.spec.action.env(columns)
