"""One update of every algorithm and preset at a fixed batch, against the CPU's.

Groups of arrays are compared: each network, each moment of its gradients, and the metrics. A parameter's first step
under Adam has the sign of its gradient, so that where a gradient is all rounding the parameters may differ by a whole
step; the moments show the gradients themselves.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from accelerator_parts import programs
from accelerator_parts.part import Part

from imitax.training.provenance import cores

TOLERANCE = 1e-3
TOY = [("bc", "default"), ("rambo", "default")]
LAST = 30
"""Seconds before the end after which nothing more is compiled."""

Arrays = dict[str, np.ndarray]


def run(part: Part) -> None:
    """Compute both sides at once, in two processes, and compare."""
    seen = set()
    with tempfile.TemporaryDirectory() as name:
        worker = part.worker("check.reference", Path(name), seconds=5)
        for update, arrays in outcomes(part):
            seen.add(update)
            if isinstance(arrays, BaseException):
                part.error(update, arrays)
                continue
            path = _file(Path(name), update)
            while not path.exists() and worker.poll() is None and part.left > 2:
                time.sleep(0.1)
            if not path.exists():
                part.error(update, TimeoutError("no reference from the CPU in time, see the log"))
                continue
            errors = relative_errors(arrays, dict(np.load(path)))
            worst = max(errors, key=lambda group: errors[group])
            part.line(update=update, relative_error=errors[worst], of=worst, equal=errors[worst] < TOLERANCE)
        worker.kill()
    missing = [name for name in map("/".join, pairs(part)) if name not in seen]
    if missing:
        part.line(skipped=missing)


def reference(part: Part) -> None:
    """The CPU's side: one file for each update."""
    for update, arrays in outcomes(part):
        if isinstance(arrays, BaseException):
            raise arrays
        path = _file(part.out, update)
        with path.with_suffix(".part").open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # paths as names of arrays
        path.with_suffix(".part").rename(path)


def _file(folder: Path, update: str) -> Path:
    return folder / f"{update.replace('/', '+')}.npz"


def pairs(part: Part) -> list[tuple[str, str]]:
    """Algorithms and presets, the defaults first."""
    return TOY if part.toy else programs.presets()


def outcomes(part: Part) -> Iterator[tuple[str, Arrays | BaseException]]:
    """State and metrics after each update, computed in float32. Programs are compiled side by side."""
    everything = pairs(part)
    for defaults in (True, False):
        waiting: list[tuple[str, Any, tuple[Any, ...]]] = []
        with ThreadPoolExecutor(cores()) as pool, jax.default_matmul_precision("highest"):
            for pair in everything:
                if (pair[1] == "default") != defaults or part.left < LAST:
                    continue
                try:
                    for update, f, arguments in programs.checks(*pair):
                        waiting.append((update, pool.submit(f.lower(*arguments).compile), arguments))
                except Exception as problem:
                    waiting.append(("/".join(pair), problem, ()))
            for update, compiled, arguments in waiting:
                yield update, _outcome(compiled, arguments)


def _outcome(compiled: Any, arguments: tuple[Any, ...]) -> Arrays | BaseException:
    if isinstance(compiled, BaseException):
        return compiled
    try:
        leaves = jax.tree.leaves_with_path(compiled.result()(*arguments))
    except Exception as problem:
        return problem
    return {jax.tree_util.keystr(path): np.asarray(x) for path, x in leaves}


def group(path: str) -> str:
    """What an array of `(state, metrics)` is compared together with."""
    if not path.startswith("[0]."):
        return "metrics"
    moment = next((name for name in (".mu", ".nu") if name in path), "")
    names = [name for name in path.removeprefix("[0].").split(".") if name not in ("agent", "model")]
    return names[0] + moment


def relative_errors(found: Arrays, expected: Arrays) -> dict[str, float]:
    """Norm of the difference by the norm of what is expected, of each group."""
    squares: dict[str, np.ndarray] = {}
    for path, x in expected.items():
        difference = np.asarray(found[path], np.float64) - np.asarray(x, np.float64)
        both = np.array([np.sum(difference**2), np.sum(np.asarray(x, np.float64) ** 2)])
        squares[group(path)] = squares.get(group(path), 0.0) + both
    return {name: float((d / s if s else d) ** 0.5) for name, (d, s) in squares.items()}
