"""What the library needs of the process that calls it: threads that live, and 32-bit numbers."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

import jax

from imitax.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

_enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else import_module("jax.experimental").enable_x64
"""As a context; JAX 0.7 has it elsewhere."""

_forked = False


def _after_fork() -> None:
    """The child has JAX's state without its threads: its first computation would wait for them forever."""
    global _forked
    bridge = sys.modules.get("jax._src.xla_bridge")
    _forked = _forked or bool(getattr(bridge, "backends_are_initialized", lambda: True)())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def entry(f: F) -> F:
    """A function that users call: it computes in 32 bits whatever JAX is set to, and refuses forked processes.

    Raises:
        ConfigError: the process was forked from one in which JAX had started.
    """

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _forked:
            raise ConfigError(
                "this process was forked from one in which JAX runs threads, which it has lost, so it would wait for "
                "them forever; start processes afresh: multiprocessing.get_context('spawn')"
            )
        if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]  made at run time
            return f(*args, **kwargs)
        with _enable_x64(False):
            return f(*args, **kwargs)

    return call  # type: ignore[return-value]
