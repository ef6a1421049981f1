"""Updates at several numbers of seeds and precisions.

Some programs at a time are compiled side by side, and then timed one after the other while nothing else runs. Where the
time is up before all of them are compiled, the others are timed nevertheless, with `busy` in their lines.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from statistics import median
from typing import Any, NamedTuple

import jax
from accelerator import read, write
from accelerator_parts.card import product_rate
from accelerator_parts.part import MATMUL, Part
from accelerator_parts.programs import PROGRAMS, TOY, Call, Sizes, calls_of

from imitax.processes import cores

cached_calls = cache(calls_of)


class Case(NamedTuple):
    """One line of the result."""

    update: str
    precision: str
    seeds: int


FREE = ("bc-2x256", "sac-default", "adversarial-default", "ls_iq-default")
"""Without a model: they compile in seconds."""
BASED = ("rollout-7x200", "ensemble-7x200", "omlirl-head")
ORDER = [(updates, precision, (64,)) for precision in ("tf32", "bfloat16", "float32") for updates in (FREE, BASED)]
ORDER += [(FREE + BASED, precision, (n,)) for n in (256, 1, 8) for precision in ("tf32", "bfloat16", "float32")]
"""Updates, precision and numbers of seeds that are compiled together: first every update and precision once."""
LEAST, EACH = 20, 1.5
"""Seconds without which nothing more is compiled, and that are kept for timing one program."""


def cases(toy: bool) -> list[list[Case]]:
    """In their order, those compiled together in one list."""
    if toy:
        others = {"bc-2x256": ("tf32", 1), "sac-default": ("bfloat16", 2)}
        return [[Case(update, *others.get(update, ("float32", 2))) for update in PROGRAMS]]
    return [[Case(update, precision, n) for n in seeds for update in updates] for updates, precision, seeds in ORDER]


def run(part: Part) -> None:
    """As many cases as there is time for, those left out that earlier runs have measured."""
    lines = [line for line in read(part.out) if line["part"] == part.name and "update" in line]
    done = {(line["update"], line.get("precision"), line.get("seeds")) for line in lines}
    side = 64 if part.toy else 8192
    ceilings = {precision: round(product_rate(precision, (side, side))[0], 1) for precision in MATMUL}
    sizes = TOY if part.toy else Sizes()
    postponed: list[Case] = []
    for wave in cases(part.toy):
        wave = [case for case in wave if case not in done]
        if not wave or part.left < LEAST:
            postponed += wave
            continue
        compiled = compile_together(wave, sizes)
        futures = [future for programs in compiled if not isinstance(programs, Exception) for future in programs]
        unfinished = wait(futures, timeout=max(part.left - EACH * len(wave), 0)).not_done
        for case, programs in zip(wave, compiled, strict=True):
            if part.left < EACH or (not isinstance(programs, Exception) and unfinished.intersection(programs)):
                postponed.append(case)
            else:
                busy = {"busy": True} if unfinished else {}
                measure(part, case, programs, sizes, {"matmul_gflops": ceilings[case.precision]} | busy)
    if postponed:
        names = [" ".join(map(str, case)) for case in postponed]
        write(part.out, part=part.name, **{"skipped" if part.last else "postponed": names})


class Compiled(NamedTuple):
    """One jitted function of an update."""

    call: Call
    program: jax.stages.Compiled
    seconds: float
    """Of its compilation, beside those of other programs."""


def compile_together(wave: Sequence[Case], sizes: Sizes) -> list[list[Future[Compiled]] | Exception]:
    """Of each case the functions of its update, or what went wrong while they were traced."""
    found: list[list[Future[Compiled]] | Exception] = []
    pool = ThreadPoolExecutor(cores())
    for case in wave:
        try:
            calls = cached_calls(case.update, "bfloat16" if case.precision == "bfloat16" else "float32", sizes)
            with jax.default_matmul_precision(MATMUL[case.precision]):
                lowered = [call.lower(case.seeds) for call in calls]
            found.append([pool.submit(_compile, *pair) for pair in zip(calls, lowered, strict=True)])
        except Exception as problem:
            found.append(problem)
    pool.shutdown(wait=False)
    return found


def _compile(call: Call, lowered: jax.stages.Lowered) -> Compiled:
    start = time.perf_counter()
    return Compiled(call, lowered.compile(), time.perf_counter() - start)


def measure(
    part: Part, case: Case, programs: list[Future[Compiled]] | Exception, sizes: Sizes, known: dict[str, Any]
) -> None:
    """Time one case, and write its line with what is known of it, such as `matmul_gflops`."""
    try:
        if isinstance(programs, Exception):
            raise programs
        compiled = [future.result() for future in programs]
        ms = sum(milliseconds(one, case.seeds) * one.call.per_update for one in compiled)
        memory_mb = max(memory(one.program) for one in compiled) / 1e6
    except Exception as problem:
        write(part.out, part=part.name, **case._asdict(), error=f"{type(problem).__name__}: {str(problem)[:500]}")
        return
    about = PROGRAMS[case.update]
    gflop = case.seeds * about.gflop(sizes)
    line: dict[str, Any] = {"ms": round(ms, 4), "gflop": round(gflop, 4), **known}
    line |= {
        "share": round(gflop / ms * 1e3 / known["matmul_gflops"], 4),
        "updates_per_s": round(case.seeds / ms * 1e3, 1),
    }
    if about.transitions is not None:
        line["transitions_per_s"] = round(case.seeds * about.transitions(sizes) / ms * 1e3)
    line |= {"compile_s": round(sum(one.seconds for one in compiled), 2), "memory_mb": round(memory_mb, 1)}
    part.line(**case._asdict(), **line)


def milliseconds(compiled: Compiled, seeds: int, least: float = 0.5, most: int = 15) -> float:
    """Median time of a call, the first of which is not counted. The carry is donated, so each takes the last one's."""
    call, times = compiled.call, []
    carry, *own = call.arguments(seeds)
    while len(times) < 2 or (sum(times[1:]) < least and len(times) <= most):
        start = time.perf_counter()
        carry, _ = jax.block_until_ready(compiled.program(carry, *own, *call.shared))
        times.append(time.perf_counter() - start)
    return 1e3 * median(times[1:])


def memory(program: jax.stages.Compiled) -> float:
    """Bytes of arguments, results and everything between, as the compiler plans them; 0 where it does not say."""
    plan = program.memory_analysis()
    if plan is None:
        return 0.0
    kept = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    return kept + plan.temp_size_in_bytes
