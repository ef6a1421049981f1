"""Kill runs at random times, resume them, and compare the result with that of an uninterrupted run, bit for bit.

    python bench/resume.py --kills 20 --out bench/results/resume.jsonl

One offline run (behaviour cloning) and one online run (SAC) are started as processes, killed with SIGKILL after random
times and resumed, `--kills` times; the last resumption runs to the end.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS, CHECKPOINT = 4000, 200
PYTHON = [sys.executable, "-m", "imitax.cli"]
COMMON = ["--steps", str(STEPS), "--checkpoint-every", str(CHECKPOINT), "--eval-every", "1000", "--eval-episodes", "2"]
RUNS = {
    "offline": ["train", "bc", "--env", "Hopper-v5", "--demos", "hopper-expert", "--episodes", "3", *COMMON],
    "online": ["train", "sac", "--env", "Hopper-v5", "--warmup-steps", "200", *COMMON],
}


def metrics(folder: Path) -> list[dict]:
    """The run's metrics without wall times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "wall_s"} for line in lines]


def same(a: Path, b: Path) -> dict[str, bool]:
    """Whether two runs ended with equal files, by name."""
    files = ["policy.safetensors", "policy-best.safetensors", f"checkpoints/step-{STEPS:09d}/state.safetensors"]
    equal = {name: (a / name).read_bytes() == (b / name).read_bytes() for name in files}
    replays = {p.name: p.read_bytes() for p in (a / "replay").glob("*")}
    equal["replay"] = replays == {p.name: p.read_bytes() for p in (b / "replay").glob("*")}
    return equal | {"metrics.jsonl": metrics(a) == metrics(b)}


def kill_and_resume(kind: str, kills: int, rng: random.Random) -> dict[str, object]:
    """One uninterrupted run and one that is killed `kills` times."""
    with tempfile.TemporaryDirectory() as scratch:
        whole, broken = Path(scratch) / "whole", Path(scratch) / "broken"
        start = time.monotonic()
        subprocess.run([*PYTHON, *RUNS[kind], "--out", str(whole), "--quiet"], check=True)
        duration = time.monotonic() - start
        moments = []
        while len(moments) < kills:
            first = not (broken / "config.json").exists()
            order = [*RUNS[kind], "--out", str(broken)] if first else ["train", "--resume", str(broken)]
            process = subprocess.Popen([*PYTHON, *order, "--quiet"], stderr=subprocess.DEVNULL)
            moment = rng.uniform(0.2, 1.0) * duration
            try:
                process.wait(moment)
                if process.returncode:
                    raise RuntimeError(f"{kind}: the run ended with status {process.returncode}")
                break  # it finished before it could be killed
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                saved = sorted(p.name for p in (broken / "checkpoints").glob("step-*"))
                moments.append({"after_s": round(moment, 2), "newest": saved[-1] if saved else None})
        subprocess.run([*PYTHON, "train", "--resume", str(broken), "--quiet"], check=True)
        return {"run": kind, "kills": len(moments), "moments": moments, "bit_exact": same(whole, broken)}


def main() -> None:
    """Run until each kind has been killed often enough, and print one line per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=20, help="kills of each kind of run, over as many runs as it takes"
    )
    parser.add_argument("--only", choices=RUNS, nargs="+", default=list(RUNS))
    parser.add_argument("--seed", type=int, default=0, help="seed of the times")
    parser.add_argument("--out", help="also append the lines to this file")
    args = parser.parse_args()
    failed = False
    for kind in args.only:
        rng, done = random.Random(f"{kind}{args.seed}"), 0
        while done < args.kills:
            line = kill_and_resume(kind, args.kills - done, rng)
            done += int(str(line["kills"]))
            failed |= not all(line["bit_exact"].values())  # type: ignore[union-attr]
            print(json.dumps(line), flush=True)
            if args.out:
                with open(args.out, "a") as file:
                    file.write(json.dumps(line) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
