"""What stands between imitax and an environment: every answer is checked, so that a wrong one is never learned from."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import gymnasium as gym
import jax
import numpy as np

from imitax.envs.faults import advice
from imitax.envs.limits import registration
from imitax.errors import EnvError
from imitax.observation_spaces import checked, of_space, parts
from imitax.observations import Misfit, kind_of

FIRST_USE = (AssertionError, AttributeError, TypeError, ValueError, gym.error.Error)
"""What Gymnasium's checkers and wrappers raise in the first reset or step of an environment with another interface."""

LARGEST_REWARD = 1e15
"""In size: squares of its discounted sums, as losses have them, are still 32-bit numbers. An infinite loss has no
gradient, and an optimiser would learn nothing without a word."""

_open: "WeakValueDictionary[int, Guard]" = WeakValueDictionary()
"""The guards that are in use, by the identity of the environment beneath all wrappers."""


def name_of(env: Any) -> str:
    """How messages call an environment: its id, or the name of its class."""
    spec = registration(env)
    return type(getattr(env, "unwrapped", env)).__name__ if spec is None else spec.id


def close(env: Any) -> None:
    """Close an environment, if it can be closed."""
    end = getattr(env, "close", None)
    if end is not None:
        end()


class Guard:
    """An environment whose answers are checked at every reset and step.

    Observations come out as the pytrees of arrays that the space describes, float32 without NaN or infinity, and
    images of bytes; rewards as finite numbers, ends as booleans. The environment gets an action array of its own, which
    it may change or keep.

    Args:
        env: the environment.
        owned: `close` closes it, and no second guard may hold it at the same time.

    Raises:
        EnvError: another guard holds this environment: a function that is to make environments returned one twice.
        ConfigError: its observations cannot be made arrays of.
    """

    def __init__(self, env: Any, owned: bool = True):
        self.env, self.owned, self.name = env, owned, name_of(env)
        self.observation_space: gym.Space = env.observation_space
        self.action_space: gym.Space = env.action_space
        self.space = of_space(self.observation_space, f"{self.name}: observation")
        self.leaves = self.space.tree
        self.shape = self.space.leaves[0].shape if self.space.is_array else ()
        zeros = np.zeros(self.shape, np.float32)
        self.product = zeros.dot if len(self.shape) == 1 else partial(np.vdot, zeros)
        """With finite numbers zero, with others NaN: the cheapest check."""
        self.episodes = self.steps = 0
        self.has_stepped = False
        if owned:
            self._register()

    def _register(self) -> None:
        base = getattr(self.env, "unwrapped", self.env)
        other = _open.get(id(base))
        if other is not None:
            raise EnvError(
                f"{self.name}: the function that makes environments returned the same object twice, so two episodes "
                "would run in one; let it make a new one at every call, or pass the environment itself as env"
            )
        _open[id(base)] = self

    @property
    def unwrapped(self) -> Any:
        """The environment beneath all wrappers."""
        return getattr(self.env, "unwrapped", self.env)

    @property
    def spec(self) -> Any:
        """As registered in Gymnasium; None when it is not."""
        return registration(self.env)

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Raises:
            EnvError: with what is wrong and what to do.
        """
        self.steps = 0
        if self.episodes:
            result = self.env.reset(seed=seed)
        else:
            result = self._first_use(lambda: self.env.reset(seed=seed), "reset must take a seed: reset(*, seed=None)")
        self.episodes += 1
        if not (isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[1], Mapping | None)):
            two = isinstance(result, tuple | list) and len(result) == 2
            said = f"{kind_of(result)}, whose second is {kind_of(result[1])}," if two else kind_of(result)
            raise self.problem(
                f"reset returned {said} in place of the two values obs, info of Gymnasium's interface", "return obs, {}"
            )
        return self._observation(result[0]), dict(result[1] or {})

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        """One step, as of Gymnasium, for an array or a NumPy scalar, which stays as it is; the only number of a box of
        shape () becomes an array.

        Raises:
            EnvError: with what is wrong and what to do.
        """
        self.steps += 1
        own = action.copy() if action.dtype.kind != "f" else np.array(action)
        try:
            result = self.env.step(own) if self.has_stepped else self._first_use(lambda: self.env.step(own), FIVE)
            self.has_stepped = True
            if type(result) is not tuple or len(result) != 5:
                result = self._five(result)
            obs, reward, terminated, truncated, info = result
            if not (isinstance(reward, float) and -LARGEST_REWARD <= reward <= LARGEST_REWARD):
                reward = self._reward(reward)
            if type(terminated) is not bool:
                terminated = self._flag(terminated, "terminated")
            if type(truncated) is not bool:
                truncated = self._flag(truncated, "truncated")
            return self._observation(obs), reward, terminated, truncated, info
        except EnvError as e:
            if np.isfinite(action).all():
                raise
            what = "NaN" if np.isnan(action).any() else "infinite"
            raise self.problem(f"the policy's action is {what}", DIVERGED) from e
        except Exception as e:
            e.add_note(f"raised by {self.name} in step {self.steps} of episode {self.episodes}")
            raise

    def close(self) -> None:
        """Close the environment, if it is owned."""
        if self.owned:
            _open.pop(id(self.unwrapped), None)
            close(self.env)

    def problem(self, what: str, do: str) -> EnvError:
        """The error that names the environment and the step."""
        where = f"step {self.steps} of episode {self.episodes}" if self.steps else f"reset of episode {self.episodes}"
        return EnvError(f"{self.name}, {where}: {what}; {do}")

    def _first_use(self, call: Callable[[], Any], wanted: str) -> Any:
        try:
            return call()
        except FIRST_USE as e:
            self.episodes = max(self.episodes, 1)
            what = f"{type(e).__name__}: {' '.join(str(e).split())}"
            raise self.problem(what, advice(e, wanted)) from e

    def _observation(self, obs: Any) -> Any:
        """The observation as float32; the type of an array is looked at in a reset and a first step."""
        if not self.space.is_array:
            return self._pytree(obs)
        try:
            row = np.asarray(obs, np.float32)
            known = self.steps > 1 or row is obs or np.asarray(obs).dtype.kind in "biuf"
            if known and row.shape == self.shape and self.product(row) == 0.0:
                return row
        except Exception:  # any class: the object decides what its conversion raises
            pass
        raise self._wrong_observation(obs)

    def _pytree(self, obs: Any) -> Any:
        try:
            found = []
            for name, leaf, value in parts(self.leaves, obs):
                x = checked(leaf, value, name)
                if x.shape != leaf.shape:
                    raise Misfit(name, f"has shape {x.shape}, its space {leaf.shape}")
                found.append(x)
        except Misfit as e:
            raise self.problem(str(e), EXPECTED) from e
        return jax.tree.unflatten(self.space.structure, found)

    def _wrong_observation(self, obs: Any) -> EnvError:
        expected = EXPECTED
        try:
            array = np.asarray(obs)
            numeric = array.dtype.kind in "biuf"
        except Exception:  # any class, as above
            numeric, array = False, np.zeros(0)
        if not numeric:
            return self.problem(f"the observation is {kind_of(obs)}, not an array of numbers", expected)
        if array.shape != self.shape:
            return self.problem(
                f"the observation has shape {array.shape}, the observation space {self.shape}", expected
            )
        with np.errstate(over="ignore"):
            bad = np.argwhere(~np.isfinite(array.astype(np.float32)))[0].tolist()
        value = array[tuple(bad)]
        if np.isfinite(value):
            return self.problem(
                f"observation {bad} is {value:g}, which 32-bit numbers do not hold", "give it in other units"
            )
        return self.problem(f"observation {bad} is {value:g}", "repair the environment; nothing is learned from it")

    def _five(self, result: Any) -> Any:
        """The answer of a step, if it is a list of five values."""
        if isinstance(result, tuple | list) and len(result) == 5:
            return result
        if isinstance(result, tuple | list) and len(result) == 4:
            what = "step returned the four values obs, reward, done, info of the interface before Gymnasium"
        else:
            what = f"step returned {kind_of(result)}"
        raise self.problem(what, FIVE)

    def _reward(self, reward: Any) -> float:
        if reward is None:
            raise self.problem("the reward is None", "return a number, 0.0 where the task has no reward")
        try:
            array = np.asarray(reward)
            fits = array.size == 1 and array.dtype.kind in "biuf"
            value = float(array.reshape(-1)[0]) if fits else math.nan
        except Exception:  # any class: the object decides what its conversion raises
            fits, value = False, math.nan
        if not fits:
            raise self.problem(f"the reward is {kind_of(reward)}, not one number", "return a float")
        if not math.isfinite(value):
            raise self.problem(f"the reward is {value:g}", "repair the environment; nothing is learned from it")
        if abs(value) > LARGEST_REWARD:
            raise self.problem(
                f"the reward is {value:g}, whose square 32-bit numbers do not hold", "scale rewards down"
            )
        return value

    def _flag(self, flag: Any, name: str) -> bool:
        array = np.asarray(flag)
        if array.size != 1 or array.dtype.kind not in "biuf" or float(array.reshape(-1)[0]) not in (0, 1):
            raise self.problem(f"{name} is {kind_of(flag)}, not True or False", FIVE)
        return bool(array.reshape(-1)[0])


EXPECTED = "make reset and step return what observation_space describes"
FIVE = "step must return obs, reward, terminated, truncated, info (shimmy's GymV21CompatibilityV0 wraps older ones)"
DIVERGED = "training diverged, lower the learning rates"
