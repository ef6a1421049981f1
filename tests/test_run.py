"""A finished run: what it hands out."""

import dataclasses
import pickle
import shutil

import gymnasium as gym
import numpy as np
import pytest
import toy

import imitax
from imitax import cli
from imitax.algorithms import adversarial
from imitax.envs import Task
from imitax.errors import CheckpointError, ConfigError, DataError
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
    with pytest.raises(ConfigError, match=r"action has the shape \[3\]: for 1 observations the reward takes \[1, 2\]"):
        learned.reward(obs[0], np.zeros(3), next_obs[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": lambda x: x.T}, r"action has the shape \[2, 9\]: for 9 observations the reward takes \[9, 2\]"),
        ({"action": lambda x: x[:5]}, r"action has the shape \[5, 2\]"),
        ({"next_obs": lambda x: x[0]}, r"9 observations \(obs\) and 1 next ones"),
        ({"next_obs": lambda x: x[:5]}, r"9 observations \(obs\) and 5 next ones"),
        ({"obs": lambda x: x[0], "action": lambda x: x[0]}, r"1 observations \(obs\) and 9 next ones"),
        ({"obs": lambda x: x * np.nan}, "obs must be finite numbers"),
        ({"obs": lambda x: [[1.0], [2.0, 3.0]]}, "obs must be numbers, one row or rows of them of one length"),
        (dict.fromkeys(("obs", "action", "next_obs"), lambda x: x[:0]), "there are no observations"),
        ({"action": lambda x: x * np.inf}, "action must be finite numbers"),
        ({"terminated": lambda x: x[:5]}, r"terminated has the shape \[5\]: give one flag, or 9"),
        ({"terminated": lambda x: x * 2.0}, "terminated"),
        ({"terminated": lambda _: np.array(["perhaps"] * 9)}, "terminated"),
    ],
)
def test_rewards_of_what_does_not_belong_together(learned, demos, change, message):
    given = dict(zip(("obs", "action", "next_obs", "terminated"), (x[-9:] for x in arrays(demos)), strict=True))
    expected = learned.reward(**given)
    as_column = given | {"terminated": np.asarray(given["terminated"]).astype(str)[:, None]}
    np.testing.assert_array_equal(learned.reward(**as_column), expected)
    given["terminated"] = np.ones(9)  # a flag of every row, so that the changes have one
    with pytest.raises((ConfigError, DataError), match=message):
        learned.reward(**given | {name: turn(given[name]) for name, turn in change.items()})


def test_it_stays_where_it_is(learned, monkeypatch, demos):
    monkeypatch.chdir(learned.folder.parent)
    run = imitax.Run("run")
    assert repr(run).startswith("Run('run'): ")
    monkeypatch.chdir(learned.folder.anchor)
    obs = demos.transitions().obs
    actions = run.policy(obs)
    np.testing.assert_array_equal(actions, learned.policy(obs))
    actions *= 2  # an array of the caller's own
    np.testing.assert_array_equal(run.policy(obs), learned.policy(obs))


def test_a_policy_can_be_sent_to_another_process(learned, demos):
    policy, obs = imitax.load_policy(learned.folder / "policy.safetensors"), demos.transitions().obs[:3]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(policy))(obs), policy(obs))


def test_a_run_that_has_not_finished_has_no_summary(learned, tmp_path):
    shutil.copytree(learned.folder, tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    with pytest.raises(CheckpointError, match=r"has not finished.*imitax train --resume .* goes on with it"):
        _ = imitax.Run(tmp_path / "run").summary


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
    assert same_env("A", {"limit": [0.5, float("inf")]}, task)
    assert not same_env("A-v1", {"limit": [0.5, float("inf")]}, task)
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


def test_where_to_is_checked_before_anything_is_played(learned, monkeypatch):
    monkeypatch.setattr("imitax.run.Run.actor", lambda *_: pytest.fail("it plays"))
    with pytest.raises(ConfigError, match=r"--out is a file that ends in \.hdf5 or \.h5, or a new Minari id: 'a\.csv'"):
        cli.dispatch(["collect", str(learned.folder), "--out", "a.csv"])


def test_a_run_that_has_acted_can_be_pickled(learned):
    run = imitax.Run(learned.folder)
    obs = np.zeros((3, *run.task.observation_space.shape), np.float32)
    actions = run.policy(obs)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(run)).policy(obs), actions)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(run.policy))(obs), actions)
