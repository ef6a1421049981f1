"""Run the MountainCar experiment: draw `mountain_car.png`, write `mountain_car.json`, print the measurements.

    python -m bench.experiments.mountain_car
    make mountain-car                           # three seeds; docs/tabular.md's table is generated from their results

`--results FILE` also appends the measurements to FILE as one line.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from bench.experiments.mountain_car.figure import draw
from bench.experiments.mountain_car.learning import (
    EXPERT_TEMPERATURE,
    GOALS,
    SUBOPTIMAL,
    TEMPERATURE,
    TITLES,
    learn,
    measure,
)
from bench.experiments.mountain_car.task import ENV, GAMMA, Grid, gym_returns
from imitax.files import append_line, write_json
from imitax.processes import cores
from imitax.tabular import soft_value_iteration
from imitax.training.provenance import commit


def run(
    out: Path, *, bins: int = 40, demos: int = 10, seed: int = 0, episodes: int = 100, suboptimal: int = SUBOPTIMAL
) -> dict[str, Any]:
    """Learn with both models of the goal, draw, and write and return the measurements.

    Args:
        out: folder of `mountain_car.png` and `mountain_car.json`.
        bins: cells along position, and along velocity (one more if even).
        demos: demonstrations, sampled from the soft-optimal policy on the grid.
        seed: seed of all sampling.
        episodes: evaluation episodes per policy in Gymnasium's environment.
        suboptimal: episodes of suboptimal data.
    """
    grid = Grid(bins)
    outcomes = {
        goal: learn(grid, absorbing=goal == "absorbing", demos=demos, seed=seed, suboptimal=suboptimal)
        for goal in GOALS
    }
    greedy = gym_returns(soft_value_iteration(outcomes["absorbing"].mdp, 0.0).policy, grid, seed, episodes)
    results = {
        "settings": {
            "env": ENV,
            "bins": bins,
            "repeat": grid.repeat,
            "demos": demos,
            "suboptimal": suboptimal,
            "seed": seed,
            "episodes": episodes,
            "gamma": GAMMA,
            "expert_temperature": EXPERT_TEMPERATURE,
            "temperature": TEMPERATURE,
        },
        "greedy_optimal": {
            "gym_return_mean": greedy.mean(),
            "gym_return_std": greedy.std(),
            "gym_reached_flag": (greedy > -200).mean(),
        },
        **{goal: measure(outcome, grid, seed, episodes) for goal, outcome in outcomes.items()},
    }
    draw(outcomes, grid, out / "mountain_car.png")
    write_json(out / "mountain_car.json", results)
    return results


def main() -> None:
    """Run the experiment and print the measurements."""
    parser = argparse.ArgumentParser(
        "mountain_car", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/mountain_car"))
    parser.add_argument("--bins", type=int, default=40, help="cells along position and along velocity")
    parser.add_argument("--demos", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="append one line of results to this file")
    args = parser.parse_args()
    head, start = commit(), time.monotonic()
    results = run(args.out, bins=args.bins, demos=args.demos, seed=args.seed)
    if args.results is not None:
        about = {"wall_s": round(time.monotonic() - start, 1), "cores": cores(), "commit": head}
        append_line(args.results, results | about)
    greedy = results["greedy_optimal"]
    print(f"greedy optimal policy in {ENV}: return {greedy['gym_return_mean']:.1f}")
    for goal, label in GOALS.items():
        print(f"\n{label}")
        for name, figures in results[goal].items():
            print(f"  {TITLES[name]}")
            for key, value in figures.items():
                print(f"    {key:42} {float(value):.3f}")
    print(f"\n{args.out / 'mountain_car.png'}\n{args.out / 'mountain_car.json'}")


if __name__ == "__main__":
    main()
