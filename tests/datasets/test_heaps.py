"""The limit of memory under which text is read: it stops a length of gigabytes, and no thread of the program."""

import threading

import numpy as np
import pytest

from imitax.datasets.heaps import PAGES, ROOM, little_memory

pytestmark = pytest.mark.skipif(not PAGES.exists(), reason="the system does not say how much memory a process has")


def test_other_threads_begin_and_work_meanwhile():
    """A thread reserves 136 MiB of addresses for its stack and its memory before it does anything."""
    sums = []
    with little_memory():
        threads = [threading.Thread(target=lambda: sums.append(np.ones(2**20).sum())) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sums == [2**20] * 16


def test_what_is_more_than_the_limit_is_refused_and_the_limit_ends():
    with little_memory(), pytest.raises(MemoryError):
        np.zeros(2 * ROOM, np.uint8)
    assert np.zeros(2 * ROOM, np.uint8).nbytes == 2 * ROOM
