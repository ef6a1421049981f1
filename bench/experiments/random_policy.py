"""The score of uniformly random actions, a lower bound for comparison.

python -m bench.experiments.random_policy --env Hopper-v5 --demos hopper-expert --results FILE
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from imitax import seeding
from imitax.datasets import load
from imitax.envs import Task
from imitax.evaluate import EPISODE_LIMIT, episode_seeds, rollout
from imitax.files import append_line
from imitax.processes import cores
from imitax.seeding import Purpose
from imitax.statistics import d4rl_score, expert_fraction
from imitax.training.provenance import commit
from imitax.vector_envs import SerialVectorEnv


def random_score(task: Task, seed: int, episodes: int) -> np.ndarray:
    """Returns [E] of random actions on the environment seeds that evaluations with this seed use."""
    low, high = (np.asarray(x, np.float32) for x in (task.spec.action_low, task.spec.action_high))
    envs = SerialVectorEnv(task.make, episodes)
    rng = seeding.generator(seed, Purpose.WARMUP)
    seeds = episode_seeds(Purpose.EVALUATION, seed, episodes)
    returns, _, _ = rollout(
        envs,
        seeds,
        lambda obs, _: rng.uniform(low, high, (len(obs), len(low))),
        task.max_episode_steps or EPISODE_LIMIT,
    )
    envs.close()
    return returns


def main() -> None:
    """Measure, and append one line per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True)
    parser.add_argument("--demos", help="demonstrations whose mean return the scores are divided by")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    data = None if args.demos is None else load(args.demos)
    expert = None if data is None else float(data.returns.mean())
    task = Task.create(args.env, {} if data is None else data.env_kwargs)
    for seed in args.seeds:
        start = time.monotonic()
        mean = float(random_score(task, seed, args.episodes).mean())
        score: dict[str, Any] = {
            "return_mean": mean,
            "expert_fraction": expert_fraction(mean, expert),
            "d4rl": d4rl_score(args.env, mean),
        }
        print(f"seed {seed}: {score}")
        if args.results is not None:
            line = {
                "algorithm": "random",
                "regime": "online",
                "preset": "",
                "variant": "",
                "env": args.env,
                "env_kwargs": task.env_kwargs,
                "data": None if data is None else data.name,
                "data_hash": None if data is None else data.hash(),
                "offline_data": None,
                "episodes": 0,
                "steps": 0,
                "seed": seed,
                "eval_episodes": args.episodes,
                **score,
                **{f"best_{k}": v for k, v in score.items() if k != "d4rl"},
                "best_steps": 0,
                "wall_s": round(time.monotonic() - start, 1),
                "cores": cores(),
                "seeds_in_run": 1,
                "commit": commit(),
                "curve": None,
            }
            append_line(args.results, line)


if __name__ == "__main__":
    main()
