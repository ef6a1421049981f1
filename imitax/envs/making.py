"""Environments: made from an id, an environment or a callable, and checked."""

import inspect
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector.utils import CloudpickleWrapper

from imitax.envs.actions import action_space
from imitax.envs.copying import Copies
from imitax.envs.guard import Guard, close, name_of
from imitax.envs.limits import as_registered, registration, time_limit
from imitax.envs.recorded import Recorded
from imitax.envs.registered import make_env
from imitax.envs.running import settle
from imitax.envs.sole import Sole
from imitax.envs.trial import check_alike, differ, share_state, trace, warn_of_size
from imitax.errors import ConfigError, EnvError, EnvWarning
from imitax.observation_spaces import of_space
from imitax.observations import kind_of
from imitax.spaces import Spec

EnvLike = str | gym.Env | EnvSpec | Callable[[], gym.Env]


@dataclass(frozen=True)
class Task:
    """An environment that can be made any number of times, and its checked description."""

    make: Callable[[], gym.Env]
    env_id: str
    env_kwargs: dict[str, Any]
    spec: Spec
    observation_space: gym.Space
    action_space: gym.Space
    max_episode_steps: int | None
    sole: Sole | None = None
    """The environment, where it exists once and cannot be made again."""
    recorded: Recorded | None = None
    """Where there is no environment: the data that stand for it. Nothing can be made then."""
    single: "Task | None" = None
    """Where observations are histories, the task that shows one at a time."""

    @property
    def label(self) -> str:
        """How titles call it: the environment's id, or where there is none, the name of the data."""
        return self.env_id if self.recorded is None else self.recorded.data

    @classmethod
    def create(cls, env: EnvLike, env_kwargs: dict[str, Any] | None = None) -> "Task":
        """Check an environment and describe it. An instance is tried in a few steps, to see how it can be copied.

        Args:
            env: a Gymnasium id or `EnvSpec`; an environment, of which copies are used, or where it cannot be copied, it
                alone; or a callable that makes a new one at every call. Episodes must end by themselves or by a time
                limit.
            env_kwargs: keyword arguments for an id.

        Raises:
            ConfigError: unknown id, wrong keyword arguments, or spaces that imitax does not take.
            EnvError: the environment does not keep to Gymnasium's interface, or a callable makes one object twice.
        """
        kwargs = dict(env_kwargs or {})
        if isinstance(env, EnvSpec):
            env, kwargs = as_registered(env, kwargs)
        if isinstance(env, str):
            return _of_id(env, kwargs)
        if kwargs:
            raise ConfigError(
                "env_kwargs go with an environment id: bind a callable's own with functools.partial(make, ...), and "
                "give an environment as it shall be"
            )
        if isinstance(env, gym.Env) or (_has_interface(env) and not isinstance(env, type)):
            return _of_instance(env)
        if callable(env):
            return _of_callable(env)
        raise ConfigError(
            f"env must be an environment id, a Gymnasium environment or a callable, got {type(env).__name__}"
        )

    def check(self) -> None:
        """Try the environment in a few steps, as a run does before it starts.

        Raises:
            EnvError: it does not keep to Gymnasium's interface, or the environments that are made are not separate.
        """
        if self.sole is not None:
            warn_of_size(self.env_id, trace(self.sole.guard)[0])
            return
        probes: list[Guard] = []
        try:
            probes += [Guard(self.make()) for _ in range(2)]
            check_alike(*probes)
            if share_state(*probes):
                raise EnvError(
                    f"{self.env_id}: the environments that are made share one simulator: a step in one changes the "
                    "other; let each have its own, or pass one environment itself as env"
                )
            warn_of_size(self.env_id, trace(probes[0])[0])
        finally:
            for probe in probes:
                probe.close()


def _of_id(env_id: str, kwargs: dict[str, Any]) -> Task:
    probe = make_env(env_id, kwargs)
    try:
        check_spaces(probe, env_id)
        settle(probe, env_id, "new")
        spec, make = registration(probe), partial(make_env, env_id, kwargs)
        if spec is not None and spec.id in gym.registry:
            env_id = env_id[: env_id.rfind(":") + 1] + spec.id  # with the version that was taken where none was given
            # Not by its id: a worker process may not have imported the package that registers it.
            make = partial(make_env, gym.registry[spec.id], kwargs)
        return replace(describe(probe, env_id, make), env_id=env_id, env_kwargs=kwargs)
    finally:
        probe.close()


