"""Tabular inverse RL on a discretised MountainCar: what IQ-Learn and ReCOIL learn on and off their demonstrations.

`python -m bench.experiments.mountain_car` draws `mountain_car.png` and writes `mountain_car.json`. With `--results F`
it also appends the figures as a line; the table in docs/tabular.md is generated from such lines (`make mountain-car`).

Gymnasium's MountainCar-v0 on a grid of positions and velocities. Transitions are deterministic: from the centre of a
cell an action is repeated for 200 / bins steps of Gymnasium's dynamics, long enough to leave the cell, and the cell of
the result follows. One more state is the goal. Rewards are -1 a step of the environment, the discount 0.99 a step.
The policies act in Gymnasium's own environment too, by the cell of what they observe, with the same repetition.

The goal is treated in two ways: as a state like any other that leads to itself, whose entropy is worth something, and
as an absorbing state, which is worth what the critic says and has no entropy.
"""

import argparse
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import jax.numpy as jnp
import jax.random as jr
import matplotlib
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import rankdata

from imitax import seeding
from imitax.figures import COLOURS, SMALL
from imitax.files import append_line, write_atomic, write_json
from imitax.seeding import Purpose
from imitax.tabular import (
    Paths,
    TabularMDP,
    deterministic,
    empirical,
    iq_learn,
    recoil,
    sample,
    soft_value_iteration,
)
from imitax.train import commit, cores

ENV = "MountainCar-v0"
GAMMA = 0.99  # a step of the environment
EXPERT_TEMPERATURE = 0.5
TEMPERATURE = 0.1  # of IQ-Learn and ReCOIL
NOISE = 0.6  # share of random actions in half of the suboptimal episodes; the other half is random
SUBOPTIMAL = 1000  # episodes
TITLES = {"optimal": "Optimal", "iq_learn": "IQ-Learn", "recoil": "ReCOIL"}
ENDS = {"loop": "goal a state like others", "absorbing": "goal absorbing"}
LINES: dict[str, tuple[str, Any]] = {"loop": (COLOURS[0], "-"), "absorbing": (COLOURS[1], "--")}
MAPS: dict[Any, Any] = SMALL | {"axes.grid": False}
LEFT, STAY, RIGHT, NONE = COLOURS[0], "#009E73", COLOURS[1], "#DDDDDD"


@dataclass(frozen=True)
class Grid:
    """Cells of equal size over positions left of the flag and over all velocities, position first."""

    bins: int
    position: tuple[float, float] = (-1.2, 0.5)
    velocity: tuple[float, float] = (-0.07, 0.07)

    @property
    def repeat(self) -> int:
        """Steps of the environment for which an action is held."""
        return max(1, round(200 / self.bins))

    @property
    def rows(self) -> int:
        """Cells along velocity: odd, so that one is centred at 0."""
        return self.bins + 1 - self.bins % 2

    @property
    def goal(self) -> int:
        """Index of the goal's state, the last."""
        return self.bins * self.rows

    def centres(self) -> Float[np.ndarray, "S 2"]:
        """Positions and velocities of all cells."""
        width = (self.position[1] - self.position[0]) / self.bins
        x = self.position[0] + width * (np.arange(self.bins) + 0.5)
        return np.stack(np.meshgrid(x, np.linspace(*self.velocity, self.rows), indexing="ij"), -1).reshape(-1, 2)

    def cell(self, state: Float[np.ndarray, "*N 2"]) -> Int[np.ndarray, "*N"]:
        """The cells of positions and velocities left of the flag."""
        share = (state - [self.position[0], self.velocity[0]]) / [np.ptp(self.position), np.ptp(self.velocity)]
        column = np.clip(np.floor(share[..., 0] * self.bins), 0, self.bins - 1)
        row = np.clip(np.rint(share[..., 1] * (self.rows - 1)), 0, self.rows - 1)
        return np.asarray(column * self.rows + row, int)

    def map(self, values: Shaped[np.ndarray, "S"]) -> Shaped[np.ndarray, "V X"]:
        """Values of states as an image, without the goal's."""
        return values[:-1].reshape(self.bins, self.rows).T


