"""What IQ-Learn and ReCOIL learn on the grid, and the measurements that docs/tabular.md compares them by."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import rankdata

from bench.experiments.mountain_car.task import Grid, build, gym_returns
from imitax import seeding
from imitax.seeding import Purpose
from imitax.tabular import Paths, TabularMDP, empirical, iq_learn, recoil, sample, soft_value_iteration

EXPERT_TEMPERATURE = 0.5
TEMPERATURE = 0.1
"""Of IQ-Learn and ReCOIL."""
NOISE = 0.6
"""Share of random actions in half of the suboptimal episodes; the other half is entirely random."""
SUBOPTIMAL = 1000
"""Suboptimal episodes."""
TITLES = {"optimal": "Optimal", "iq_learn": "IQ-Learn", "recoil": "ReCOIL"}
GOALS = {"loop": "goal a state like others", "absorbing": "goal absorbing"}
"""The two ways of modelling the goal."""


class Learned(NamedTuple):
    """Values and policy of one method."""

    v: Float[np.ndarray, "S"]
    policy: Float[np.ndarray, "S 3"]


class Outcome(NamedTuple):
    """For one model of the goal: the data, and what each method learned from it."""

    mdp: TabularMDP
    demonstrations: Paths
    suboptimal: Float[np.ndarray, "S"]
    """Distribution of the states in the suboptimal data."""
    methods: dict[str, Learned]


def learn(grid: Grid, *, absorbing: bool, demos: int, seed: int, suboptimal: int = SUBOPTIMAL) -> Outcome:
    """Run IQ-Learn and ReCOIL on sampled demonstrations and suboptimal data, and compute the optimal values."""
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
    """The figures of each method; docs/tabular.md explains them."""
    mdp, states = outcome.mdp, outcome.demonstrations.state
    on = np.setdiff1d(states, [grid.goal])
    off = np.setdiff1d(np.arange(grid.goal), on)
    suboptimal = off[outcome.suboptimal[off] > 0]  # visited by the suboptimal data alone
    from_suboptimal = jnp.zeros_like(mdp.start).at[suboptimal].set(1 / max(1, len(suboptimal)))
    lengths = (states != grid.goal).sum(1)
    optimal_v = outcome.methods["optimal"].v
    figures = {}
    for name, (v, policy) in outcome.methods.items():
        returns = gym_returns(jnp.asarray(policy), grid, seed, episodes)
        along = [_spearman(v[path[:n]], np.arange(n)) for path, n in zip(states, lengths, strict=True)]
        reached = [
            _share_at_goal(mdp, jnp.asarray(policy), start, grid, seed, states.shape[1])
            for start in (mdp.start, from_suboptimal)
        ]
        figures[name] = {
            "gym_return_mean": returns.mean(),
            "gym_return_std": returns.std(),
            "gym_reached_flag": (returns > -200).mean(),
            "grid_reached_goal": reached[0],
            "grid_reached_goal_from_suboptimal_states": reached[1],
            "v_on_mean": v[on].mean(),
            "v_on_std": v[on].std(),
            "v_off_mean": v[off].mean(),
            "v_off_std": v[off].std(),
            "v_off_std_over_on": v[off].std() / v[on].std(),
            "v_suboptimal_mean": v[suboptimal].mean(),
            "v_suboptimal_std": v[suboptimal].std(),
            "v_goal": v[grid.goal],
            "rank_along_demonstrations": np.mean(along),
            "rank_against_optimal_on_suboptimal_states": _spearman(v[suboptimal], optimal_v[suboptimal]),
        }
    return figures


def _share_at_goal(
    mdp: TabularMDP, policy: Float[Array, "S 3"], start: Float[Array, "S"], grid: Grid, seed: int, steps: int
) -> float:
    """Share of 1000 episodes on the grid that end at the goal, from another start distribution."""
    restarted = TabularMDP(mdp.next_state, mdp.probability, mdp.reward, start, mdp.absorbing, mdp.gamma)
    last = sample(restarted, policy, seeding.key(seed, Purpose.EVALUATION), 1000, steps).next_state[:, -1]
    return float((last == grid.goal).mean())


def _spearman(x, y) -> float:
    """Rank correlation; 0 where all x are equal, because they rank nothing."""
    return 0.0 if np.ptp(x) == 0 else float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