def _of_instance(env: Any) -> Task:
    name = name_of(env)
    check_spaces(env, name)
    try:
        make = Copies(env)
        settle(make.template, name, "freeze")
        probes = [Guard(make(), owned=False) for _ in range(2)]
        shared = share_state(*probes)
    except EnvError:  # raises again where the environment itself is at fault
        trace(Guard(env, owned=False))
        return _alone(env, name, "its copies do not work")
    except Exception as e:  # any class: it comes from the objects that the environment holds
        return _alone(env, name, f"it cannot be copied ({type(e).__name__}: {' '.join(str(e).split())[:200]})")
    if shared:
        return _alone(env, name, "its copies share one simulator")
    if differ(Guard(env, owned=False), Guard(make(), owned=False)):
        return _alone(env, name, "its copies do something else than it does")
    for probe in probes:
        close(probe.env)
    return describe(env, name, make)


def _alone(env: Any, name: str, why: str) -> Task:
    """A task in the one environment that there is."""
    settle(env, name, "leave")
    warnings.warn(
        f"{name}: {why}, so it is used alone, and training and evaluation take turns in it; pass a function that makes "
        "a new environment at every call to have them separate",
        EnvWarning,
        stacklevel=2,
    )
    return describe(env, name, lambda: env, Sole(env))


def _of_callable(make: Callable[[], Any]) -> Task:
    try:
        inspect.signature(make, follow_wrapped=False).bind()
    except TypeError as e:
        raise ConfigError(f"env is called without arguments ({e}): bind them with functools.partial(make, ...)") from e
    except ValueError:
        pass  # written in C: it does not say what it takes
    first = make()
    name = name_of(first)
    check_spaces(first, name)
    try:
        second = make()
    except Exception as e:  # any class: a port that is taken, a licence, a device
        return _alone(first, name, f"the function that makes it fails when it is called again ({e})")
    probes: list[Guard] = []
    try:
        probes = [Guard(env) for env in (first, second)]
        check_alike(*probes)
        settle(first, name, "new")
        called = getattr(make, "__name__", type(make).__name__)
        return describe(first, name if called == "<lambda>" else called, make)
    finally:
        for probe in probes:
            probe.close()


def describe(env: Any, name: str, make: Callable[[], gym.Env], sole: Sole | None = None) -> Task:
    """The task of an environment whose spaces are in order, under the id of its registration if it has one."""
    obs, act, registered, kwargs = env.observation_space, env.action_space, registration(env), {}
    if registered is not None:
        name, kwargs = registered.id, dict(registered.kwargs)
    spec = Spec(of_space(obs), action_space(act, name))
    return Task(make, name, kwargs, spec, obs, act, time_limit(env), sole)


def _has_interface(env: Any) -> bool:
    return all(hasattr(env, name) for name in ("reset", "step", "observation_space", "action_space"))


def check_spaces(env: Any, name: str) -> None:
    """Refuse what is no single environment with observations of arrays and a known kind of actions.

    Raises:
        ConfigError: with what to do.
    """
    if isinstance(env, gym.vector.VectorEnv) or (hasattr(env, "num_envs") and not isinstance(env, gym.Env)):
        raise ConfigError(
            f"{name} is a vector of environments; pass a single one, or a function that makes a single one: imitax "
            "makes as many as --num-envs and the evaluation need"
        )
    if not _has_interface(env):
        raise ConfigError(
            f"env must make a Gymnasium environment, with reset, step, observation_space and action_space; got {name}"
        )
    obs, act = env.observation_space, env.action_space
    for space, which in ((obs, "observation_space"), (act, "action_space")):
        if not isinstance(space, gym.Space):
            module = type(space).__module__.split(".")[0]
            do = "wrap it in shimmy's GymV26CompatibilityV0(env=env), or GymV21CompatibilityV0 where step returns four "
            do = f"{do}values" if module == "gym" else "give it one, such as gymnasium.spaces.Box(low, high)"
            raise ConfigError(f"{name}: its {which} is {kind_of(space)}, not a space of gymnasium; {do}")
    of_space(obs, f"{name}: observation")
    action_space(act, name)


def check_sendable(task: Task) -> None:
    """Refuse an environment that cannot be sent to a worker process.

    Raises:
        ConfigError: with the reason.
    """
    if task.sole is not None:
        raise ConfigError(f"{task.env_id} exists once, in this process: leave --env-workers out")
    try:
        pickle.dumps(CloudpickleWrapper(task.make))
    except Exception as e:  # any class: it comes from the objects that the environment holds
        raise ConfigError(
            f"{task.env_id} cannot be sent to a worker process: {e}. Leave --env-workers out, or pass the environment "
            "as an id or as a function that makes it"
        ) from e
