"""Time one gradient update, sampling included, and state it as a share of the machine's own matrix-product rate.

    python bench/update_rate.py --json                     # every update, one core
    python bench/update_rate.py --only sac-2x256 --cores 2 --precision bfloat16 --json

`gflop` counts the products that the mathematics needs, without recomputation. `matmul_gflops` is the higher rate of
256- and 1024-cube float32 products in the same run, whatever the update's precision. `share` is the update's rate
divided by it. Blocks of updates and of matrix products alternate, so that changes of the machine's load affect both.

On two cores the latency between them is measured before and after each block (`handover.py`): `handover_ns` is its
median, and figures with `_together` are those of the blocks before and after which the cores shared a cache.
"""

import argparse
import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from handover import APART_NS, handover
from updates import flops, model_based, model_free

SCAN, BLOCKS = 100, 15
"""Updates in one jitted scan, and timed scans."""


@dataclass(frozen=True)
class Update:
    """An update that is timed."""

    block: Callable[[str], Callable[[int], object]]
    """Takes a precision, and returns a function that runs a number of updates."""
    gflop: Callable[[], float]
    """Floating-point work of one update."""
    scan: int = SCAN
    """Updates in one timed block."""
    transitions: int | None = None
    """Transitions of one update, if their rate is of interest."""


UPDATES = {
    "gail-3x256": Update(model_free.gail_block, flops.gail),
    "adversarial-default": Update(model_free.adversarial_block, flops.adversarial_default),
    "sac-2x256": Update(model_free.sac_block, flops.sac),
    "sac-default": Update(model_free.sac_default_block, flops.sac),
    "bc-2x256": Update(model_free.bc_block, flops.bc),
    "rollout-7x200": Update(model_based.rollout_block, flops.rollout, scan=1, transitions=flops.STARTS * flops.HORIZON),
    "ensemble-7x200": Update(model_based.ensemble_block, flops.ensemble, scan=1, transitions=flops.REPLAY),
    "omlirl-head": Update(model_based.omlirl_block, flops.omlirl, scan=250),
    "rmirl-model-head": Update(model_based.rmirl_block, flops.rmirl, scan=100),
}
"""gail-3x256 to bc-2x256: one gradient update. rollout-7x200: one set of rollouts. ensemble-7x200: one epoch.
omlirl-head: one policy update with its share of rollouts and reward. rmirl-model-head: one step of the model."""


def sac_updates(updates: int, precision: str) -> float:
    """Median milliseconds of one SAC update, over timed scans of `updates`."""
    return _median(model_free.sac_block(precision), updates)


def bc_updates(updates: int, precision: str) -> float:
    """Median milliseconds of one BC update, over timed scans of `updates`."""
    return _median(model_free.bc_block(precision), updates)


def _median(run: Callable[[int], object], updates: int) -> float:
    for _ in range(2):  # the first compiles
        run(updates)
    return median(_time(run, updates) for _ in range(BLOCKS))


def _time(run: Callable[[int], object], updates: int) -> float:
    start = time.perf_counter()
    run(updates)
    return (time.perf_counter() - start) / updates * 1e3


def matmul(size: int) -> Callable[[int], object]:
    """A function that runs a number of float32 products of two `size` x `size` matrices and waits for them."""
    import jax
    import jax.numpy as jnp

    x = jnp.full((size, size), 1 / size)

    @jax.jit
    def products(count, x):
        return jax.lax.fori_loop(0, count, lambda _, y: y @ x, x)

    return lambda count: jax.block_until_ready(products(count, x))


@dataclass(frozen=True)
class Block:
    """One timed block."""

    ms: float
    """Milliseconds per update."""
    rates: tuple[float, ...]
    """Rates of matrix products in GFLOP/s, one for each size."""
    handover_ns: tuple[float, ...] = ()
    """Latency between two cores before and after the updates."""


def _blocks(update: Update, precision: str, distance: Callable[[], float] | None) -> list[Block]:
    run, products = update.block(precision), {size: matmul(size) for size in (256, 1024)}
    counts = {256: 200, 1024: 5}
    blocks = []
    for _ in range(BLOCKS + 1):
        before = (distance(),) if distance else ()
        ms = _time(run, update.scan)
        around = (*before, distance()) if distance else ()
        rates = tuple(2 * n**3 / 1e6 / _time(products[n], counts[n]) for n in products)
        blocks.append(Block(ms, rates, around))
    return blocks[1:]  # the first compiles


def summary(blocks: Sequence[Block], gflop: float) -> dict[str, float]:
    """Median milliseconds, the rate of matrix products, and the updates' share of it."""
    ms = median(block.ms for block in blocks)
    rate = max(median(column) for column in zip(*(block.rates for block in blocks), strict=True))
    return {"ms": round(ms, 3), "matmul_gflops": round(rate, 1), "share": round(gflop / ms * 1e3 / rate, 3)}


def by_distance(blocks: Sequence[Block], gflop: float) -> dict[str, object]:
    """The `summary` of the blocks before and after which both cores shared a cache; None if there were none."""
    together = [block for block in blocks if max(block.handover_ns) < APART_NS]
    figures = summary(together, gflop) if together else dict.fromkeys(("ms", "matmul_gflops", "share"))
    return {
        "handover_ns": round(median(ns for block in blocks for ns in block.handover_ns)),
        "blocks": len(blocks),
        "blocks_together": len(together),
        **{f"{name}_together": value for name, value in figures.items()},
    }


def measure(name: str, precision: str, distance: Callable[[], float] | None = None) -> dict[str, object]:
    """One line of the results."""
    from imitax.training.provenance import commit

    update = UPDATES[name]
    gflop, blocks = update.gflop(), _blocks(update, precision, distance)
    figures = summary(blocks, gflop)
    line: dict[str, object] = {"update": name, "gflop": round(gflop, 4), **figures}
    line |= {"cores": len(os.sched_getaffinity(0)), "precision": precision, "commit": commit()}
    if distance:
        line |= by_distance(blocks, gflop)
    if update.transitions is not None:
        line["transitions_per_s"] = round(update.transitions / figures["ms"] * 1e3)
    return line


def main() -> None:
    """Measure, print one line per update and precision, and append the lines to a file if one is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=UPDATES, nargs="+", default=list(UPDATES))
    parser.add_argument("--cores", type=int, choices=(1, 2), default=1)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of text")
    parser.add_argument("--out", help="also append the JSON lines to this file")
    args = parser.parse_args()
    # Before JAX starts, because it sizes its thread pool by the allowed cores.
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, cores)
    with handover((cores[0], cores[1])) if len(cores) > 1 else contextlib.nullcontext() as distance:
        for name, precision in itertools.product(args.only, args.precision):
            line = measure(name, precision, distance)
            print(json.dumps(line) if args.json else "  ".join(f"{k} {v}" for k, v in line.items()), flush=True)
            if args.out:
                with open(args.out, "a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
