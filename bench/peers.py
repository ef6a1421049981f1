"""Time one gradient update, sampling included, of imitax and of its peers: same network, same batch, one core.

    python bench/peers.py --json                             # every library, five rounds, then one line per comparison
    python bench/peers.py --json --only sac-2x256            # one comparison: ours, sb3 and sbx
    python bench/peers.py --json --only sb3 imitax-sac       # single libraries, compared if ours is among them
    .venv-peers/sb3/bin/python bench/peers.py --worker sb3   # what the parent process runs for each library

Each peer has its own virtual environment, because their pins conflict. A missing one is created, with the build of
torch that pip is configured for (the CPU build is enough: nothing here uses a GPU). A round runs every library once, in
turn, so that changes of the machine's load affect all of them; ratios are taken per round. Equal are Hopper's sizes (11
observations, 3 actions), two hidden layers of 256 ReLU units, batches of 256, Adam, float32, and one core.
`peer_workers.py` describes what differs.

Ratios depend on the machine: on an AMD processor with AVX-512, torch's matrix product (MKL) reached less than half the
rate of XLA's on the same core.
"""

# A worker runs in its peer's environment, so this file imports only the standard library.
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from statistics import median

from peer_workers import WORKERS

ROOT = Path(__file__).resolve().parents[1]

# The peer itself comes first. Then come packages that its speed depends on, or that its own pins leave open.
PINS = {
    "sb3": ["stable-baselines3==2.9.2", "torch==2.13.0", "numpy==2.4.6", "gymnasium==1.4.0"],
    "sbx": [
        *("sbx-rl==0.28.0", "jax==0.10.2", "jaxlib==0.10.2", "flax==0.12.8", "optax==0.2.8"),
        *("stable-baselines3==2.9.2", "torch==2.13.0", "numpy==2.4.6", "gymnasium==1.4.0"),
    ],
    "d3rlpy": ["d3rlpy==2.8.1", "torch==2.13.0", "numpy==2.4.6", "gymnasium==1.0.0", "gym==0.26.2"],
    "imitation": [
        *("imitation==1.0.1", "stable-baselines3==2.2.1", "torch==2.13.0", "numpy==2.4.6", "gymnasium==0.29.1"),
    ],
}
# Ours first, then the peers that it is compared with.
COMPARISONS = {"sac-2x256": ["imitax-sac", "sb3", "sbx"], "bc-2x256": ["imitax-bc", "d3rlpy", "imitation"]}


def distribution(library: str) -> str:
    """Name of the package whose version is quoted."""
    return PINS[library][0].split("==")[0] if library in PINS else "imitax"


def work(library: str, updates: int) -> None:
    """Time one library in this process, which must not have imported any numerical library yet."""
    # JAX and OpenMP size their thread pools by the allowed cores; the variables cover libraries that do not.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    with contextlib.redirect_stdout(sys.stderr):  # d3rlpy logs to standard output
        ms = WORKERS[library](updates)
    print(json.dumps({"library": library, "version": metadata.version(distribution(library)), "ms": round(ms, 4)}))


def interpreter(library: str, folder: Path) -> Path:
    """The library's Python. Creates the peer's virtual environment if it is missing or has other pins."""
    if library not in PINS:
        return Path(sys.executable)
    home = folder / library
    python, stamp = home / "bin" / "python", home / "pins.json"
    if not (stamp.exists() and json.loads(stamp.read_text()) == PINS[library]):
        print(f"creating {home}: {' '.join(PINS[library])}", file=sys.stderr)
        base = shutil.which("python3.11") or sys.executable
        subprocess.run([base, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PINS[library]], check=True, stdout=sys.stderr)
        stamp.write_text(json.dumps(PINS[library]))  # last, so that an interrupted installation is repeated
    return python


def measure(library: str, python: Path, updates: int) -> dict:
    """Run one worker in its environment and return its line."""
    command = [python, __file__, "--worker", library, "--updates", str(updates)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{library} failed:\n{run.stderr[-4000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def compare(name: str, peer: str, rounds: list[dict[str, dict]]) -> dict:
    """One comparison from the lines of all rounds: the median of the ratios of each round."""
    ours = [line[COMPARISONS[name][0]]["ms"] for line in rounds]
    theirs = [line[peer]["ms"] for line in rounds]
    ratios = [p / o for p, o in zip(theirs, ours, strict=True)]
    return {
        "comparison": name,
        "peer": peer,
        "peer_version": rounds[0][peer]["version"],
        "ours_ms": round(median(ours), 4),
        "peer_ms": round(median(theirs), 4),
        "ratio": round(median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "rounds": len(rounds),
        "cores": 1,
        "precision": "float32",
    }


def write_lines(file: Path, lines: list[dict]) -> None:
    """Replace the file atomically, so that a reader never sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as part:
        part.writelines(json.dumps(line) + "\n" for line in lines)
    Path(part.name).chmod(0o644)
    os.replace(part.name, file)


def main() -> None:
    """Run the rounds, print their lines and the comparisons, and write them to a file if one is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of text")
    parser.add_argument("--only", nargs="+", choices=[*COMPARISONS, *WORKERS], help="these comparisons and libraries")
    parser.add_argument("--rounds", type=int, default=5, help="how often each library runs")
    parser.add_argument("--updates", type=int, default=1000, help="timed updates in one run of a library")
    parser.add_argument("--out", type=Path, help="also write the JSON lines to this file")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".venv-peers", help="folder of the peers' environments")
    parser.add_argument("--worker", choices=WORKERS, help="time this library in this process")
    args = parser.parse_args()
    if args.worker:
        return work(args.worker, args.updates)

    chosen = [
        library
        for comparison, libraries in COMPARISONS.items()
        for library in libraries
        if not args.only or comparison in args.only or library in args.only
    ]
    pythons = {library: interpreter(library, args.venvs) for library in chosen}
    lines = []

    def emit(line: dict) -> None:
        lines.append(line)
        text = json.dumps(line) if args.json else "  ".join(f"{key} {value}" for key, value in line.items())
        print(text, flush=True)

    rounds = []
    for i in range(args.rounds):
        rounds.append({})
        # Every second round runs in reverse order, so that a drift of the machine's speed favours no library.
        for library in chosen if i % 2 == 0 else chosen[::-1]:
            rounds[-1][library] = measure(library, pythons[library], args.updates)
            emit({"round": i, **rounds[-1][library]})
    for name, (ours, *peers) in COMPARISONS.items():
        for peer in peers:
            if {ours, peer} <= set(chosen):
                emit(compare(name, peer, rounds))
    if args.out:
        write_lines(args.out, lines)


if __name__ == "__main__":
    main()
