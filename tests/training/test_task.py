"""Training without an environment: when there is none, what is found out, what is refused, what is measured."""

import dataclasses
import json
import shutil

import gymnasium as gym
import numpy as np
import pytest
import toy

import imitax
from imitax import cli
from imitax.algorithms import (
    bc,
    mopo,
    omlirl,
    rambo,
    recoil,
    rmirl,
    rmirl_implicit,
    sac,
)
from imitax.config import Training
from imitax.datasets import Dataset, Episode, save_d4rl
from imitax.envs import Recorded, recorded_task
from imitax.errors import CheckpointError, ConfigError, DataError, ImitaxError
from imitax.files import load_arrays, read_json, read_lines
from imitax.spaces import BoxActions
from imitax.training.given import termination_of
from imitax.training.task import hold_out, with_termination

BC = toy.shrink(bc.Config())
SHORT = {"chunk": 2, "eval_every": 4, "checkpoint_every": 4, "steps": 8, "quiet": True}
FEW = ["--chunk", "2", "--eval-every", "4", "--checkpoint-every", "4"]
LOW, HIGH = toy.LOW.tolist(), toy.HIGH.tolist()
BOX = gym.spaces.Box(-5.0, 5.0, (2,)), gym.spaces.Box(toy.LOW, toy.HIGH)


@pytest.fixture(scope="module")
def plain(demos):
    """The demonstrations, which say nothing of an environment or of bounds."""
    return Dataset(demos.episodes, name="plain")


@pytest.fixture
def train(tmp_path, no_figures):
    def start(algorithm=BC, **options):
        return imitax.train(algorithm, out=tmp_path / "run", **SHORT | options)

    return start


@pytest.fixture(scope="module")
def run(plain, tmp_path_factory):
    """A run with figures, of two seeds, whose data lie in a file."""
    folder = tmp_path_factory.mktemp("own")
    save_d4rl(plain, folder / "data.hdf5")
    options = SHORT | {"seeds": (0, 3), "results": folder / "results.jsonl"}
    return imitax.train(BC, env=None, demos=folder / "data.hdf5", out=folder / "run", **options)


def test_data_without_a_name_need_no_environment(train, plain, capsys):
    done = train(demos=plain, quiet=False)
    said = capsys.readouterr().err
    assert "imitax: no environment: 2 observations, 2 actions, bounds inferred from the data: " in said
    assert "1 of 8 episodes are held out" in said
    assert done.config["training"]["env"] is None
    assert done.config["env"] == done.config["env"] | {"id": None, "data": "plain", "bounds": "inferred"}
    assert np.shape(done.policy(np.zeros(2))) == (2,)


def test_data_that_name_an_environment_are_used_with_it_unless_none_is_wanted(train, demos, capsys):
    assert train(demos=demos, eval_episodes=2).config["env"]["id"] == toy.ENV
    done = train(demos=demos, env=None, overwrite=True, quiet=False)
    said = capsys.readouterr().err
    assert (
        f"(toy names {toy.ENV}, which is not used): 2 observations, 2 actions, bounds of the data: -0.4 to 1.2" in said
    )
    assert done.config["env"]["id"] is None
    assert done.config["env"]["action_high"] == HIGH
    assert Training(env="none").env is None  # as it may be typed


def test_the_environment_of_another_machine(train, plain):
    elsewhere = dataclasses.replace(plain, env_id="Secret-v3")
    with pytest.raises(ConfigError, match=r"not registered here.*--env None \(env=None\)"):
        train(demos=elsewhere)
    assert train(demos=elsewhere, env=None).summary["env"] is None


@pytest.mark.parametrize(
    "given",
    [
        {"spaces": BOX},
        {"action_low": LOW, "action_high": toy.HIGH},
        {"action_low": -1, "action_high": np.float32(1.5)},
        {"action_high": 2.0},
    ],
)
def test_bounds_are_given(given, train, demos):
    done = train(demos=demos, **given)
    spec = done.load_policy().actor.spec
    wanted = {"action_low": LOW, "action_high": HIGH} if "spaces" in given else {"action_low": LOW} | given
    for name, value in wanted.items():
        np.testing.assert_allclose(getattr(spec, name), np.broadcast_to(np.float32(value), 2), rtol=1e-6)
    assert done.config["env"]["bounds"] == "given"


