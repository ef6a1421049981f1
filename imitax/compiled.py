"""`jit` and `filter_jit` with the compiler options and kernels that suit a CPU. Elsewhere they are JAX's own.

Always use them instead of `jax.jit`, which leaves programs exposed to a bug: XLA's CPU backend hands matrix products
and sums to YNNPACK, and where it hands over both as one, jaxlib 0.10.2 computes wrong numbers (jax-ml/jax issue 39103),
such as 1e33 for the sum of (E @ B) * E with a broadcast B. Here YNNPACK gets the products alone, which costs 2 to 4 %
on two cores (`bench/update_rate.py`, gail-3x256).

While a function is traced, `imitax.kernels` replace what has a faster form on CPUs.

XLA's CPU backend uses vectors of 256 bits unless told otherwise. Where the processor has wider ones, those halve the
time of SiLU and other elementwise functions (23 to 11 us at 256 x 256 on one core); where it has not, the compiler
splits them, and nothing changes.

An order of operations that keeps what was just computed in the caches, instead of letting many run at once, makes
updates 5 % faster on two cores (gail-3x256), and the fit of an ensemble 9 % slower (ensemble-7x200). `filter_jit`,
which compiles the fit, therefore leaves the order alone. Numbers are the same either way.

JAX's CPU backend hands a program to another thread and goes on, unless told otherwise. Here nothing is left to do
meanwhile, and the two changes of threads take longer than a policy's actions for one observation (55 against 22 us of
processor time, and a sleeping core has to wake). Importing this module therefore turns that off, but where the
environment variable JAX_CPU_ENABLE_ASYNC_DISPATCH says what is wanted; it has no effect once JAX has a CPU backend.
"""

import os
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
from jax.core import Tracer
from jax.errors import JaxRuntimeError

try:
    from jax import enable_x64
except ImportError:  # before JAX 0.8
    from jax.experimental import enable_x64  # type: ignore[attr-defined, no-redef]

from imitax import kernels
from imitax.errors import ConfigError
from imitax.processes import refuse_forked

P = ParamSpec("P")
R = TypeVar("R")

WIDE: dict[str, Any] = {"xla_cpu_prefer_vector_width": 512}
ONLY_PRODUCTS: dict[str, Any] = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
IN_CACHE: dict[str, Any] = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}

if "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
    jax.config.update("jax_cpu_enable_async_dispatch", False)


@cache
def _options(in_cache: bool) -> dict[str, Any] | None:
    if jax.default_backend() != "cpu":
        return None
    wanted = WIDE | ONLY_PRODUCTS | (IN_CACHE if in_cache else {})
    return {name: value for name, value in wanted.items() if _known(name, value)}


def _known(name: str, value: Any) -> bool:
    """Whether the installed XLA has the option; an older one refuses what it does not know."""
    try:
        jax.jit(lambda x: x + 1, compiler_options={name: value}).lower(0).compile()
    except JaxRuntimeError:
        return False
    return True


def _with_kernels(f: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(f)
    def traced(*args: Any, **kwargs: Any) -> Any:
        with kernels.enabled():
            return f(*args, **kwargs)

    return traced


def jit(f: Callable[..., Any], **kwargs: Any) -> Callable[..., Any]:
    """`jax.jit(f, **kwargs)`. It asks which backend there is, so it is for functions made at run time."""
    return jax.jit(_with_kernels(f), compiler_options=_options(in_cache=True), **kwargs)


def filter_jit(f: Callable[..., Any]) -> Callable[..., Any]:
    """`eqx.filter_jit(f)` as a decorator: which backend there is, is asked at the first call.

    Within another compiled or differentiated function f becomes a part of that one, under its options and with kernels
    only if it has them: what callers differentiate is plain JAX.
    """

    @cache
    def made() -> Callable[..., Any]:
        passed_on: Any = {"compiler_options": _options(in_cache=False)}  # to jax.jit; Equinox's types leave this out
        return eqx.filter_jit(_with_kernels(f), **passed_on)

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Tracer) for x in jax.tree.leaves((args, kwargs))):
            return f(*args, **kwargs)
        with jax.ensure_compile_time_eval():  # options are allowed in no other trace, as of a constant in one
            return made()(*args, **kwargs)

    return call


def shared(make: Callable[P, R]) -> Callable[P, R]:
    """A function that makes a compiled one, which is made once for equal arguments: runs of one process that differ in
    nothing that is traced, such as those of other seeds, share it.

    Pytrees are compared by their structure and leaves. What has no hash, such as an array, is never equal.
    """

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> R:
        leaves, structure = jax.tree.flatten((args, kwargs))
        key = make, structure, tuple(leaves), tuple(map(type, leaves))  # 1 and 1.0 are traced otherwise
        try:
            hash(key)
        except TypeError:
            return make(*args, **kwargs)
        return programs(*key)

    return made


@lru_cache(maxsize=32)
def programs(make: Callable[..., Any], structure: Any, leaves: tuple[Any, ...], types: tuple[type, ...]) -> Any:
    """The latest results of all `shared` functions."""
    args, kwargs = jax.tree.unflatten(structure, leaves)
    return make(*args, **kwargs)


def guarded(f: Callable[P, R]) -> Callable[P, R]:
    """A public function that computes, whatever else the user's program does with JAX.

    It computes in 32 bits where the user's own code has switched to 64 (`jax_enable_x64`), and raises ConfigError in a
    forked process in which JAX would wait for ever, and where JAX_PLATFORMS names what is not there.
    """

    @wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        refuse_forked()
        try:
            with enable_x64(False):
                return f(*args, **kwargs)
        except (RuntimeError, AssertionError) as e:
            if _is_of_backend(e):
                raise ConfigError(
                    f"JAX finds no device: {' '.join(str(e).split()) or 'no backend'}; JAX_PLATFORMS is "
                    f"{os.environ.get('JAX_PLATFORMS')!r}: install what it names, or unset it"
                ) from e
            raise

    return call


def _is_of_backend(error: Exception) -> bool:
    """Whether JAX has failed to start, for which it raises what others raise too."""
    if isinstance(error, RuntimeError):
        return str(error).startswith("Unable to initialize backend")
    try:
        return not error.args and not jax.devices()
    except (RuntimeError, AssertionError):
        return True
