"""Copies of an environment that keep everything the user has set: wrappers, a task, running statistics."""

import copy
import io
from typing import Any

from gymnasium.utils import EzPickle

from imitax.envs.limits import layers


class Copies:
    """Makes copies of an environment as it was when this object was made. It can be sent to other processes.

    An `EzPickle` environment (all of MuJoCo's) says that it is copied by making a new one from the arguments of its
    constructor, which forgets everything set since; here its attributes are copied instead.

    Args:
        env: to be copied.

    Raises:
        Exception: of any class, where the environment holds what cannot be copied (a lock, a socket, a simulator).
    """

    def __init__(self, env: Any):
        self.template = clone(env)

    def __call__(self) -> Any:
        """A new copy."""
        return clone(self.template)

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (_sendable(self.template),)


def clone(env: Any) -> Any:
    """A copy that shares nothing with the environment but what `copy.deepcopy` shares: functions, classes, modules."""
    memo: dict[int, Any] = {}
    for layer in reversed(list(layers(env))):  # wrappers find the copy of what they wrap in the memo
        if isinstance(layer, EzPickle):
            new = object.__new__(type(layer))
            memo[id(layer)] = new
            new.__dict__.update(copy.deepcopy(vars(layer), memo))
        elif copy.deepcopy(layer, memo) is layer:
            raise TypeError(f"{type(layer).__name__} returns itself in place of a copy")
    return memo[id(env)]


def _sendable(env: Any) -> bytes:
    import cloudpickle  # Gymnasium's; not at the top because few runs have worker processes

    class Pickler(cloudpickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, EzPickle):
                return _blank, (type(obj),), vars(obj), None, None, _fill
            return super().reducer_override(obj)

    file = io.BytesIO()
    Pickler(file).dump(env)
    return file.getvalue()


def _received(data: bytes) -> Copies:
    import cloudpickle

    return Copies(cloudpickle.loads(data))


def _blank(cls: type) -> Any:
    return object.__new__(cls)


def _fill(env: Any, attributes: dict[str, Any]) -> None:
    env.__dict__.update(attributes)
