"""Runs whose policies are kept, selected by each rule, and used."""

import dataclasses
import json
import shutil

import gymnasium as gym
import jax
import jax.random as jr
import numpy as np
import pytest
import toy
from interrupted import Interrupted, stop_at

import imitax
from imitax import cli
from imitax.algorithms import bc
from imitax.artifacts import load_policy, save_policy, save_reward
from imitax.choices.discrimination import RewardHead
from imitax.choices.discriminator import create_reward
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.terminal import Terminal
from imitax.datasets import collect
from imitax.errors import CheckpointError, ConfigError
from imitax.learner import OptimizerConfig
from imitax.networks import Normalizer, RewardConfig
from imitax.selection import kept

pytestmark = pytest.mark.usefixtures("no_figures")

SHORT = {"env": toy.ENV, "chunk": 20, "eval_episodes": 2, "quiet": True}
BC = dataclasses.replace(toy.shrink(bc.Config()), optimizer=OptimizerConfig(lr=0.02))
CLONING = SHORT | {"steps": 400, "eval_every": 200, "checkpoint_every": 200, "validation_episodes": 2, "select": "last"}


@pytest.fixture(scope="module")
def cloned(demos, tmp_path_factory):
    """Two seeds of cloning, whose policies after 400 updates are replaced by bad ones: negated parameters."""
    run = imitax.train(BC, demos=demos, seeds=(0, 3), out=tmp_path_factory.mktemp("cloned") / "run", **CLONING)
    for seed in run.seeds:
        for path in (kept.path_of(run.seed_folder(seed), 400), run.seed_folder(seed) / "policy.safetensors"):
            policy, about = load_policy(path)
            bad = jax.tree.map(lambda x: -x, policy.actor)
            save_policy(path, dataclasses.replace(policy, actor=bad), about)
    return run


@pytest.fixture
def run(cloned, tmp_path):
    """A copy that may be changed, opened as its owner would."""
    shutil.copytree(cloned.folder, tmp_path / "run")
    return imitax.Run(tmp_path / "run", task=cloned.task)


def test_policies_of_evaluations_are_kept(cloned):
    for seed in (0, 3):
        assert kept.kept_steps(cloned.seed_folder(seed)) == [200, 400]
        for step in (200, 400):
            assert load_policy(kept.path_of(cloned.seed_folder(seed), step))[1]["step"] == step
    assert cloned.selection is None
    assert cloned.about(3, "selected")["step"] == 400  # the default is the last


def test_agreement_takes_the_policy_that_imitates(run, demos):
    choice = run.select("agreement", others=True, episodes=3, demos=demos)
    assert choice.steps == {0: 200, 3: 200}
    assert choice.known == ["last", "best", "validation", "validation_error", "agreement"]
    assert choice.by("validation_error") == choice.by("validation") == {0: 200, 3: 200}
    assert choice.by("last") == {0: 400, 3: 400}
    assert choice.left_out == {"learned_reward": "the algorithm learns no reward"}
    for seed, (good, bad) in choice.scores.items():
        assert (good["step"], bad["step"]) == (200, 400)
        assert good["agreement"] < bad["agreement"] / 2
        assert good["validation_error"] == pytest.approx(by_hand(run, demos, seed), rel=1e-4)
        assert run.about(seed, "selected")["step"] == 200
    assert run.selection["steps"] == {"0": 200, "3": 200}
    assert run.selection["rule"] == "agreement"
    returns = [run.evaluate(3, which=which)["return_mean"] for which in ("selected", "last")]
    assert returns[0] > 2 * returns[1]
    again = run.select("agreement", others=True, episodes=3, demos=demos, write=False)
    assert again.scores == choice.scores


def by_hand(run, demos, seed):
    """The mean over held-out episodes of the error of the policy after 200 updates."""
    policy = imitax.load_policy(kept.path_of(run.seed_folder(seed), 200))
    held_out = [demos.episodes[i] for i in run.config["data"]["validation_episodes"][str(seed)]]
    assert len(held_out) == 2
    off = [policy(e.observations[:-1]) - e.actions for e in held_out]
    return np.mean([(np.abs(x) / (toy.HIGH - toy.LOW)).mean() for x in off])


@pytest.mark.long
def test_other_episodes_all_count_as_held_out(run, demos):
    others = toy.demonstrations(3, seed=5)
    choice = run.select("validation_error", demos=others, write=False)
    assert choice.steps == {0: 200, 3: 200}
    assert run.selection is None


def test_the_command_prints_a_table_and_json(run, demos, capsys, monkeypatch):
    monkeypatch.setattr("imitax.run.Run", lambda *_, **__: run)
    monkeypatch.setenv("COLUMNS", "120")
    select = run.select
    monkeypatch.setattr(run, "select", lambda by, **given: select(by, **given | {"demos": demos}))
    assert cli.dispatch(["select", str(run.folder), "--by", "agreement", "--episodes", "2", "--no-write"]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["steps"] == {"0": 200, "3": 200}
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in table if "│" in line]
    assert [row[:2] for row in rows] == [["0", "200"], ["0", "400*"], ["3", "200"], ["3", "400*"]]
    assert [row[3].endswith("*") for row in rows] == [True, False, True, False]
    assert run.selection is None


