"""Behaviour cloning of hundreds of seeds as one program, each on its own draw of Hopper's demonstrations.

The final policies are evaluated on the CPU, in one process for each core.
"""

import contextlib
import json
import subprocess
import tempfile
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from accelerator_parts.part import Part
from updates import harness

from imitax import seeding
from imitax.agents.start import Start
from imitax.algorithms import bc
from imitax.artifacts import load_policy, save_policy
from imitax.buffers import Buffers
from imitax.datasets import load, normalization, select
from imitax.envs import Task
from imitax.evaluate import Evaluator, explain_encoded
from imitax.networks import Normalizer, Policy
from imitax.processes import cores
from imitax.registry import find
from imitax.seeding import Purpose
from imitax.sources import episode_buffer
from imitax.stacking import stack
from imitax.statistics import expert_fraction, iqm
from imitax.training.chunk import make_chunk

EVALUATION = 25
"""Seconds that are kept for it."""
ENV = "Hopper-v5"


def run(part: Part) -> None:
    """Train, save, evaluate."""
    seeds, updates, scan = (3, 20, 10) if part.toy else (300, 30_000, 500)
    data = load("hopper-expert")
    state, line = train(part, data, seeds, updates, scan)
    part.line(update="bc-2x256", seeds=seeds, precision="tf32", **line)
    policies = jax.device_get(eqx.filter(bc.policy(state), eqx.is_array))
    static = eqx.filter(bc.policy(state), eqx.is_array, inverse=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(seeds):
            own = jax.tree.map(itemgetter(i), policies)
            save_policy(folder / f"{i}.safetensors", eqx.combine(own, static), {})
        processes = max(1, min(cores() or 1, seeds // 2))
        workers = [part.worker("clone.evaluate", folder, (i, processes), seconds=2) for i in range(processes)]
        started = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            for worker in workers:
                worker.wait(max(part.left, 1))
        parts = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    returns = [x for some in parts for x in some]
    mean = float(np.mean(returns))
    part.line(
        evaluated=len(returns),
        return_mean=mean,
        return_iqm=float(iqm(returns)),
        return_least=min(returns),
        expert_fraction=expert_fraction(mean, float(data.returns.mean())),
        wall_s=round(time.monotonic() - started, 1),
    )


def train(part: Part, data: Any, seeds: int, updates: int, scan: int) -> tuple[Any, dict[str, Any]]:
    """The states of all seeds after so many updates, or as many as there is time for, and what is reported of them."""
    started = time.perf_counter()
    numbers, cfg = tuple(range(seeds)), bc.PRESETS["default"]
    drawn = [select(data, episodes=12, validation_episodes=2, seed=seed) for seed in numbers]
    normalizers = stack([Normalizer.of(harness.spec().observation, normalization(some.train)) for some in drawn])
    buffers = Buffers(episode_buffer([some.train for some in drawn], numbers, harness.spec().action))
    keys = seeding.keys(numbers, Purpose.INITIALISATION)

    @eqx.filter_jit
    def init(normalizers: Normalizer, keys: Any) -> Any:
        return eqx.filter_vmap(lambda normalizer, key: bc.init(cfg, Start(harness.spec(), normalizer, key)))(
            normalizers, keys
        )

    arrays, static = eqx.partition(init(normalizers, keys), eqx.is_array)
    arrays = jax.tree.map(jnp.copy, arrays)
    keys = seeding.keys(numbers, Purpose.UPDATES)
    run_chunk: Any = make_chunk(find("bc"), cfg, static, seeds)
    program = run_chunk.lower(arrays, buffers, keys, jnp.asarray(0), scan).compile()
    ready, done, metrics = time.perf_counter(), 0, {}
    while done < updates and part.left > EVALUATION:
        arrays, metrics = program(arrays, buffers, keys, jnp.asarray(done))
        jax.block_until_ready(metrics)
        done += scan
    wall = time.perf_counter() - ready
    state = eqx.combine(arrays, static)
    held_out = [some.validation.transitions() for some in drawn if some.validation is not None]
    rows = min(len(t.obs) for t in held_out)
    held_out = jax.tree.map(lambda *x: jnp.stack([one[:rows] for one in x]), *held_out)
    measure = eqx.filter_jit(eqx.filter_vmap(explain_encoded))
    measures = measure(bc.policy(state), held_out, seeding.keys(numbers, Purpose.EVALUATION))
    line = {"updates": done, "wall_s": round(wall, 2), "start_s": round(ready - started, 2)}
    line |= {"ms": round(wall / max(done, 1) * 1e3, 4), "updates_per_s": round(seeds * done / wall, 1)}
    line |= {"nll": float(jnp.mean(metrics["nll"]))} if metrics else {}
    return state, line | {f"validation_{name}": float(jnp.mean(x)) for name, x in measures.items()}


def evaluate(part: Part) -> None:
    """A worker: mean returns of its share of the policies."""
    index, processes = part.share
    numbers = range(index, len(list(part.out.glob("*.safetensors"))), processes)
    policies: list[Policy] = [load_policy(part.out / f"{i}.safetensors")[0] for i in numbers]
    evaluator = Evaluator(Task.create(ENV), tuple(numbers), 1 if part.toy else 5)
    means = [float(rolled.returns.mean()) for rolled in evaluator(stack(policies))]
    path = part.out / f"{index}.part"
    path.write_text(json.dumps(means))
    path.rename(path.with_suffix(".json"))
