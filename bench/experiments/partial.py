"""What a history brings where velocities are hidden: BC and adversarial imitation of Hopper from positions alone.

    python -m bench.experiments.partial --out runs/partial --results bench/results/partial.jsonl

Hopper shows 5 positions and 6 velocities; here it shows the positions, and so do ten of the bundled demonstrations.
Every method learns from the present observation (`--history 1`) and from the last four (`--history 4`), with the same
settings otherwise. Scores are shares of the demonstrations' mean return. Finished runs are skipped, so an interrupted
script continues when it is started again.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np

import imitax
from imitax.datasets import Dataset

ENV = "imitax-bench/HopperPositions-v0"
POSITIONS = 5
STEPS = {"bc": 30_000, "adversarial": 100_000}


class HopperPositions(gym.ObservationWrapper):
    """Hopper-v5 without its velocities: height, angle and the three joints."""

    def __init__(self) -> None:
        env = gym.make("Hopper-v5")
        super().__init__(env)
        assert isinstance(env.observation_space, gym.spaces.Box)
        low, high = (x[:POSITIONS] for x in (env.observation_space.low, env.observation_space.high))
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float64)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """The positions, [5]."""
        return observation[:POSITIONS]


if ENV not in gym.registry:
    gym.register(ENV, "bench.experiments.partial:HopperPositions", max_episode_steps=1000)


def positions(data: Dataset) -> Dataset:
    """Episodes of Hopper as this environment shows them."""
    episodes = tuple(replace(e, observations=e.observations[:, :POSITIONS]) for e in data.episodes)
    return replace(data, episodes=episodes, env_id=ENV, env_kwargs={}, name=f"{data.name}-positions")


def learn(method: str, history: int, data: Dataset, args: argparse.Namespace) -> float:
    """Mean return of the last policies of a run, which is trained unless it has finished."""
    out = args.out / f"{method}-{history}"
    if (out / "summary.json").exists():
        return float(imitax.Run(out).summary["last"]["return_mean"])
    steps = max(100, int(STEPS[method] * args.share) // 100 * 100)
    run = imitax.train(
        imitax.preset_config(method),
        env=ENV,
        demos=data,
        episodes=args.episodes,
        history=history,
        out=out,
        overwrite=True,
        steps=steps,
        seeds=tuple(args.seeds),
        eval_every=max(100, steps // 5 // 100 * 100),
        checkpoint_every=steps,
        chunk=50,
        eval_episodes=args.eval_episodes,
        variant=f"history={history}",
        results=args.results,
    )
    return float(run.summary["last"]["return_mean"])


def main(arguments: Sequence[str] | None = None) -> dict[tuple[str, int], float]:
    """Train what is missing and print the scores; returns them by method and history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/partial"))
    parser.add_argument("--results", type=Path, default=None, help="append one line a run to this file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--episodes", type=int, default=10, help="demonstrations")
    parser.add_argument("--eval-episodes", type=int, default=20)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps, to try the script")
    parser.add_argument("--methods", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--histories", type=int, nargs="+", default=[1, 4])
    args = parser.parse_args(arguments)
    data = positions(imitax.load("hopper-expert"))
    high, scores = float(data.returns.mean()), {}
    print(f"expert {high:.1f}")
    for method in args.methods:
        for history in args.histories:
            mean = learn(method, history, data, args)
            scores[method, history] = mean / high
            print(f"{method:12} history {history} return {mean:8.1f}  score {scores[method, history]:.3f}", flush=True)
    return scores


if __name__ == "__main__":
    main()
