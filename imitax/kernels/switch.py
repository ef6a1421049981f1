"""Whether replaceable functions use their kernels: a state of the current thread."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")

_state = jax.make_user_context("off" if os.environ.get("IMITAX_KERNELS") == "0" else "plain")
"""plain: no kernels, until a program is compiled. on: kernels. off: none even then.

JAX makes the state part of the key of its caches: what was traced in one state is never used in another.
"""


class Replaceable(Generic[P, R]):
    """A plain function, and the kernel that computes the same while kernels are on."""

    def __init__(self, plain: Callable[P, R]):
        self.plain = self.kernel = plain
        update_wrapper(self, plain)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """One of the two."""
        return (self.kernel if _state.value == "on" else self.plain)(*args, **kwargs)


def enabled() -> AbstractContextManager[None]:
    """Kernels are on within, on a CPU and unless they are disabled. For `imitax.compiled`, while it traces."""
    if _state.value == "off" or jax.default_backend() != "cpu":
        return nullcontext()
    from imitax.kernels.cpu import install  # not above: it imports the modules that import this one

    install()
    return _state("on")


def disabled() -> AbstractContextManager[None]:
    """Everything that is traced within is plain, and programs are compiled anew if they were not."""
    return _state("off")