def dynamics(state: Float[np.ndarray, "N 2"], action: int) -> tuple[Float[np.ndarray, "N 2"], Bool[np.ndarray, "N"]]:
    """One step of MountainCar-v0 from positions and velocities, and whether it reached the flag."""
    x, v = state.T
    v = np.clip(v + 0.001 * (action - 1) - 0.0025 * np.cos(3 * x), -0.07, 0.07)
    x = np.clip(x + v, -1.2, 0.6)
    v = np.where((x == -1.2) & (v < 0), 0.0, v)
    return np.stack([x, v], 1), (x >= 0.5) & (v >= 0)


def build(grid: Grid, *, absorbing: bool) -> TabularMDP:
    """The discretised task, which starts at rest in a cell between -0.6 and -0.4."""
    centres = grid.centres()
    following = np.full((grid.goal + 1, 3), grid.goal)
    reward = np.zeros((grid.goal + 1, 3))
    for action in range(3):
        state, done = centres, np.zeros(grid.goal, bool)
        for _ in range(grid.repeat):
            reward[:-1, action] -= ~done
            moved, arrived = dynamics(state, action)
            state = np.where(done[:, None], state, moved)
            done = done | arrived
        following[:-1, action] = np.where(done, grid.goal, grid.cell(state))
    x, v = centres.T
    start = np.append((x >= -0.6) & (x <= -0.4) & (np.abs(v) < 1e-9), False).astype(float)
    ends = np.arange(grid.goal + 1) == grid.goal
    return deterministic(following, reward, start / start.sum(), GAMMA**grid.repeat, ends if absorbing else None)


def play(policy: Float[Array, "S 3"], grid: Grid, seed: int, episodes: int) -> Float[np.ndarray, "E"]:
    """Returns in Gymnasium's environment, of actions drawn from the policy's probabilities."""
    chances = np.cumsum(np.asarray(policy, np.float64), 1)
    env = gym.make(ENV)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        rng = seeding.generator(seed, Purpose.EVALUATION, episode)
        obs, _ = env.reset(seed=seeding.environment_seed(Purpose.EVALUATION, seed, episode))
        over = False
        while not over:
            row = chances[grid.cell(obs)]
            action = int(np.searchsorted(row, rng.uniform(0, row[-1]), side="right"))
            for _ in range(grid.repeat):
                obs, reward, arrived, late, _ = env.step(action)
                returns[episode] += float(reward)
                if over := arrived or late:
                    break
    env.close()
    return returns


class Learned(NamedTuple):
    """Values and policy of one method."""

    v: Float[np.ndarray, "S"]
    policy: Float[np.ndarray, "S 3"]


class Outcome(NamedTuple):
    """One treatment of the goal: what each method learned, and from what."""

    mdp: TabularMDP
    demonstrations: Paths
    suboptimal: Float[np.ndarray, "S"]
    methods: dict[str, Learned]


