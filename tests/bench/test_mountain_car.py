import json
import sys

import gymnasium as gym
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest

from bench.experiments.mountain_car import __main__ as command
from bench.experiments.mountain_car.learning import GOALS, TEMPERATURE
from bench.experiments.mountain_car.task import ENV, Grid, build, dynamics, gym_returns
from imitax.files import read_lines
from imitax.tabular import soft_value_iteration


def test_the_dynamics_are_gymnasiums():
    env = gym.make(ENV)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    states = np.stack([rng.uniform(-1.2, 0.5, 200), rng.uniform(-0.07, 0.07, 200)], 1)
    states[:4] = [[-1.2, -0.07], [-1.2, -0.01], [0.49, 0.07], [0.49, -0.07]]
    for action in range(3):
        moved, arrived = dynamics(states, action)
        for state, expected, done in zip(states, moved, arrived, strict=True):
            env.unwrapped.state = tuple(state)
            obs, _, over, *_ = env.unwrapped.step(action)
            np.testing.assert_allclose(obs, expected, atol=1e-6)
            assert over == done
    assert dynamics(states, 2)[1].any()


def test_cells_and_their_centres():
    grid = Grid(20)
    centres = grid.centres()
    assert (grid.goal, grid.velocity_bins, grid.repeat) == (420, 21, 10)
    np.testing.assert_array_equal(grid.cell(centres), np.arange(grid.goal))
    np.testing.assert_array_equal(grid.cell(np.array([[-1.2, -0.07], [0.6, 0.07]])), [0, 419])
    values = np.arange(421.0)
    image = grid.image(values)
    assert image.shape == (21, 20)
    assert image[3, 5] == grid.cell(np.array([-1.2 + 1.7 * 5.5 / 20, -0.07 + 0.007 * 3]))


@pytest.mark.parametrize("absorbing", [True, False])
def test_the_grids_successors(absorbing):
    grid = Grid(20)
    mdp = build(grid, absorbing=absorbing)
    assert mdp.gamma == pytest.approx(0.99**10)
    np.testing.assert_allclose(mdp.reward.min(), -10)
    np.testing.assert_array_equal(mdp.next_state[-1], grid.goal)
    np.testing.assert_array_equal(mdp.reward[-1], 0)
    starts = grid.centres()[np.flatnonzero(mdp.start)]
    assert ((starts[:, 0] >= -0.6) & (starts[:, 0] <= -0.4)).all()
    np.testing.assert_allclose(starts[:, 1], 0, atol=1e-9)
    fast = grid.cell(np.array([0.49, 0.07]))
    np.testing.assert_array_equal(mdp.next_state[fast, :, 0], grid.goal)
    np.testing.assert_array_equal(mdp.reward[fast], -1)


def test_the_optimal_grid_policy_reaches_the_flag_in_gymnasium():
    grid = Grid(40)
    policy = soft_value_iteration(build(grid, absorbing=True), 0.0).policy
    returns = gym_returns(policy, grid, 0, 20)
    assert (returns > -200).all()
    assert returns.mean() > -130
    uniform = jnp.full_like(policy, 1 / 3)
    assert (gym_returns(uniform, grid, 0, 5) == -200).all()


@pytest.mark.long
def test_one_command_draws_and_measures(tmp_path, monkeypatch, capsys):
    argv = ["mountain_car", "--out", str(tmp_path), "--bins", "20", "--demos", "5"]
    argv += ["--results", str(tmp_path / "results.jsonl")]
    monkeypatch.setattr(sys, "argv", argv)
    run = command.run
    monkeypatch.setattr(command, "run", lambda out, **options: run(out, **options, episodes=5, suboptimal=100))
    command.main()
    assert "rank_along_demonstrations" in capsys.readouterr().out
    assert matplotlib.image.imread(tmp_path / "mountain_car.png").shape[2] == 4
    results = json.loads((tmp_path / "mountain_car.json").read_text())
    (line,) = read_lines(tmp_path / "results.jsonl")
    assert results | {name: line[name] for name in ("wall_s", "cores", "commit")} == line
    assert results["settings"] | {"bins": 20, "demos": 5, "repeat": 10, "episodes": 5} == results["settings"]
    for goal in GOALS:
        optimal, iq, recoil = (results[goal][name] for name in ("optimal", "iq_learn", "recoil"))
        assert optimal["rank_along_demonstrations"] > 0.99
        assert optimal["grid_reached_goal"] == 1
        assert iq["v_off_std"] < 1e-6
        assert iq["v_off_mean"] == pytest.approx(TEMPERATURE * np.log(3), rel=1e-4)
        assert recoil["v_suboptimal_std"] > 1
        assert recoil["v_on_mean"] > recoil["v_suboptimal_mean"]
        assert recoil["grid_reached_goal_from_suboptimal_states"] > iq["grid_reached_goal_from_suboptimal_states"]
    assert results["loop"]["iq_learn"]["rank_along_demonstrations"] > 0.9
    assert results["absorbing"]["iq_learn"]["v_on_std"] < 0.3 * results["loop"]["iq_learn"]["v_on_std"]