CASES = {
    "an online method": ({"algorithm": toy.shrink(sac.Config()), "env": None, "demos": None}, "give --env"),
    "bounds beside an environment": ({"env": toy.ENV, "action_low": -1}, "stand for an environment"),
    "spaces beside an environment": ({"env": toy.ENV, "spaces": BOX}, "stand for an environment"),
    "spaces and bounds": ({"spaces": BOX, "action_low": -1}, "spaces have the action bounds"),
    "no pair": ({"spaces": BOX[0]}, "must be the pair"),
    "a discrete space": ({"spaces": (BOX[0], gym.spaces.Discrete(2))}, "has 2 actions, the given space 1"),
    "amounts in a discrete space": (
        {"spaces": (BOX[0], gym.spaces.MultiBinary(2))},
        r"not in the given set: dimension 0",
    ),
    "text for actions": ({"spaces": (BOX[0], gym.spaces.Text(3))}, r"must be a Box, Discrete, Multi"),
    "discrete observations": ({"spaces": (gym.spaces.Discrete(2), BOX[1])}, "observation space is Discrete"),
    "a space of another size": ({"spaces": (BOX[0], gym.spaces.Box(-9, 9, (3,)))}, "has 2 actions, the given space 3"),
    "other observations": ({"spaces": (gym.spaces.Box(-9, 9, (3,)), BOX[1])}, "has 2 observations, the given space 3"),
    "too few bounds": ({"action_low": [-1, -1, -1]}, "action_low has 3 numbers, the actions 2 dimensions"),
    "bounds the wrong way round": ({"action_low": 2, "action_high": -2}, "low < high"),
    "an infinite bound": ({"action_low": -np.inf, "action_high": 1}, "must be finite"),
    "text": ({"action_low": "tight"}, "action_low must be"),
    "actions outside": ({"action_low": 0, "action_high": 1}, r"action 0 is -0.\d+ at episode .*outside of 0 to 1"),
    "arguments of an environment": ({"env": None, "env_kwargs": {"wall": 1}}, "env_kwargs and env_workers"),
    "all held out": ({"validation_episodes": 8}, "validation_episodes must be"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused(name, tmp_path, plain):
    options, message = CASES[name]
    given = {"algorithm": BC, "demos": plain} | SHORT | options
    with pytest.raises(ImitaxError, match=message):
        imitax.train(given.pop("algorithm"), out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_what_is_measured(run):
    assert run.summary["measured_on"] == "held-out episodes"
    assert run.summary["eval_episodes"] == 1
    line = [x for x in run.metrics(3) if x["kind"] == "eval"][-1]
    assert line["return_mean"] is None
    assert np.shape(line["validation_action_error_by_dimension"]) == (2,)
    assert len(line["validation_error_by_time"]) == 10
    per_seed = run.summary["last"]["per_seed"]
    assert [x["seed"] for x in per_seed] == [0, 3]
    assert run.summary["last"]["error"] == pytest.approx(np.mean([x["error"] for x in per_seed]))
    assert "return" not in repr(run)
    assert "error" in repr(run)


def test_the_run_is_evaluated_again_on_what_was_held_out(run, plain, tmp_path):
    again = imitax.Run(run.folder)
    for found in (run.evaluate(), again.evaluate(), again.evaluate(demos=plain)):
        assert (found["measured_on"], found["episodes"]) == ("held-out episodes", 1)
        assert found["error"] == pytest.approx(run.summary["last"]["error"], rel=1e-4)
    other = Dataset(plain.episodes[:3])
    assert again.evaluate(demos=other)["measured_on"] == "given episodes"
    with pytest.raises(ConfigError, match="for rollouts"):
        again.evaluate(sample=True)
    with pytest.raises(ConfigError, match="no environment to act in"):
        again.task.make()
    assert imitax.Run(run.folder, env=toy.ENV).evaluate(2)["iqm"] > 0


def test_a_copied_folder_does_not_choose_what_is_read(run, plain, tmp_path):
    shutil.copytree(run.folder, tmp_path / "copy")
    copied = imitax.Run(tmp_path / "copy")
    with pytest.raises(ConfigError, match=r"names the file .* --demos PATH"):
        copied.evaluate()
    assert copied.evaluate(demos=plain)["measured_on"] == "held-out episodes"
    assert imitax.Run(tmp_path / "copy", trust_env=True).evaluate()["measured_on"] == "held-out episodes"


def test_the_best_policy_has_the_smallest_held_out_error(run):
    for seed in (0, 3):
        curve = {x["step"]: x["validation_error"] for x in run.metrics(seed) if x["kind"] == "eval"}
        assert min(curve) == 0  # before the first update
        assert run.about(seed, "best")["step"] == min(curve, key=curve.get)
        assert run.summary["best_steps"][str(seed)] == min(curve, key=curve.get)
    assert run.evaluate(which="best")["error"] == pytest.approx(run.summary["best"]["error"], rel=1e-4)


def test_figures_and_result_lines(run):
    assert (run.folder / "figures" / "learning-curve.png").stat().st_size > 1000
    lines = read_lines(run.folder.parent / "results.jsonl")
    assert [x["return_mean"] for x in lines] == [x["env"] for x in lines] == [None, None]
    assert [x["error"] for x in lines] == [x["error"] for x in run.summary["last"]["per_seed"]]
    assert all(x["best_error"] <= x["error"] for x in lines)
    assert "validation_error" in read_lines(run.folder.parent / lines[0]["curve"].rpartition("own0/")[2])[0]


def imitax_command(*args):
    with pytest.raises(SystemExit) as end:
        cli.main(list(args))
    assert not end.value.code


def test_the_command_line(plain, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_d4rl(plain, tmp_path / "data.hdf5")
    flags = [*FEW, "--policy.hidden", "8", "--batch-size", "16"]
    train = ["train", "bc", "--demos", "data.hdf5", *flags, "--action-low", "-2", "-1.5", "--action-high", "2", "2"]
    imitax_command(*train, "--steps", "4", "--out", "run")
    shown = capsys.readouterr()
    assert "bounds as given: -2 to 2, -1.5 to 2" in shown.err
    assert "held-out error" in shown.out
    assert "return" not in shown.out
    (tmp_path / "data.hdf5").rename(tmp_path / "moved.hdf5")
    imitax_command("train", "--resume", "run", "--demos", "moved.hdf5", "--steps", "8")
    imitax_command("eval", "run", "--which", "best")
    imitax_command("eval", "run", "--demos", "moved.hdf5", "--json")
    shown = capsys.readouterr().out
    assert "10 to 20 % of time" in shown
    assert json.loads(shown.splitlines()[-1])["measured_on"] == "held-out episodes"
    imitax_command(*train, "--steps", "8", "--out", "whole", "--demos", "moved.hdf5")
    a, b = (load_arrays(tmp_path / name / "policy.safetensors")[0] for name in ("run", "whole"))
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], err_msg=name)


def test_data_in_memory_are_needed_again(train, plain, tmp_path):
    done = train(demos=plain, steps=4)
    again = imitax.Run(done.folder)
    assert done.evaluate()["measured_on"] == "held-out episodes"
    with pytest.raises(ConfigError, match="trained on data in memory"):
        again.evaluate()
    with pytest.raises(ConfigError, match="without an environment: leave env"):
        imitax.resume(done.folder, demos=plain, env=toy.ENV, steps=8)
    assert imitax.resume(done.folder, demos=plain, steps=8).summary["steps"] == 8


@pytest.mark.parametrize(
    ("count", "held_out", "said"),
    [
        (4, 0, "imitax: none of the 4 episodes is held out; from 5 on some are: it stops early\n"),
        (5, 1, "imitax: 1 of 5 episodes is held out: it stops early; --validation-episodes 0 learns from all\n"),
    ],
)
def test_few_episodes_are_all_learned_from(plain, count, held_out, said, capsys):
    options = hold_out(Training(), Dataset(plain.episodes[:count]), recorded=False, why="it stops early")
    assert options.validation_episodes == held_out
    assert capsys.readouterr().err == said


def test_one_episode_is_learned_from_and_measured(train, plain, capsys):
    done = train(demos=Dataset(plain.episodes[:1]), quiet=False)
    assert "none is held out" in capsys.readouterr().err
    assert done.summary["measured_on"] == "training episodes"
    assert done.summary["best"] is None
    assert done.evaluate()["measured_on"] == "training episodes"
    with pytest.raises(CheckpointError, match="no held-out error"):
        done.load_policy(which="best")


def offline(plain):
    episodes = tuple(dataclasses.replace(e, rewards=np.ones(len(e))) for e in plain.episodes)
    return Dataset(episodes, name="medium")


def test_offline_reinforcement_learning(train, plain, capsys):
    done = train(toy.shrink(mopo.Config()), offline_data=offline(plain), quiet=False)
    assert "--dynamics.termination learned" in capsys.readouterr().err
    assert done.config["config"]["dynamics"]["termination"] == "learned"
    assert done.summary["measured_on"] == "held-out episodes"
    assert done.summary["best"] is None  # errors are no score of what rewards taught
    chosen = done.config["offline_data"]
    assert [len(chosen[f"{part}_episodes"]["0"]) for part in ("train", "validation")] == [7, 1]
    again = imitax.Run(done.folder).evaluate(demos=offline(plain))
    assert again["error"] == pytest.approx(done.summary["last"]["error"], rel=1e-4)


@pytest.mark.parametrize("module", [mopo, rambo, omlirl, rmirl, rmirl_implicit])
def test_where_a_task_ends_is_known_by_its_name_or_learned(module):
    cfg, options = module.Config(), Training(quiet=True)
    for env_id, dims, kind in (("Hopper-v5", 11, "known"), ("", 11, "learned"), ("Mine-v0", 3, "learned")):
        task = recorded_task(Recorded("log", "inferred", env_id), dims, BoxActions((-1.0,), (1.0,)))
        found = module.needs(with_termination(cfg, module.needs(cfg), task, options))
        assert found.model.dynamics.termination == kind
        assert (termination_of(found, task) is None) == (kind == "learned")


def test_demonstrations_and_other_data(train, plain):
    done = train(toy.shrink(recoil.Config()), demos=plain, offline_data=offline(plain), validation_episodes=2)
    assert (done.summary["eval_episodes"], done.summary["measured_on"]) == (2, "held-out episodes")
    wide = Dataset((Episode(np.zeros((4, 5)), np.zeros((3, 2)), None, False, True),), name="wide")
    with pytest.raises(DataError, match="observations differ in size: plain has 2, wide has 5"):
        train(toy.shrink(recoil.Config()), demos=plain, offline_data=wide, overwrite=True)
    one, two = (
        dataclasses.replace(data, columns={"observations": names})
        for data, names in ((plain, ("x", "y")), (offline(plain), ("y", "x")))
    )
    with pytest.raises(DataError, match="plain and medium differ in their columns of observations: the order is x, y"):
        train(toy.shrink(recoil.Config()), demos=one, offline_data=two, overwrite=True)


def test_estimators(plain, tmp_path, no_figures):
    fitted = imitax.BC(batch_size=16, policy__hidden=(8,)).fit(plain, out=tmp_path / "run", **SHORT)
    assert fitted.predict(np.zeros((3, 2))).shape == (3, 2)
    assert np.isfinite(fitted.score(plain))
    assert "bc on recorded data" in repr(imitax.load_policy(tmp_path / "run"))
    fitted = imitax.BC(batch_size=16, policy__hidden=(8,)).fit(plain, env=None, out=tmp_path / "other", **SHORT)
    assert read_json(fitted.run.folder / "config.json")["training"]["env"] is None


def test_a_warm_start_needs_the_bounds_of_its_policy(run, train, plain):
    other = Dataset(plain.episodes[:4])
    with pytest.raises(ConfigError, match="give its bounds: --action-low") as refused:
        train(demos=other, init_from=run.seed_folder(0), action_low=-3, action_high=3)
    low, high = str(refused.value).partition("--action-low ")[2].split(" --action-high ")
    bounds = {"action_low": list(map(float, low.split())), "action_high": list(map(float, high.split()))}
    assert train(demos=other, init_from=run.seed_folder(0), **bounds).summary["steps"] == 8
