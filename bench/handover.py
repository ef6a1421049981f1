"""How long two processor cores take to answer one another: do they share a cache at the moment?

On processors built of several blocks of cores, each with a last-level cache of its own, data that one core has just
written reaches another core of its block in some 80 ns and a core of another block in some 370 ns, at a third of the
throughput. Every operation that XLA deals to two threads reads what both have written. A virtual machine's cores are
moved between blocks by its host, unseen, every few seconds, so that `update_rate.py` asks between its blocks.

    python bench/handover.py       # once a second, until interrupted
"""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from statistics import median

ROUNDS = 1000
"""An even number, so that the first value of a turn differs from the last of the turn before."""
APART_NS = 400
"""A round trip between these processes takes about 210 ns with a shared cache and 570 ns without on a Zen 5 server,
the interpreter's time included."""


@contextlib.contextmanager
def handover(cores: tuple[int, int]) -> Iterator[Callable[[], float]]:
    """A function that measures the median round trip of a byte between two cores, in nanoseconds.

    The other core's process waits for its next turn without using processor time.
    """
    context = multiprocessing.get_context("spawn")
    shared, (ours, theirs) = context.RawArray("B", 2 * LINE), context.Pipe()
    process = context.Process(target=_answer, args=(shared, theirs, cores[1]), daemon=True)
    process.start()
    theirs.close()
    ours.recv()  # it has started

    def measure() -> float:
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cores[0]})
        try:
            ours.send(ROUNDS)
            return median(_ask(memoryview(shared).cast("B"), value) for value in _values(ROUNDS))
        finally:
            os.sched_setaffinity(0, allowed)

    try:
        yield measure
    finally:
        ours.close()
        process.join()


LINE = 128
"""Bytes between the two cells: they must not lie in one cache line, nor in two that are fetched together."""


def _values(rounds: int) -> Iterator[int]:
    """1 and 2 in turn."""
    return (i % 2 + 1 for i in range(rounds))


def _ask(cells: memoryview, value: int) -> int:
    start = time.perf_counter_ns()
    cells[0] = value
    while cells[LINE] != value:
        pass
    return time.perf_counter_ns() - start


def _answer(shared, connection, core: int) -> None:
    """The other core's part."""
    os.sched_setaffinity(0, {core})
    cells = memoryview(shared).cast("B")
    connection.send(None)
    with contextlib.suppress(EOFError):
        while True:
            for value in _values(connection.recv()):
                while cells[0] != value:
                    pass
                cells[LINE] = value


def main() -> None:
    """Print the round trip between the first two cores that this process may use."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("handover needs two cores, and this process may use one: see `taskset -p`")
    with handover((cores[0], cores[1])) as measure, contextlib.suppress(KeyboardInterrupt):
        while True:
            print(f"{measure():.0f} ns", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main()
