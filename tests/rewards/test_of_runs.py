"""Rewards of runs: judged on what there is, and learned from by a new policy."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
import toy
from interrupted import Interrupted, assert_equal_runs, stop_at

import imitax
from imitax import cli
from imitax.algorithms import adversarial, sac
from imitax.checkpoint import checkpoints
from imitax.config import override
from imitax.datasets import save_d4rl
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.report.reward import look
from imitax.rewards import evaluate_reward, of_runs, retrain
from imitax.training import again

pytestmark = pytest.mark.usefixtures("no_figures")
OPTIONS = {"chunk": 2, "eval_every": 10, "eval_episodes": 2, "checkpoint_every": 10, "quiet": True}


@pytest.fixture(scope="module")
def source(demos, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.hdf5"
    save_d4rl(demos, path)
    return path


@pytest.fixture(scope="module")
def learned(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned") / "run"
    cfg = override(toy.shrink(adversarial.Config()), **{"reward.members": 2})
    return imitax.train(cfg, env=toy.ENV, demos=str(source), out=folder, steps=20, **OPTIONS)


def test_it_is_judged_on_demonstrations_replay_and_fresh_episodes(learned, source, demos):
    found = evaluate_reward(learned, episodes=3)
    assert list(found["sets"]) == ["demonstrations", "replay", "policy", "random actions"]
    assert found["sets"]["demonstrations"]["return"] == pytest.approx(demos.returns.mean(), rel=1e-4)
    assert found["sets"]["random actions"]["episodes"] == 3
    assert found["gamma"] == learned.config["config"]["gamma"] == 0.9  # of episodes of 20 steps
    assert set(found["calibration"]) == {*found["sets"], "all"}
    assert len(found["margins"]) == 3
    assert str(found) == str(evaluate_reward(learned, episodes=3))  # the same seed draws the same
    more = evaluate_reward(learned, [str(source)], episodes=0)
    assert list(more["sets"]) == ["demonstrations", "replay", "toy"]
    assert more["sets"]["toy"]["pearson"] == pytest.approx(found["sets"]["demonstrations"]["pearson"], nan_ok=True)


def test_on_the_command_line(learned, capsys):
    assert cli.dispatch(["reward", "evaluate", str(learned.folder), "--episodes", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["sets"]["policy"]["kendall"]) == {"value", "low", "high"}
    assert cli.dispatch(["reward", "evaluate", str(learned.folder), "--episodes", "0"]) == 0
    shown = capsys.readouterr().out
    assert "all together" in shown
    assert "rank correlation of the ensemble's disagreement with the reward's error" in shown
    assert "the demonstrated one is preferred in" in shown.replace("\n", " ")
    assert cli.dispatch(["reward"]) == 2
    with pytest.raises(ConfigError, match="evaluate"):
        cli.dispatch(["reward", "evaluat", str(learned.folder)])


def test_the_report_shows_it(learned):
    part = look(learned, None, True, False)
    assert [figure.title for figure in part.figures] == [
        "Map",
        "Along a demonstration",
        "Along an episode of the policy",
    ]
    assert part.notes == ["The reward has 2 members; shown is what they count as together."]


def test_what_has_no_reward_or_no_truth(learned, demos, source, tmp_path, monkeypatch):
    clone = imitax.train("bc", env=toy.ENV, demos=str(source), out=tmp_path / "bc", steps=2, **OPTIONS)
    with pytest.raises(CheckpointError, match="bc learns none"):
        evaluate_reward(clone)
    other = tmp_path / "replay.hdf5"
    save_d4rl(demos, other)
    with pytest.raises(DataError, match="replay is the name of a set that the run makes"):
        evaluate_reward(learned, [str(other)], episodes=0)
    monkeypatch.setattr(of_runs, "collect", lambda *_, **__: pytest.fail("data are read before anything is played"))
    with pytest.raises(DataError, match=r"nope.hdf5: there is no such file"):
        evaluate_reward(learned, [str(tmp_path / "nope.hdf5")])
    with pytest.raises(DataError, match=r"hopper-expert: obs has 11 dimensions"):
        evaluate_reward(learned, ["hopper-expert"])
    with pytest.raises(ConfigError, match=r"give a list, such as \[data\]"):
        evaluate_reward(learned, "hopper-expert")


def test_a_new_policy_learns_from_it(learned, tmp_path, monkeypatch):
    monkeypatch.setitem(sac.PRESETS, "steady", toy.shrink(sac.PRESETS["steady"]))
    results = tmp_path / "results.jsonl"
    options = {"steps": 20, "seeds": (0, 3), "results": results, "reward_combine": "minimum", **OPTIONS}
    found = retrain(learned, tmp_path / "again", **options)
    expert = learned.config["expert_return"]
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [(x["algorithm"], x["variant"], x["seed"]) for x in lines] == [
        ("sac", "reward=adversarial,minimum", s) for s in (0, 3)
    ]
    for line, score in zip(lines, found["retrained"]["per_seed"], strict=True):
        assert line["expert_fraction"] == pytest.approx(score["return_mean"] / expert)
        assert score["expert_fraction"] == pytest.approx(line["expert_fraction"])
    assert found["own"]["episodes"] == 2
    temperature = imitax.Run(tmp_path / "again" / "seed-0").config["config"]["temperature"]
    assert (temperature["kind"], temperature["initial"]) == ("fixed", 0.01)  # the source's
    before = results.read_text()
    assert str(retrain(learned, tmp_path / "again", **options)["retrained"]) == str(found["retrained"])
    assert results.read_text() == before  # nothing was trained again
    assert np.isfinite(found["retrained"]["iqm"])


@pytest.mark.long
def test_an_interrupted_run_ends_where_the_uninterrupted_one_does(learned, tmp_path, monkeypatch):
    monkeypatch.setitem(sac.PRESETS, "steady", toy.shrink(sac.PRESETS["steady"]))
    options = {"steps": 20, "seeds": (0,), **OPTIONS, "eval_every": 6, "checkpoint_every": 6}
    retrain(learned, tmp_path / "whole", **options)
    for folder, first in (("cut", {"callbacks": (stop_at(18),)}), ("short", {"steps": 12})):
        with contextlib.suppress(Interrupted):
            retrain(learned, tmp_path / folder, **options | first)
        assert checkpoints(tmp_path / folder / "seed-0" / "checkpoints")[-1].name.endswith("12")
        retrain(learned, tmp_path / folder, **options)
        assert_equal_runs(tmp_path / "whole" / "seed-0", tmp_path / folder / "seed-0")


def test_a_run_of_other_settings_is_neither_overwritten_nor_counted(learned, tmp_path, monkeypatch):
    monkeypatch.setitem(sac.PRESETS, "steady", toy.shrink(sac.PRESETS["steady"]))
    options = {"steps": 12, "seeds": (0,), **OPTIONS}
    retrain(learned, tmp_path, **options)
    before = (tmp_path / "seed-0" / "config.json").read_bytes()
    config = json.loads(before)
    for change, said in (
        ({"steps": 14, "eval_every": 4}, "other settings .*training.eval_every 10, not 4"),
        ({"steps": 11, "chunk": 1, "eval_every": 10}, "training.chunk 2, not 1"),
        ({"num_envs": 2}, "training.num_envs 1, not 2"),
    ):
        with pytest.raises(ConfigError, match=said):
            retrain(learned, tmp_path, **options | change)
    for change, said in (
        ({"algorithm": "bc"}, "algorithm bc, not sac"),
        ({"reward": "0" * 64}, "reward 000"),
        ({"env": {"id": "Other-v0", "kwargs": {}}}, f"env.id Other-v0, not {toy.ENV}"),
        ({"training": config["training"] | {"seeds": [1]}}, r"training.seeds \[1\], not \[0\]"),
    ):
        (tmp_path / "seed-0" / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(ConfigError, match=said):
            retrain(learned, tmp_path, **options)
    older = {name: value for name, value in config["training"].items() if name != "random_shift"} | {"quiet": False}
    (tmp_path / "seed-0" / "config.json").write_text(json.dumps(config | {"training": older}))
    assert np.isfinite(retrain(learned, tmp_path, **options)["retrained"]["iqm"])  # an option that it did not know yet
    with pytest.raises(ConfigError, match=r"training.eval_every 10, not 4"):  # before seed 1 has trained
        retrain(learned, tmp_path, **options | {"seeds": (1, 0), "eval_every": 4})
    with pytest.raises(ConfigError, match="must not be negative"):
        retrain(learned, tmp_path, **options | {"seeds": (1, -1)})
    with pytest.raises(ConfigError, match="history, variant cannot be chosen"):
        retrain(learned, tmp_path, **options | {"variant": "mine", "history": 2})
    assert not (tmp_path / "seed-1").exists()
    monkeypatch.setitem(sac.PRESETS, "steady", replace(sac.PRESETS["steady"], batch_size=8))
    with pytest.raises(ConfigError, match=r"config\.batch_size 16, not 8"):
        retrain(learned, tmp_path, **options)


def test_what_goes_on_and_what_has_too_many_steps(learned, tmp_path, monkeypatch):
    monkeypatch.setitem(sac.PRESETS, "steady", toy.shrink(sac.PRESETS["steady"]))
    monkeypatch.setattr(again, "resume", lambda folder, steps, **_: resumed.append((folder.name, steps)) or learned)
    resumed, options = [], {"env": toy.ENV, "seeds": (0,), "quiet": True, "chunk": 2, "checkpoint_every": 10}
    options |= {"eval_every": 10}
    with contextlib.suppress(Interrupted):
        again.train_on(sac.PRESETS["steady"], tmp_path / "cut", steps=12, callbacks=(stop_at(10),), **options)
    for steps in (12, 14):
        again.train_on(sac.PRESETS["steady"], tmp_path / "cut", steps=steps, **options)
    assert resumed == [("cut", 12), ("cut", 14)]
    with pytest.raises(ConfigError, match="a run of 12 steps, and 11 are asked for"):
        again.train_on(sac.PRESETS["steady"], tmp_path / "cut", steps=11, **options)
