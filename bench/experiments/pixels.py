"""What is lost when a task is seen as pixels: BC and adversarial imitation of a pendulum from both.

    python -m bench.experiments.pixels --out runs/pixels --results bench/results/pixels.jsonl

Ten demonstrations of the expert in `pixel_pendulum.py` are recorded once, each with its pixels and its state. Every
method learns from the pixels of these episodes and from their states, with the same settings otherwise; images are
shifted at random (DrQ). Returns are negative, so scores are the share of the way from a random policy's mean return to
the expert's. Finished runs are skipped, so an interrupted script continues when it is started again.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import imitax
from bench.experiments.few_runs import finished, options
from bench.experiments.pixel_pendulum import ENV, PixelPendulum, expert
from imitax.datasets import Dataset, collect

STEPS = {"bc": 5_000, "adversarial": 20_000}
SETTINGS: dict[str, dict[str, Any]] = {
    "bc": {"batch_size": 64},
    "adversarial": {"batch_size": 64, "buffer_size": 20_000},
}
"""Smaller batches and a smaller replay than by default, for states too: 20,000 steps of pixels take 0.5 GB."""
RANDOM_EPISODES = 20


def record(episodes: int, seed: int = 0) -> dict[str, Dataset]:
    """The same episodes of the expert as pixels and as states."""
    both = collect(expert, lambda: PixelPendulum("both"), episodes=episodes, seed=seed, name="pixel-pendulum")
    return {
        shows: replace(
            both,
            episodes=tuple(replace(e, observations=e.observations[shows]) for e in both.episodes),
            env_id=ENV,
            env_kwargs={"shows": shows},
            name=f"pixel-pendulum-{shows}",
        )
        for shows in ("pixels", "state")
    }


def random_return() -> float:
    """Mean return of uniformly random actions."""
    rng = np.random.default_rng(0)
    played = collect(
        lambda obs, step: rng.uniform(-2, 2, (len(obs), 1)),
        lambda: PixelPendulum("state"),
        episodes=RANDOM_EPISODES,
        seed=1,
    )
    return float(played.returns.mean())


def main(arguments: Sequence[str] | None = None) -> dict[tuple[str, str], float]:
    """Train what is missing and print the scores; returns them by method and observation."""
    args = options(__doc__, "runs/pixels", list(STEPS)).parse_args(arguments)
    demos, low = record(args.episodes), random_return()
    high = float(demos["state"].returns.mean())
    print(f"expert {high:.1f}, random {low:.1f}")
    scores = {}
    for method in args.methods:
        for shows, data in demos.items():
            setting = {"env": ENV, "env_kwargs": {"shows": shows}, "demos": data, "chunk": 100}
            setting |= {"random_shift": 4 if shows == "pixels" else 0, "variant": f"shows={shows}"}
            cfg = imitax.preset_config(method, **SETTINGS[method])
            mean = finished(f"{method}-{shows}", cfg, args, STEPS[method], **setting).summary["last"]["return_mean"]
            scores[method, shows] = (mean - low) / (high - low)
            print(f"{method:12} {shows:7} return {mean:8.1f}  score {scores[method, shows]:.3f}", flush=True)
    return scores


if __name__ == "__main__":
    main()
