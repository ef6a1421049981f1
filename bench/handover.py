"""Latency between two processor cores, which shows whether they share a cache at the moment.

On processors with several groups of cores, each with its own last-level cache, data that one core has written reaches
another core of its group in about 80 ns and a core of another group in about 370 ns, with a third of the throughput.
Every operation that XLA divides between two threads reads what both have written. The host of a virtual machine may
move its cores between groups every few seconds, so `update_rate.py` measures the latency between its blocks.

    python bench/handover.py       # once a second, until interrupted
"""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from statistics import median

ROUNDS = 1000
"""An even number, so that the first value of a measurement differs from the last one of the one before."""
APART_NS = 400
"""A round trip takes about 210 ns with a shared cache and 570 ns without on a Zen 5 server, interpreter included."""


@contextlib.contextmanager
def handover(cores: tuple[int, int]) -> Iterator[Callable[[], float]]:
    """A function that measures the median round trip of a byte between two cores, in nanoseconds.

    Between measurements the other core's process does not use processor time.
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
"""Bytes between the two cells, so that they are neither in one cache line nor in two that are fetched together."""


def _values(rounds: int) -> Iterator[int]:
    """1 and 2, alternating."""
    return (i % 2 + 1 for i in range(rounds))


def _ask(cells: memoryview, value: int) -> int:
    start = time.perf_counter_ns()
    cells[0] = value
    while cells[LINE] != value:
        pass
    return time.perf_counter_ns() - start


def _answer(shared, connection, core: int) -> None:
    """Runs on the other core: answer every value with the same value."""
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
