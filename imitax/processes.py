"""Processor cores, and forked processes.

JAX's threads do not survive a fork, so a child of a process that has used JAX waits for ever.
"""

import os
import sys

from imitax.errors import ConfigError

_broken = False
"""Whether this process was forked from one in which JAX had started."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _after_fork() -> None:
    global _broken
    bridge = sys.modules.get("jax._src.xla_bridge")  # private, so its absence must do no harm
    _broken = bridge is not None and bool(vars(bridge).get("_backends"))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


def refuse_forked() -> None:
    """Raise ConfigError in a process that was forked from one that had used JAX: it would wait for ever."""
    if _broken:
        raise ConfigError(
            "this process was forked from one in which JAX was already in use, and JAX cannot go on after a fork: it "
            'would wait for ever. Start processes with multiprocessing.get_context("spawn") (for a pool: '
            'ProcessPoolExecutor(mp_context=get_context("spawn"))), or fork before anything is computed'
        )
