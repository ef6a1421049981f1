"""What one GPU makes of imitax, in at most 8 minutes.

    bench/accelerator.sh results/                          # from a bare checkout: installs what is missing first
    python bench/accelerator.py --out results/             # where imitax is installed
    python bench/accelerator.py --out toy/ --toy           # the same at toy sizes, on any machine

Writes JSON lines to `accelerator.jsonl` as they come, and errors to `accelerator.log`. Each part is a process of its
own with a share of the time; what no longer fits is named in a line of its own. A second call with the same folder
goes on with what the first one left of `check` and `rates`.

card    rates of matrix products and copies, and what a loop's iteration and a round trip to the host take
check   one update of every algorithm and preset at a fixed batch, in float32, against the CPU's, the defaults first
rates   updates at 1, 8, 64 and 256 seeds in float32, TF32 and bfloat16. `ms` is one update of all seeds, `gflop` all
        their products, `matmul_gflops` the best product of that precision, `share` their quotient
clone   behaviour cloning of 300 seeds on Hopper's demonstrations; the policies are evaluated on the CPU
online  adversarial imitation of 32 seeds on Hopper, environments on all cores
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MINUTES = 7.8
SHARES = {"card": 30, "check": 95, "rates": 165, "clone": 65, "online": 90}
"""Seconds of each part, in their order. What is left of them at the end goes to the rest of the rates."""
LEAST, GRACE = 20, 8
"""Seconds without which a part is not started, and after its share that it has to end by itself."""
ENVIRONMENT = {
    # Several processes have the card, and no search for the fastest kernels, which takes most of the compilation.
    "check": {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_FLAGS": "--xla_gpu_autotune_level=0"},
}
"""Of a part, beside what is set already."""


def read(out: Path) -> list[dict[str, Any]]:
    """The lines so far."""
    path = out / "accelerator.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(out: Path, **fields: Any) -> None:
    """Append one line, and print it."""
    line = json.dumps(fields)
    with (out / "accelerator.jsonl").open("a") as file:
        file.write(line + "\n")
    print(line, flush=True)


def run_part(name: str, out: Path, seconds: float, options: Iterable[str]) -> None:
    """One part in a process of its own, killed with all its children where it outlasts its time."""
    log, until = out / "accelerator.log", time.time() + seconds
    start = log.stat().st_size if log.exists() else 0
    command = [sys.executable, "-m", "accelerator_parts", name, "--out", str(out), "--until", str(until), *options]
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    for key, value in ENVIRONMENT.get(name, {}).items():
        environment[key] = " ".join(filter(None, [os.environ.get(key), value]))
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stderr=errors, env=environment, start_new_session=True)
        try:
            code = process.wait(seconds + GRACE)
            problem = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = f"killed after {seconds + GRACE:.0f} s"
        with contextlib.suppress(ProcessLookupError):  # what it has left running too
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if problem:
        tail = log.read_bytes()[start:][-2000:].decode(errors="replace")
        write(out, part=name, error=f"{problem}: {tail}")


def run_all(out: Path, toy: bool, parts: list[str], minutes: float) -> None:
    """Every part in its order, then the rest of the rates. Toy sizes take the time that they need."""
    end, options = time.monotonic() + 60 * (1e3 if toy else minutes), ["--toy"] if toy else []
    shares = (
        SHARES if parts == list(SHARES) and not toy else dict.fromkeys(parts, 3600)
    )  # a part alone has all the time

    def left() -> float:
        return end - time.monotonic() - GRACE

    def attempt(name: str, seconds: float, *more: str) -> None:
        if seconds < LEAST:
            write(out, part=name, skipped=f"{max(seconds, 0):.0f} s are left")
            return
        started = time.monotonic()
        run_part(name, out, seconds, [*options, *more])
        write(out, part=name, part_s=round(time.monotonic() - started, 1))

    for name in parts:
        attempt(name, min(shares[name], left()))
        if name == "card" and not toy and any(line.get("backend") == "cpu" for line in read(out)):
            sys.exit("JAX sees no accelerator here; --toy runs on a CPU")
        if name == "online" and not any(line["part"] == name and "steps" in line for line in read(out)):
            attempt(name, min(shares[name], left()), "--env-workers", "0")
    if "rates" in parts and any(line.get("postponed") for line in read(out)):
        attempt("rates", left(), "--last")


def table(lines: list[dict[str, Any]]) -> str:
    """Milliseconds of one update of all seeds, and what every other part found, short."""
    rows: dict[tuple[str, str], dict[int, float]] = {}
    for line in lines:
        if line["part"] == "rates" and "ms" in line:
            rows.setdefault((line["update"], line["precision"]), {})[line["seeds"]] = line["ms"]
    columns = sorted({seeds for row in rows.values() for seeds in row})
    text = [f"{'ms of one update of N seeds':32}" + "".join(f"{n:>10}" for n in columns)]
    for (update, precision), row in sorted(rows.items()):
        text.append(f"{update:22}{precision:10}" + "".join(f"{row.get(n, float('nan')):10.4g}" for n in columns))
    checks = [line for line in lines if "relative_error" in line]
    if checks:
        worst = max(checks, key=lambda line: line["relative_error"])
        text.append(f"{len(checks)} checks, largest relative error {worst['relative_error']:.2g} of {worst['update']}")
    for part in ("clone", "online"):
        found = [line for line in lines if line["part"] == part and "part_s" not in line and "error" not in line]
        text += [f"{part}: {json.dumps({k: v for k, v in line.items() if k != 'part'})}" for line in found[-2:]]
    text += [f"{line['part']}: {line['error'][-300:]}" for line in lines if "error" in line]
    return "\n".join(text)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--toy", action="store_true", help="toy sizes, without a limit of time")
    parser.add_argument("--parts", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of all parts together")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    run_all(args.out, args.toy, args.parts, args.minutes)
    print(table(read(args.out)))


if __name__ == "__main__":
    main()
