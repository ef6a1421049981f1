"""Runs whose actions have no bounds: what stands for them, in an environment, without one, and in the policy's file."""

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import toy

import imitax
from imitax import cli
from imitax.algorithms import adversarial, bc, iq_learn, sac
from imitax.datasets import collect, save_d4rl
from imitax.envs import Task
from imitax.errors import ConfigError, DataError
from imitax.networks import Gaussian, TanhGaussian

pytestmark = pytest.mark.usefixtures("no_figures")

ENV, LOW = "ImitaxOpenPoint-v0", -0.5
MOST = float(np.finfo(np.float32).max)
OBS = gym.spaces.Box(-9, 9, (2,))
SHORT = {"chunk": 2, "eval_every": 4, "checkpoint_every": 4, "steps": 8, "eval_episodes": 2, "quiet": True}
BC = toy.shrink(bc.Config())


class OpenPoint(toy.Point):
    """`toy.Point` whose second action has a least value, and no action any other bound."""

    def __init__(self, bound=np.inf):
        super().__init__()
        self.action_space = gym.spaces.Box(np.array([-bound, LOW], np.float32), np.float32(bound), dtype=np.float32)

    def step(self, action):
        assert self.action_space.contains(action), repr(action)
        return super().step(action)


if ENV not in gym.registry:
    gym.register(ENV, OpenPoint, max_episode_steps=20)


def expert(obs, step=0):
    return np.maximum(-1.6 * np.asarray(obs), [-9, LOW])


@pytest.fixture(scope="module")
def demos():
    return collect(expert, lambda: gym.make(ENV), episodes=4, seed=0, name="open")


@pytest.fixture
def train(tmp_path):
    def start(algorithm=BC, **options):
        return imitax.train(algorithm, out=tmp_path / "run", **SHORT | options)

    return start


def low_high(run):
    box = run.load_policy().actor.spec.action
    return np.array([box.low, box.high])


@pytest.mark.parametrize("place", ["environment", "largest float", "without", "spaces"])
def test_cloning_is_gaussian_and_scaled_to_the_data(place, train, demos, tmp_path):
    places = {
        "environment": {"env": ENV},
        "largest float": {"env": ENV, "env_kwargs": {"bound": MOST}},
        "without": {"env": None},
        "spaces": {"spaces": (OBS, gym.spaces.Box(np.array([-1e30, LOW], np.float32), np.float32(np.inf)))},
    }
    run = train(demos=demos, **places[place])
    actor = run.load_policy().actor
    assert isinstance(actor, Gaussian)
    assert actor.spec.action.limits == ((-np.inf, LOW), (np.inf, np.inf))
    low, high = low_high(run)
    assert low[1] == LOW
    assert (low[0] < demos.actions.min(0)[0]) & (high > demos.actions.max(0)).all()
    assert (high - low < 1.5 * np.ptp(demos.actions, axis=0)).all()
    far = run.policy(np.array([[1e4, 1e4], [-1e4, -1e4], [0.0, 0.0]]))
    assert np.isfinite(far).all()
    assert far[:, 1].min() >= LOW
    loaded = imitax.load_policy(tmp_path / "run")
    np.testing.assert_array_equal(loaded(np.zeros((3, 2)), sample=1), run.policy(np.zeros((3, 2)), sample=1))
    if place == "largest float":
        return
    found = run.evaluate(episodes=2)
    assert np.isfinite(found["per_seed"][0]["return_mean" if place == "environment" else "error"])
    again = imitax.resume(run.folder, demos=demos, steps=12)
    np.testing.assert_array_equal(low_high(again), [low, high])


@pytest.mark.parametrize(
    "cfg",
    [toy.shrink(iq_learn.PRESETS["offline"]), pytest.param(toy.shrink(adversarial.Config()), marks=pytest.mark.long)],
)
def test_others_act_within_a_range_around_the_recorded_actions(cfg, train, demos):
    run = train(cfg, env=ENV, demos=demos, steps=12, eval_every=12, checkpoint_every=12)
    actor = run.load_policy().actor
    assert isinstance(actor, TanhGaussian)
    assert not actor.spec.action.is_open
    low, high = low_high(run)
    far = run.policy(np.array([[1e4, -1e4], [-1e4, 1e4]]))
    assert ((far >= low) & (far <= high)).all()


def test_with_an_environment_and_no_data_the_user_says_the_range(train):
    cfg = toy.shrink(sac.Config())
    with pytest.raises(ConfigError, match=r"^OpenPoint: action bounds must be finite where no recorded .*--action-low"):
        train(cfg, env=OpenPoint)
    run = train(cfg, env=ENV, action_low=-2, action_high=3, steps=14, eval_every=14, checkpoint_every=14)
    np.testing.assert_array_equal(low_high(run), [[-2.0, LOW], [3.0, 3.0]])
    assert not run.load_policy().actor.spec.action.is_open
    again = imitax.resume(run.folder, steps=28)
    np.testing.assert_array_equal(low_high(again), low_high(run))


def test_bounds_that_are_given_close_the_box(train, demos):
    run = train(env=ENV, demos=demos, action_low=[-5, LOW], action_high=5)
    assert isinstance(run.load_policy().actor, TanhGaussian)
    np.testing.assert_array_equal(low_high(run), [[-5, LOW], [5, 5]])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"action_low": [-5, -1]},
            ConfigError,
            r"action 1 has the bound -0.5: give the same as action_low",
        ),
        ({"action_low": [-5, -1, -1]}, ConfigError, "action_low has 3 numbers, the actions 2 dimensions"),
        ({"action_high": 1e30}, ConfigError, "action_high must be finite, and within"),
        ({"action_low": 6, "action_high": 5}, ConfigError, "low < high"),
        ({"action_low": 0.0, "action_high": 5}, DataError, "actions lie outside"),
    ],
)
def test_bounds_that_do_not_fit(options, error, message, train, demos):
    with pytest.raises(error, match=message):
        train(env=ENV, demos=demos, **options)


def test_data_without_actions_show_no_range(train, demos):
    bare = replace(demos, episodes=tuple(replace(e, actions=None) for e in demos.episodes))
    with pytest.raises(ConfigError, match="where no recorded actions show the range"):
        train(toy.shrink(adversarial.PRESETS["gaifo"]), env=ENV, demos=bare)


def test_the_task_alone_never_shows_infinity():
    task = Task.create(OpenPoint)
    task.check()
    assert np.isfinite([task.spec.action_low, task.spec.action_high, task.spec.half]).all()
    assert task.action_space.high[0] == np.inf


def test_the_command_line(demos, tmp_path, monkeypatch, capsys):
    save_d4rl(demos, tmp_path / "open.hdf5")
    monkeypatch.chdir(tmp_path)
    small = ["--policy.hidden", "8", "--batch-size", "16", "--chunk", "2", "--steps", "4"]
    small += ["--eval-every", "4", "--checkpoint-every", "4"]
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "bc", "--env", "None", "--demos", "open.hdf5", "--out", "run", *small])
    assert not end.value.code
    shown = capsys.readouterr()
    assert "bounds of the data: -inf to inf, -0.5 to inf" in shown.err
    with pytest.raises(SystemExit) as end:
        cli.main(["eval", "run", "--json"])
    assert not end.value.code
    assert 0 < json.loads(capsys.readouterr().out.splitlines()[-1])["error"] < 9
