"""Several seeds on one CPU: their updates on one device or several, and the steps of their environments.

    python bench/many_seeds.py --out results/many_seeds.jsonl          # all, twenty minutes
    python bench/many_seeds.py --parts updates --rounds 5

updates    milliseconds of one update of all seeds of adversarial-default (500 updates each time): as one vmap on all
           cores, and shared by as many virtual devices as there are cores
training   steps a second of all seeds in an online training, adversarial-default on Hopper-v5, updates and environments
           together: steps 2,500 to 3,500, on one device or as many as there are cores
stepping   steps a second of all seeds' environments with acting policies of 2 x 256 units, as training takes them
           between its updates, and of an evaluation, by the number of worker processes

Every figure is taken in a process of its own. The processes of all settings alternate, so that changes of the machine's
load affect all of them; a line has the figures of all rounds and their median. Nothing else should run.

To compare with an earlier commit, run `--one training 4 1` with its checkout as PYTHONPATH.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

CORES = len(os.sched_getaffinity(0))
SEEDS = {"updates": (2, 4), "training": (4, 8), "stepping": (1, 4, 8)}
SPLITS = {"updates": (1, CORES), "training": (1, CORES), "stepping": (0, CORES - 1)}
"""Numbers of devices, of devices, and of worker processes."""


def updates(seeds: int, devices: int) -> dict[str, float]:
    """Milliseconds of one update of all seeds."""
    import jax
    import jax.numpy as jnp
    from updates import harness

    from imitax.algorithms import adversarial
    from imitax.buffers import Buffers
    from imitax.registry import algorithm_of
    from imitax.stacking import spread
    from imitax.training.chunk import make_chunk

    cfg = adversarial.PRESETS["default"]
    algorithm = algorithm_of(cfg)
    (arrays, _), static, keys = harness.new_state(algorithm, cfg)
    absorbing = algorithm.needs(cfg).absorbing
    buffers = Buffers(harness.buffer(10_000, absorbing), harness.buffer(100_000, absorbing))
    repeated = jax.tree.map(lambda x: jnp.repeat(x, seeds, axis=0), (arrays, buffers, keys))
    arrays, buffers, keys = spread(repeated, devices)
    run, times = make_chunk(algorithm, cfg, static, seeds, devices), []
    for i in range(6):
        start = time.perf_counter()
        arrays, metrics = run(arrays, buffers, keys, jnp.asarray(100 * i), 100)
        jax.block_until_ready(metrics)
        times.append(10 * (time.perf_counter() - start))
    return {"ms": median(times[1:])}  # the first compiles


def training(seeds: int, devices: int) -> dict[str, float]:
    """Steps a second of all seeds in an online training."""
    import tempfile

    import imitax

    first, last = 2500, 3500
    split: dict[str, Any] = {} if devices == 1 else {"devices": devices, "env_workers": devices - 1}
    with tempfile.TemporaryDirectory() as folder:
        run = imitax.train(
            "adversarial",
            env="Hopper-v5",
            demos="hopper-expert",
            out=Path(folder) / "run",
            episodes=10,
            steps=last,
            seeds=tuple(range(seeds)),
            eval_every=500,
            eval_episodes=1,
            quiet=True,
            **split,
        )
        metrics = run.folder.rglob("metrics.jsonl")
        rows = [json.loads(line) for path in metrics for line in path.read_text().splitlines()]
    wall = {row["step"]: row["wall_s"] for row in rows if row["kind"] == "train" and row["seed"] == 0}
    return {"training_steps_per_s": seeds * (last - first) / (wall[last] - wall[first])}


def stepping(seeds: int, workers: int) -> dict[str, float]:
    """Steps a second of training's environments, and of an evaluation of 20 episodes a seed."""
    from functools import partial

    from imitax import seeding
    from imitax.agents.start import Start
    from imitax.algorithms import sac
    from imitax.buffers import Buffer
    from imitax.envs import Task
    from imitax.evaluate import Evaluator, make_act
    from imitax.networks import Normalizer
    from imitax.registry import algorithm_of
    from imitax.seeding import Purpose
    from imitax.sources import OnlineSource
    from imitax.stacking import stack
    from imitax.vector_envs import make_vector_env

    task, cfg, numbers = Task.create("Hopper-v5"), sac.PRESETS["default"], tuple(range(seeds))
    algorithm = algorithm_of(cfg)
    normalizer = Normalizer.identity(task.spec.obs_dim)
    starts = [Start(task.spec, normalizer, seeding.key(i, Purpose.INITIALISATION), None) for i in numbers]
    policies = algorithm.explorer(stack([algorithm.init(cfg, start) for start in starts]))
    envs = make_vector_env(task, seeds, workers)
    source = OnlineSource(envs, task.spec, numbers, Buffer.empty(10_000, task.spec, False), 0)
    act = partial(make_act(policies, seeding.keys(numbers, Purpose.ACTING), "sample"), policies)

    def steps() -> int:
        for first in range(0, 1000, 50):  # chunks, as in training
            source.advance(act, first, 50)
        return 1000 * seeds

    evaluator = Evaluator(task, numbers, 20, mode="sample", workers=workers)
    found = {
        "steps_per_s": rate(steps),
        "evaluation_steps_per_s": rate(lambda: sum(int(r.lengths.sum()) for r in evaluator(policies))),
    }
    source.close()
    evaluator.close()
    return found


def rate(f: Callable[[], int]) -> float:
    """What `f` counts in a second, the median of five calls after one that compiles."""
    rates = []
    for _ in range(6):
        start = time.perf_counter()
        count = f()
        rates.append(count / (time.perf_counter() - start))
    return median(rates[1:])


def measure(part: str, seeds: int, split: int) -> dict[str, float]:
    """One round of one setting, in a process of its own."""
    devices = 1 if part == "stepping" else split
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    call = [sys.executable, __file__, "--one", part, str(seeds), str(split)]
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure in rounds, and print one line a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=SEEDS, default=list(SEEDS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="append the lines to this file too")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        part, seeds, split = args.one
        print(
            json.dumps({"updates": updates, "training": training, "stepping": stepping}[part](int(seeds), int(split)))
        )
        return
    from imitax.training.provenance import commit

    for part in args.parts:
        settings = [(part, *pair) for pair in itertools.product(SEEDS[part], dict.fromkeys(SPLITS[part]))]
        rounds = [[measure(*setting) for setting in settings] for _ in range(args.rounds)]
        for (_, seeds, split), found in zip(settings, zip(*rounds, strict=True), strict=True):
            line: dict[str, Any] = {"part": part, "seeds": seeds}
            line["env_workers" if part == "stepping" else "devices"] = split
            for name in found[0]:
                line |= {name: round(median(f[name] for f in found), 2), f"{name}_rounds": [f[name] for f in found]}
            text = json.dumps(line | {"cores": CORES, "commit": commit()})
            print(text, flush=True)
            if args.out:
                with args.out.open("a") as file:
                    file.write(text + "\n")


if __name__ == "__main__":
    main()