@pytest.mark.parametrize(
    ("by", "given", "error", "message"),
    [
        ("loss", {}, ConfigError, "unknown rule 'loss'"),
        ("learned_reward", {}, ConfigError, "learns no reward"),
        ("agreement", {}, ConfigError, "was trained on data in memory: give them again"),
        ("agreement", {"episodes": 0}, ConfigError, "episodes must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_selected_by(by, given, error, message, cloned):
    with pytest.raises(error, match=message):
        cloned.select(by, **given)
    assert cloned.selection is None


def test_a_run_without_kept_policies(run, demos):
    for seed in run.seeds:
        shutil.rmtree(run.seed_folder(seed) / "policies")
    with pytest.raises(CheckpointError, match=r"no policies to select from: the run kept none .*--keep-policies all"):
        run.select("agreement", demos=demos)
    best = run.select("best").steps
    assert best == {seed: run.about(seed, "best")["step"] for seed in run.seeds}
    assert run.about(3, "selected")["step"] == best[3]


def test_rewards_are_not_selected(cloned):
    with pytest.raises(ConfigError, match="policies are selected, a reward is not"):
        cloned.load_reward(which="selected")


def test_training_selects_at_its_end_and_going_on_undoes_it(demos, tmp_path):
    options = CLONING | {"steps": 60, "eval_every": 20, "checkpoint_every": 40, "select": "validation_error"}
    out, seeds = tmp_path / "run", (0, 3)
    with pytest.raises(Interrupted):
        imitax.train(BC, demos=demos, seeds=seeds, out=out, callbacks=[stop_at(60)], **options)
    own = [out / "seed-0", out / "seed-3"]
    assert [kept.kept_steps(folder) for folder in own] == [[20, 40, 60]] * 2
    kept.begin(out, own, 40)
    assert [kept.kept_steps(folder) for folder in own] == [[20, 40]] * 2
    with pytest.raises(CheckpointError, match=r"has selected no policy yet: imitax select .* --by validation_error"):
        imitax.Run(out).load_policy(which="selected")
    run = imitax.resume(out, demos=demos)
    for seed in seeds:
        lines = run.selection["scores"][str(seed)]
        assert [line["step"] for line in lines] == [20, 40, 60]
        best = min(lines, key=lambda line: line["validation_error"])["step"]
        assert run.selection["steps"][str(seed)] == run.about(seed, "selected")["step"] == best
    kept.begin(out, own, 60)
    assert run.selection is None
    assert not (own[0] / kept.SELECTED).exists()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, "validation_error"),
        ({"validation_episodes": None}, "last"),  # held out by itself, and stopped by
        ({"validation_episodes": 0}, "last"),
        ({"keep_policies": "none"}, "last"),
        ({"select": "last"}, "last"),
        ({"env": None}, "validation_error"),
        ({"env": None, "validation_episodes": None}, "last"),
    ],
)
def test_episodes_that_the_user_holds_out_select(options, rule, demos, tmp_path):
    short = {"steps": 40, "eval_every": 20, "checkpoint_every": 40}
    run = imitax.train(BC, demos=demos, out=tmp_path / "run", **CLONING | short | {"select": None} | options)
    assert run.config["training"]["select"] == rule
    assert (run.folder / "selection.json").exists() == (rule != "last")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": "agreement", "keep_policies": "none"}, "leave --keep-policies none out"),
        ({"select": "validation", "validation_episodes": 0}, "no episode with actions was held out"),
        ({"select": "learned_reward"}, "the algorithm learns no reward"),
        ({"select": "agreement", "env": None}, "there is no environment"),
        ({"select": "best", "env": None}, "without an environment there are none"),
    ],
)
def test_a_rule_that_does_not_fit_ends_before_training(options, message, demos, tmp_path):
    with pytest.raises(ConfigError, match=message):
        imitax.train(BC, demos=demos, out=tmp_path / "run", **CLONING | options)
    assert not (tmp_path / "run").exists()


def test_which_policies_are_kept(cloned, monkeypatch):
    policy = cloned.load_policy()
    assert kept.keeps("small", "last", policy)
    assert not kept.keeps("none", "last", policy)
    monkeypatch.setattr(kept, "SMALL", 100)
    assert not kept.keeps("small", "last", policy)
    assert kept.keeps("small", "agreement", policy)
    assert kept.keeps("all", "last", policy)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["absorbing", "stay"])
def test_the_learned_reward_is_its_mean_over_rollouts_and_over_what_follows_an_end(run, kind):
    terminal = Terminal(kind)
    net = create_reward(RewardConfig(hidden=(8,)), run.load_policy().actor.spec, terminal, 0.9, jr.key(0), "float32")
    reward = LearnedReward(Normalizer.identity(2), net, terminal, RewardHead("logit"), 1.0)
    for seed in run.seeds:
        save_reward(run.seed_folder(seed) / "reward.safetensors", reward, {})
    choice = run.select("learned_reward", episodes=2)  # needs no demonstrations
    last = choice.scores[0][1]
    episodes = collect(run.actor(0, "last", None), lambda: gym.make(toy.ENV), episodes=2, seed=1_000_000)
    t = episodes.transitions()
    values = np.asarray(reward(t.obs, t.action, t.next_obs, t.terminated))
    assert t.terminated.any()  # the good policy's reach the time limit of 20 steps
    after = np.array([20 - len(e) for e in episodes.episodes if e.terminated])
    ends = values[t.terminated] if kind == "stay" else float(reward.absorbing())
    rest, total = after.sum(), values.sum() + (after * ends).sum()
    assert last["learned_reward"] == pytest.approx(total / (len(values) + rest), abs=1e-5)
    best = max(choice.scores[3], key=lambda line: line["learned_reward"])["step"]
    assert choice.steps[3] == run.about(3, "selected")["step"] == best
