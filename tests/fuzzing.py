"""Readers on mutated files, in a process of their own: `python tests/fuzzing.py SECONDS SEED FOLDER KIND...`.

Each kind makes its file, damages it again and again, and reads it. Whatever is raised must be the library's own error,
no read may take 20 seconds, and the process may not grow by 2 GB: its peak is its own, which an earlier test of the
same process would hide. A fault leaves the damaged file in FOLDER, and status 1 at the end.
"""

import faulthandler
import json
import sys
import time
import traceback
import warnings
from pathlib import Path

import fuzzing_files
import numpy as np

from imitax.errors import ImitaxError

HANG = 20
"""Seconds that a read may take."""
GROWTH = 2_000_000
"""Kilobytes that the process may grow by."""
ODD = [None, True, -1, 0, 2**70, -1.5, 1e308, float("nan"), "", "x" * 500, "\x1b[2J", "../x", [], {}, [[]], [1, None]]
"""What stands in for a value of JSON."""


def damaged(whole, rng):
    """Bytes flipped, cut, repeated or made extreme, mostly near the beginning, where headers are, or near the end."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 6)):
        limit = max(1, len(data) if rng.random() < 0.5 else min(len(data), 1500))
        at, size = int(rng.integers(limit)), int(rng.integers(1, 9))
        if rng.random() < 0.25:
            at = max(0, len(data) - 1 - at)
        kind = rng.integers(5)
        if kind == 0:
            data[at : at + size] = rng.bytes(size)
        elif kind == 1:
            data[at : at + size] = b"\xff" * size
        elif kind == 2:
            del data[at : at + size * int(rng.integers(1, 50))]
        elif kind == 3:
            data[at:at] = data[at : at + size * 20]
        else:
            data[at : at + 1] = bytes([data[at] ^ (1 << int(rng.integers(8)))]) if at < len(data) else b""
    return bytes(data)


def changed(value, rng):
    """JSON in which one value, at any depth, is another one or is gone."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return ODD[rng.integers(len(ODD))]
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, new = keys[rng.integers(len(keys))], value.copy()
    if rng.random() < 0.2:
        del new[key]
    else:
        new[key] = changed(value[key], rng)
    return new


def mutated(whole, path, rng):
    """Another content for a file: JSON is also changed as JSON."""
    if path.suffix in (".json", ".jsonl") and rng.random() < 0.7:
        lines = whole.decode().splitlines() if path.suffix == ".jsonl" else [whole.decode()]
        index = int(rng.integers(len(lines)))
        lines[index] = json.dumps(changed(json.loads(lines[index]), rng))
        return "\n".join(lines).encode()
    return damaged(whole, rng)


def peak():
    """The most memory that this process has used, in kilobytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def fuzz(kind, folder, seconds, seed, least=20):
    """Damage and read one kind of file; returns how often it was read and refused."""
    folder.mkdir(parents=True)
    target, read = fuzzing_files.KINDS[kind](folder)
    whole, rng, start = target.read_bytes(), np.random.default_rng(seed), time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read()  # whole, it is read
        rounds, refused, before = 0, 0, peak()
        while time.monotonic() - start < seconds or rounds < least:
            rounds += 1
            target.write_bytes(mutated(whole, target, rng))
            faulthandler.dump_traceback_later(HANG, exit=True)
            try:
                read()
            except ImitaxError:
                refused += 1
            finally:
                faulthandler.cancel_dump_traceback_later()
            if peak() - before > GROWTH:
                raise MemoryError(f"the process grew by {(peak() - before) // 1000} MB")
    return rounds, refused


def main(seconds, seed, folder, *kinds):
    faults = 0
    for kind in kinds:
        began = time.monotonic()
        try:
            rounds, refused = fuzz(kind, Path(folder) / kind, float(seconds), int(seed))
        except BaseException:
            traceback.print_exc()
            print(f"fault: {kind}, see {folder}/{kind}", flush=True)
            faults += 1
            continue
        print(f"{kind}: {rounds} read, {refused} refused, {time.monotonic() - began:.1f} s", flush=True)
        if not refused:
            print(f"{kind}: nothing was refused, so nothing was damaged")
            faults += 1
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
