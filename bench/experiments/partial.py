"""What a history brings where velocities are hidden: BC and adversarial imitation of Hopper from positions alone.

    python -m bench.experiments.partial --out runs/partial --results bench/results/partial.jsonl

Hopper shows 5 positions and 6 velocities; here it shows the positions, and so do ten of the bundled demonstrations.
Every method learns from the present observation (`--history 1`) and from the last four (`--history 4`), with the same
settings otherwise. Scores are shares of the demonstrations' mean return. Finished runs are skipped, so an interrupted
script continues when it is started again.
"""

from collections.abc import Sequence
from dataclasses import replace

import gymnasium as gym
import numpy as np

import imitax
from bench.experiments.few_runs import finished, options
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


def main(arguments: Sequence[str] | None = None) -> dict[tuple[str, int], float]:
    """Train what is missing and print the scores; returns them by method and history."""
    parser = options(__doc__, "runs/partial", list(STEPS))
    parser.add_argument("--histories", type=int, nargs="+", default=[1, 4])
    args = parser.parse_args(arguments)
    data = positions(imitax.load("hopper-expert"))
    high, scores = float(data.returns.mean()), {}
    print(f"expert {high:.1f}")
    for method in args.methods:
        for history in args.histories:
            setting = {"env": ENV, "demos": data, "episodes": args.episodes, "history": history}
            setting |= {"variant": f"history={history}"}
            run = finished(f"{method}-{history}", imitax.preset_config(method), args, STEPS[method], **setting)
            mean = run.summary["last"]["return_mean"]
            scores[method, history] = mean / high
            print(f"{method:12} history {history} return {mean:8.1f}  score {scores[method, history]:.3f}", flush=True)
    return scores


if __name__ == "__main__":
    main()