def learn(grid: Grid, *, absorbing: bool, demos: int, seed: int, suboptimal: int = SUBOPTIMAL) -> Outcome:
    """The optimal values, and what IQ-Learn and ReCOIL make of demonstrations and of suboptimal data."""
    mdp = build(grid, absorbing=absorbing)
    expert = soft_value_iteration(mdp, EXPERT_TEMPERATURE)
    kd, kn, kr = jr.split(seeding.key(seed, Purpose.DEMONSTRATIONS), 3)
    steps = -(-200 // grid.repeat)  # Gymnasium's time limit
    paths = sample(mdp, expert.policy, kd, demos, steps)
    noisy = sample(mdp, (1 - NOISE) * expert.policy + NOISE / 3, kn, suboptimal // 2, steps)
    random = sample(mdp, jnp.full_like(expert.policy, 1 / 3), kr, suboptimal - suboptimal // 2, steps)
    rho = empirical(mdp, paths, discounted=False)
    other = empirical(mdp, noisy, random, discounted=False)
    found = {
        "optimal": expert,
        "iq_learn": iq_learn(mdp, rho, TEMPERATURE, steps=3000),
        "recoil": recoil(mdp, rho, other, TEMPERATURE, through_target=False, tolerance=1e-4),
    }
    return Outcome(
        mdp,
        Paths(*map(np.asarray, paths)),
        np.asarray(other.sum(1)),
        {name: Learned(np.asarray(x.v), np.asarray(x.policy)) for name, x in found.items()},
    )


def measure(outcome: Outcome, grid: Grid, seed: int, episodes: int) -> dict[str, dict[str, Any]]:
    """What the claim is judged by, for each method; see docs/tabular.md."""
    mdp, states = outcome.mdp, outcome.demonstrations.state
    cells = np.arange(grid.goal)
    on = np.setdiff1d(states, [grid.goal])
    off = np.setdiff1d(cells, on)
    beside = off[outcome.suboptimal[off] > 0]
    lengths = (states != grid.goal).sum(1)
    optimal = outcome.methods["optimal"].v

    def reaches(policy, start):
        others = TabularMDP(mdp.next_state, mdp.probability, mdp.reward, start, mdp.absorbing, mdp.gamma)
        ends = sample(others, policy, seeding.key(seed, Purpose.EVALUATION), 1000, states.shape[1]).next_state[:, -1]
        return float((ends == grid.goal).mean())

    figures = {}
    for name, (v, policy) in outcome.methods.items():
        returns = play(jnp.asarray(policy), grid, seed, episodes)
        along = [_spearman(v[row[:n]], np.arange(n)) for row, n in zip(states, lengths, strict=True)]
        scattered = jnp.zeros_like(mdp.start).at[beside].set(1 / max(1, len(beside)))
        figures[name] = {
            "gym_return_mean": returns.mean(),
            "gym_return_std": returns.std(),
            "gym_reached_flag": (returns > -200).mean(),
            "grid_reached_goal": reaches(jnp.asarray(policy), mdp.start),
            "grid_reached_goal_from_suboptimal_states": reaches(jnp.asarray(policy), scattered),
            "v_on_mean": v[on].mean(),
            "v_on_std": v[on].std(),
            "v_off_mean": v[off].mean(),
            "v_off_std": v[off].std(),
            "v_off_std_over_on": v[off].std() / v[on].std(),
            "v_suboptimal_mean": v[beside].mean(),
            "v_suboptimal_std": v[beside].std(),
            "v_goal": v[grid.goal],
            "rank_along_demonstrations": np.mean(along),
            "rank_against_optimal_on_suboptimal_states": _spearman(v[beside], optimal[beside]),
        }
    return figures


def _spearman(x, y):
    """Rank correlation; 0 where all x are alike, which rank nothing."""
    return 0.0 if np.ptp(x) == 0 else float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def draw(outcomes: Mapping[str, Outcome], grid: Grid, path: Path) -> None:
    """Values and preferred actions over the grid with the demonstrations, and values along the demonstrations."""
    main = outcomes["loop"]
    tracks = [row[row != grid.goal] for row in main.demonstrations.state]
    with matplotlib.rc_context(MAPS):
        figure = Figure(figsize=(10, 8.4), layout="constrained")
        title = (
            f"MountainCar on a grid of {grid.bins} x {grid.rows}, {len(tracks)} demonstrations; maps: {ENDS['loop']}"
        )
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
        panels = figure.subplots(3, 3)
        for column, (name, title) in enumerate(TITLES.items()):
            found = main.methods[name]
            top, middle, bottom = panels[:, column]
            image = _image(top, grid, grid.map(found.v), "viridis")
            figure.colorbar(image, ax=top, pad=0.02).outline.set_visible(False)
            top.set_title(f"{title}: V")
            _image(middle, grid, grid.map(_preferred(found.policy)), ListedColormap([LEFT, STAY, RIGHT, NONE]), 0, 3)
            middle.set_title(f"{title}: action")
            for axes, colour in ((top, "white"), (middle, "black")):
                _tracks(axes, grid, tracks, colour)
                axes.set(xlabel="position")
            _along(bottom, outcomes, name, grid)
            bottom.set(title=f"{title}: V along demonstrations", xlabel="decisions to go")
            if column == 0:
                top.set_ylabel("velocity")
                middle.set_ylabel("velocity")
                bottom.set_ylabel("V")
        handles = [Patch(color=c, label=n) for c, n in ((LEFT, "left"), (STAY, "none"), (RIGHT, "right"))]
        handles += [Patch(color=NONE, label="undecided"), Line2D([], [], color=COLOURS[6], label="demonstrations")]
        handles += [Line2D([], [], color=c, linestyle=s, label=ENDS[end]) for end, (c, s) in LINES.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=7, fontsize=9)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=90, pil_kwargs={"optimize": True})
    write_atomic(path, buffer.getvalue())


def _image(axes: Axes, grid: Grid, values, colours, low=None, high=None):
    extent = (*grid.position, *grid.velocity)
    return axes.imshow(
        values, origin="lower", extent=extent, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest"
    )


def _preferred(policy):
    """The likeliest action, and 3 where all are alike."""
    return np.where(np.ptp(policy, axis=1) < 0.01, 3, policy.argmax(1))


def _tracks(axes: Axes, grid: Grid, tracks, colour):
    centres = grid.centres()
    for track in tracks:
        axes.plot(*centres[track].T, color=colour, linewidth=0.6, alpha=0.7)


def _along(axes: Axes, outcomes: Mapping[str, Outcome], name: str, grid: Grid):
    for end, (colour, style) in LINES.items():
        v, states = outcomes[end].methods[name].v, outcomes[end].demonstrations.state
        for row in states:
            track = np.append(row[row != grid.goal], grid.goal)
            axes.plot(np.arange(len(track))[::-1], v[track], style, color=colour, linewidth=0.8, alpha=0.7)
    axes.invert_xaxis()
    axes.grid(True)


def run(
    out: Path, *, bins: int = 40, demos: int = 10, seed: int = 0, episodes: int = 100, suboptimal: int = SUBOPTIMAL
) -> dict[str, Any]:
    """Learn under both treatments of the goal, draw, and write and return what was measured.

    Args:
        out: folder of `mountain_car.png` and `mountain_car.json`.
        bins: cells along positions, and along velocities (one more if even).
        demos: demonstrations, sampled from the soft-optimal policy on the grid.
        seed: of everything that is drawn.
        episodes: in Gymnasium's environment, a policy.
        suboptimal: episodes of suboptimal data.
    """
    grid = Grid(bins)
    outcomes = {
        end: learn(grid, absorbing=end == "absorbing", demos=demos, seed=seed, suboptimal=suboptimal) for end in ENDS
    }
    greedy = play(soft_value_iteration(outcomes["absorbing"].mdp, 0.0).policy, grid, seed, episodes)
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
        **{end: measure(outcome, grid, seed, episodes) for end, outcome in outcomes.items()},
    }
    draw(outcomes, grid, out / "mountain_car.png")
    write_json(out / "mountain_car.json", results)
    return results


def main() -> None:
    """Run the experiment and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/mountain_car"))
    parser.add_argument("--bins", type=int, default=40, help="cells along positions and along velocities")
    parser.add_argument("--demos", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="file that a line of results is appended to")
    args = parser.parse_args()
    head, start = commit(), time.monotonic()
    results = run(args.out, bins=args.bins, demos=args.demos, seed=args.seed)
    if args.results is not None:
        about = {"wall_s": round(time.monotonic() - start, 1), "cores": cores(), "commit": head}
        append_line(args.results, results | about)
    greedy = results["greedy_optimal"]
    print(f"greedy optimal policy in {ENV}: return {greedy['gym_return_mean']:.1f}")
    for end, label in ENDS.items():
        print(f"\n{label}")
        for name, figures in results[end].items():
            print(f"  {TITLES[name]}")
            for key, value in figures.items():
                print(f"    {key:42} {float(value):.3f}")
    print(f"\n{args.out / 'mountain_car.png'}\n{args.out / 'mountain_car.json'}")


if __name__ == "__main__":
    main()
