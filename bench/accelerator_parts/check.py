"""One update of every algorithm and preset at a fixed batch, against the CPU's.

Groups of arrays are compared: each network, each moment of its gradients, and the metrics. A parameter's first step
under Adam has the sign of its gradient, so that where a gradient is all rounding the parameters may differ by a whole
step; the moments show the gradients themselves.

Tracing takes as long as compiling, so several processes share the updates on either side. What an earlier run has
compared is left out.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import jax
import numpy as np
from accelerator import read
from accelerator_parts import programs
from accelerator_parts.part import Part

from imitax.processes import cores

TOLERANCE = 1e-3
TOY = [("bc", "default"), ("rambo", "default"), ("ml_irl", "default")]
LAST = 10
"""Seconds before the end after which nothing more is traced."""
SIDES = ("device", "cpu")

Arrays = dict[str, np.ndarray]


def run(part: Part) -> None:
    """Compare what the processes of both sides write, as it comes."""
    pairs = remaining(part)
    with tempfile.TemporaryDirectory() as name:
        folder, workers = Path(name), []
        (folder / "pairs.json").write_text(json.dumps(pairs))
        for side, count in zip(SIDES, processes(part), strict=True):
            (folder / side).mkdir()
            for i in range(count):
                platform = "cpu" if side == "cpu" else None
                workers.append(part.worker("check.side", folder / side, (i, count), seconds=3, platform=platform))
        seen: set[str] = set()
        while part.left > 1:
            running = any(worker.poll() is None for worker in workers)
            for update in sorted(ready(folder) - seen):
                seen.add(update)
                compare(part, folder, update)
            if not running:
                break
            time.sleep(0.1)
        for worker in workers:
            worker.kill()
            worker.wait()
    missing = sorted({"/".join(pair) for pair in pairs} - seen)
    if missing:
        part.line(skipped=missing)


def processes(part: Part) -> tuple[int, int]:
    """Processes of the device's side and of the CPU's."""
    if part.toy:
        return 1, 1
    available = cores() or 1
    return max(1, min(3, available // 4)), max(1, min(8, available // 2))


def ready(folder: Path) -> set[str]:
    """Updates that both sides have computed, or that one has failed at."""
    done, failed = ({s: {_update(p) for p in (folder / s).glob(f"*{e}")} for s in SIDES} for e in (".npz", ".txt"))
    return (done["device"] & done["cpu"]) | failed["device"] | failed["cpu"]


def compare(part: Part, folder: Path, update: str) -> None:
    """One line of results."""
    for side in SIDES:
        problem = _file(folder / side, update).with_suffix(".txt")
        if problem.exists():
            part.error(update, RuntimeError(f"{side}: {problem.read_text()}"))
            return
    found, expected = (dict(np.load(_file(folder / side, update))) for side in SIDES)
    errors = relative_errors(found, expected)
    worst = max(errors, key=lambda group: errors[group])
    part.line(update=update, relative_error=errors[worst], of=worst, equal=errors[worst] < TOLERANCE)


def side(part: Part) -> None:
    """A process of one side: one file for each of its updates."""
    for update, arrays in outcomes(part):
        path = _file(part.out, update)
        if isinstance(arrays, BaseException):
            path.with_suffix(".txt").write_text(f"{type(arrays).__name__}: {str(arrays)[:1000]}")
            continue
        with path.with_suffix(".part").open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # paths as names of arrays
        path.with_suffix(".part").rename(path)


def _file(folder: Path, update: str) -> Path:
    return folder / f"{update.replace('/', '+')}.npz"


def _update(path: Path) -> str:
    return path.stem.replace("+", "/")


def remaining(part: Part) -> list[tuple[str, str]]:
    """Algorithms and presets that no earlier run has compared, the defaults first."""
    done = {line["update"] for line in read(part.out) if "relative_error" in line}
    every = TOY if part.toy else programs.presets()
    return [pair for pair in every if "/".join(pair) not in done]


def outcomes(part: Part) -> Iterator[tuple[str, Arrays | BaseException]]:
    """State and metrics after each update, computed in float32, as they come. Programs are compiled side by side."""
    first, every = part.share
    waiting: dict[Future[Any], tuple[str, tuple[Any, ...]]] = {}

    def finished(seconds: float) -> Iterator[tuple[str, Arrays | BaseException]]:
        for future in wait(waiting, timeout=seconds, return_when=FIRST_COMPLETED).done:
            update, arguments = waiting.pop(future)
            yield update, _outcome(future, arguments)

    pool = ThreadPoolExecutor(2)
    with jax.default_matmul_precision("highest"):
        for pair in json.loads((part.out.parent / "pairs.json").read_text())[first::every]:
            if part.left < LAST:
                break
            try:
                for update, f, arguments in programs.checks(*pair):
                    waiting[pool.submit(f.lower(*arguments).compile)] = update, arguments
            except Exception as problem:
                yield "/".join(pair), problem
            yield from finished(0)
    while waiting and part.left > 0:
        yield from finished(part.left)
    pool.shutdown(wait=False, cancel_futures=True)


def _outcome(compiled: Future[Any], arguments: tuple[Any, ...]) -> Arrays | BaseException:
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
