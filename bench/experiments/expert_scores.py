"""Scores of the policies behind the bundled expert sets: 100 fresh episodes each, with deterministic actions.

    python -m bench.experiments.expert_scores --results bench/results/experts.jsonl

LunarLander needs `gymnasium[box2d]`.
"""

import argparse
from pathlib import Path
from typing import Any

from imitax.artifacts import load_policy
from imitax.datasets import load, loading
from imitax.envs import Task
from imitax.evaluate import Evaluator
from imitax.files import append_line
from imitax.stacking import stack
from imitax.statistics import d4rl_score
from imitax.training.provenance import commit

FRESH = 1
"""Index of the set of evaluation episodes; the best policies were chosen on set 0."""


def score(policy: Path, episodes: int) -> dict[str, Any]:
    """One line of the results, for the file NAME.policy.safetensors beside NAME.hdf5."""
    data = load(policy.with_name(policy.name.replace(".policy.safetensors", ".hdf5")))
    assert data.env_id is not None
    task = Task.create(data.env_id, data.env_kwargs)
    evaluator = Evaluator(task, (0,), episodes, index=FRESH)
    (rolled,) = evaluator(stack([load_policy(policy)[0]]))
    evaluator.close()
    mean = float(rolled.returns.mean())
    return {
        "set": data.name,
        "data_hash": data.hash(),
        "env": task.env_id,
        "episodes": episodes,
        "return_mean": round(mean, 2),
        "return_sd": round(float(rolled.returns.std()), 2),
        "return_min": round(float(rolled.returns.min()), 2),
        "full_length": float((rolled.lengths == task.max_episode_steps).mean()),
        "d4rl": d4rl_score(task.env_id, mean),
        "commit": commit(),
    }


def main() -> None:
    """Measure and print one line per set, and append it to the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    for policy in sorted(loading.BUNDLED.glob("*.policy.safetensors")):
        line = score(policy, args.episodes)
        print(line, flush=True)
        if args.results is not None:
            append_line(args.results, line)


if __name__ == "__main__":
    main()
