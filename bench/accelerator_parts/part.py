"""What every part is given, and how it writes."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
from accelerator import write

from imitax.processes import cores
from imitax.training.provenance import commit

MATMUL = {"float32": "highest", "tf32": "default", "bfloat16": "default"}
"""JAX's matmul precision. Its default for float32 operands is TF32 on GPUs that have it."""

commit_once = cache(commit)


@dataclass(frozen=True)
class Part:
    """One part of the benchmark, or one process of several that work on it."""

    name: str
    out: Path
    until: float
    """Time of the clock by which it should have ended."""
    toy: bool
    last: bool
    """No later run takes up what this one leaves."""
    env_workers: int | None
    """Processes that step environments, where they are not one for each core."""
    share: Sequence[int]
    """Which of how many processes this one is."""

    @property
    def left(self) -> float:
        """Seconds."""
        return self.until - time.time()

    def line(self, **fields: Any) -> None:
        """Write a line of results."""
        where = {"device": jax.devices()[0].device_kind, "cores": cores(), "commit": commit_once()}
        write(self.out, part=self.name, **fields, **where)

    def error(self, what: str, problem: BaseException) -> None:
        """Write a line about something that failed."""
        write(self.out, part=self.name, update=what, error=f"{type(problem).__name__}: {str(problem)[:1500]}")

    def worker(
        self,
        name: str,
        out: Path,
        share: tuple[int, int] = (0, 1),
        seconds: float = 0.0,
        platform: str | None = "cpu",
    ) -> subprocess.Popen:
        """Start a process of this part, to end `seconds` before it; one of several on the CPU gets one core.

        It belongs to the part's process group, and so is killed with it. Its platform is JAX's own choice where None.
        """
        command = [sys.executable, "-m", "accelerator_parts", name, "--out", str(out)]
        command += ["--until", str(self.until - seconds), "--share", *map(str, share), *(["--toy"] if self.toy else [])]
        process = subprocess.Popen(command, env=os.environ | ({"JAX_PLATFORMS": platform} if platform else {}))
        if platform == "cpu" and share[1] > 1 and hasattr(os, "sched_setaffinity"):  # before JAX sizes its thread pool
            allowed = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(process.pid, {allowed[share[0] % len(allowed)]})
        return process
