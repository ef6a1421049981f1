"""Adversarial imitation of many seeds on Hopper, one environment a seed, stepped in processes on all cores."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from accelerator_parts.part import Part

import imitax
from imitax.errors import ConfigError
from imitax.processes import cores


def run(part: Part) -> None:
    """Train until the time is up, with a line for every evaluation."""
    seeds, steps, every = (2, 2100, 2100) if part.toy else (32, 50_000, 5_000)
    workers = (cores() or 1) - 1 if part.env_workers is None else part.env_workers
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(part, Path(folder) / "run", seeds, steps, every, {"env_workers": workers} if workers else {})
        except ConfigError as problem:
            if not workers:
                raise
            part.line(env_workers=None, note=str(problem)[:300])
            train(part, Path(folder) / "again", seeds, steps, every, {})


def train(part: Part, folder: Path, seeds: int, steps: int, every: int, options: dict[str, Any]) -> None:
    """One training. It ends before an evaluation that would come too late."""
    started = time.monotonic()
    seen = [(0, started)]

    def told(event: Any) -> bool:
        now = time.monotonic()
        records = list(event.records.values())
        fields = {name: float(np.mean([r[name] for r in records])) for name in ("return_mean", "expert_fraction")}
        last_step, last_time = seen[-1]
        rate = (event.step - last_step) / (now - last_time)
        part.line(
            update="adversarial-default",
            seeds=seeds,
            steps=event.step,
            wall_s=round(now - started, 1),
            steps_per_s=round(rate, 1),
            env_steps_per_s=round(seeds * rate, 1),
            env_workers=options.get("env_workers", 0),
            **fields,
        )
        seen.append((event.step, now))
        return part.left > 1.1 * (now - last_time)

    imitax.train(
        "adversarial",
        env="Hopper-v5",
        demos="hopper-expert",
        episodes=10,
        steps=steps,
        seeds=tuple(range(seeds)),
        eval_every=every,
        eval_episodes=1 if part.toy else 3,
        checkpoint_every=steps,
        out=folder,
        quiet=True,
        callbacks=[told],
        **options,
    )
