"""A finished run: what it hands out."""

import dataclasses
import shutil

import gymnasium as gym
import numpy as np
import pytest
import toy

import imitax
from imitax import cli
from imitax.algorithms import adversarial
from imitax.envs import Task
from imitax.errors import CheckpointError, ConfigError
from imitax.files import read_json, save_arrays, write_json
from imitax.run_config import same_env

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def learned(demos, tmp_path_factory):
    """A run that has learned a reward."""
    folder = tmp_path_factory.mktemp("learned") / "run"
    options = {"env": toy.ENV, "chunk": 2, "eval_every": 10, "eval_episodes": 2, "checkpoint_every": 10, "quiet": True}
    return imitax.train(toy.shrink(adversarial.Config()), demos=demos, out=folder, steps=20, **options)


def arrays(demos):
    t = demos.transitions()
    return t.obs, t.action, t.next_obs, t.terminated


def test_a_run_has_its_reward(learned, demos):
    values = learned.reward(*arrays(demos))
    assert values.shape == (demos.transition_count,)
    np.testing.assert_allclose(values, learned.load_reward()(*arrays(demos)), rtol=1e-6)


def test_one_transition_and_bad_shapes(learned, demos):
    obs, action, next_obs, _ = arrays(demos)
    one = learned.reward(obs[0], action[0], next_obs[0])
    assert one.shape == ()
    np.testing.assert_allclose(one, learned.reward(obs, action, next_obs)[0], rtol=1e-5)
    with pytest.raises(ConfigError, match="action has 3 dimensions, the reward takes 2"):
        learned.reward(obs[0], np.zeros(3), next_obs[0])


@pytest.fixture
def older(learned, tmp_path):
    """The run as imitax 0.1 would have written it: another name of a setting, no format, rows in the replay."""
    folder = tmp_path / "run"
    shutil.copytree(learned.folder, folder)
    config = read_json(folder / "config.json")
    assert config.pop("format") == 2
    config["config"]["average"] = config["config"].pop("ema")
    config["versions"]["imitax"] = "0.1.0"
    write_json(folder / "config.json", config)
    for shard in (folder / "replay").iterdir():
        save_arrays(shard, {"rows": np.zeros((10, 8), np.float32), "ends": np.ones(10, bool)})
    return folder


def test_a_run_of_an_older_version_opens_and_evaluates(older, learned, demos):
    run = imitax.Run(older)
    assert run.summary == learned.summary
    assert run.evaluate(3)["per_seed"] == learned.evaluate(3)["per_seed"]
    np.testing.assert_array_equal(run.reward(*arrays(demos)), learned.reward(*arrays(demos)))
    with pytest.raises(CheckpointError, match=r"is not a replay of this version: it holds ends, rows"):
        run.replay()


def test_a_run_of_an_older_version_is_not_resumed(older, demos):
    before = {p: p.read_bytes() for p in older.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError, match=r"was written by imitax 0\.1\.0, .* can be opened and evaluated"):
        imitax.resume(older, demos=demos, steps=40)
    assert {p: p.read_bytes() for p in older.rglob("*") if p.is_file()} == before


def test_another_environment_has_no_share_of_the_demonstrations(learned, monkeypatch, capsys):
    assert learned.evaluate(2)["expert_fraction"] is not None
    other = "ImitaxOtherPoint-v0"
    monkeypatch.setitem(gym.registry, other, dataclasses.replace(gym.spec(toy.ENV), id=other))
    found = imitax.Run(learned.folder, env=other).evaluate(2)
    assert (found["expert_fraction"], found["per_seed"][0]["expert_fraction"]) == (None, None)
    assert found["return_mean"] == learned.evaluate(2)["return_mean"]
    assert cli.dispatch(["eval", str(learned.folder), "--env", other, "--episodes", "2"]) == 0
    assert f"adversarial {other}" in capsys.readouterr().out


def test_an_environment_is_told_by_its_id_and_arguments():
    task = dataclasses.replace(Task.create(toy.ENV), env_id="A-v0", env_kwargs={"limit": (0.5, np.inf)})
    assert same_env("module:A-v0", {"limit": [0.5, float("inf")]}, task)
    assert not same_env("B-v0", {"limit": [0.5, float("inf")]}, task)
    assert not same_env("A-v0", {"limit": [0.5, 1.0]}, task)
    assert not same_env("A-v0", None, task)


def test_what_is_collected_names_the_step_of_the_policy(learned, tmp_path):
    shutil.copytree(learned.folder, tmp_path / "run")  # as if extended and then interrupted
    config = read_json(learned.folder / "config.json")
    write_json(tmp_path / "run" / "config.json", config | {"training": config["training"] | {"steps": 400}})
    out = tmp_path / "collected.hdf5"
    assert cli.dispatch(["collect", str(tmp_path / "run"), "--out", str(out), "--episodes", "1"]) == 0
    assert imitax.load(out).attributes["training_steps"] == "20"
