"""Settings that the demonstrations decide."""

import dataclasses

import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import adversarial, f_irl, iq_learn, ls_iq, ml_irl, recoil_online
from imitax.choices.terminal import Terminal
from imitax.config import Training, override
from imitax.datasets import Dataset, Episode
from imitax.envs import Recorded, recorded_task
from imitax.errors import ConfigError
from imitax.files import read_json, write_json
from imitax.run_config import as_given
from imitax.spaces import BoxActions
from imitax.training.decided import with_ends, with_horizon


@pytest.mark.parametrize(
    ("steps", "terminated", "gamma", "found"),
    [
        (50, False, 0.99, 0.9),
        (100, False, 0.99, 0.95),
        (101, False, 0.99, 0.99),  # longer than the horizon
        (50, True, 0.99, 0.99),  # the task ends them
        (50, False, 0.97, 0.97),
        (50, False, 0.98, 0.9),
        (80, False, 0.99, 0.9375),
        (20, False, 0.99, 0.9),  # never below ten steps
        (4, False, 0.99, 0.9),
        (8, False, 0.9, 0.9),
    ],
)
def test_values_end_about_where_a_time_limit_does(steps, terminated, gamma, found):
    cfg, options = override(adversarial.Config(), gamma=gamma), Training(quiet=True)
    given = adversarial.needs(cfg), limited(steps), episodes(terminated), options
    lowered, decided = with_horizon(cfg, *given)
    assert lowered.agent.gamma == pytest.approx(found)
    assert decided == ({"gamma": gamma} if found != gamma else {})
    assert with_horizon(lowered, *given) == (lowered, {})


@pytest.mark.parametrize("module", [iq_learn, ls_iq, recoil_online])
def test_implicit_rewards_have_the_rule_in_our_presets_alone(module):
    short = limited(100), episodes(False), Training(quiet=True)
    found = {name: with_horizon(cfg, module.needs(cfg), *short)[0].agent.gamma for name, cfg in module.PRESETS.items()}
    assert found.pop("default") == found.pop("observations") == pytest.approx(0.95)
    assert set(found.values()) == {0.99}


def limited(steps):
    task = recorded_task(Recorded("x", "inferred", ""), 2, BoxActions((-1.0,), (1.0,)))
    return dataclasses.replace(task, max_episode_steps=steps)


def episodes(terminated):
    made = [Episode(np.zeros((4, 2)), np.zeros((3, 1)), None, end, not end) for end in (False, terminated)]
    return Dataset(tuple(made), name="x")


def test_the_horizon_is_lowered_where_it_is_asked_for(capsys):
    without, cfg = override(adversarial.Config(), horizon_share=None), adversarial.Config()
    asked = ((adversarial.PRESETS["dac"], 50, episodes(False)), (without, 50, episodes(False)))
    for own, steps, demos in (*asked, (cfg, None, episodes(False)), (cfg, 50, None)):
        assert with_horizon(own, adversarial.needs(own), limited(steps), demos, Training()) == (own, {})
    assert not capsys.readouterr().err
    with_horizon(cfg, adversarial.needs(cfg), limited(50), episodes(False), Training())
    assert "after 50 steps, so gamma is 0.9, not 0.99" in capsys.readouterr().err


def test_ends_are_told_apart_where_most_demonstrations_have_one(capsys):
    """One of two ends is not most of them. The seed whose demonstrations have the fewest decides."""
    cfg, whole, half = adversarial.Config(), Dataset(episodes(True).episodes[1:], name="x"), episodes(True)
    found, decided = with_ends(cfg, adversarial.needs(cfg), [whole, whole], Training())
    assert found == override(cfg, **{"terminal.kind": "stay"})
    assert decided == {"terminal": {"kind": "absorbing"}}
    assert "1 of 1 demonstrations terminate, so terminal.kind is stay, not absorbing" in capsys.readouterr().err
    for demos in ([half], [whole, half], [episodes(False)], []):
        assert with_ends(cfg, adversarial.needs(cfg), demos, Training()) == (cfg, {})
    assert with_ends(cfg, adversarial.needs(cfg), [whole], Training(subsample=2)) == (cfg, {})
    others = override(cfg, subtract_log_policy=True), override(cfg, **{"reward.shaping": True})
    for own in (override(cfg, stay_share=None), override(cfg, terminal=Terminal("mask")), found, *others):
        assert with_ends(own, adversarial.needs(own), [whole], Training()) == (own, {})
    assert not capsys.readouterr().err
    quiet, presets = Training(quiet=True), adversarial.PRESETS
    changed = [name for name, own in presets.items() if with_ends(own, adversarial.needs(own), [whole], quiet)[1]]
    assert changed == ["default"]


@pytest.mark.parametrize("module", [adversarial, f_irl, ml_irl])
def test_ends_are_not_subsampled(module, tmp_path, demos):
    cfg = override(toy.shrink(module.Config()), terminal=Terminal("stay"))
    with pytest.raises(ConfigError, match=r"terminal\.kind=stay learns from the last transitions of demonstrations"):
        imitax.train(cfg, env=toy.ENV, demos=demos, out=tmp_path / "run", steps=40, subsample=2, quiet=True)


def test_a_run_keeps_what_was_given_for_its_ends(tmp_path, demos, no_figures):
    ended = Dataset(tuple(dataclasses.replace(e, terminated=True, truncated=False) for e in demos.episodes), name="end")
    options = {"steps": 80, "eval_every": 80, "checkpoint_every": 40, "eval_episodes": 1, "quiet": True, "chunk": 10}
    run = imitax.train(toy.shrink(adversarial.Config()), env=toy.ENV, demos=ended, out=tmp_path / "run", **options)
    assert run.config["decided"] == {"terminal": {"kind": "absorbing"}}
    assert run.config["config"]["terminal"] == {"kind": "stay"}
    again = imitax.resume(run.folder, steps=120, demos=ended)
    assert again.config["config"]["terminal"] == {"kind": "stay"}
    assert again.load_reward(0).terminal == Terminal("stay")
    assert as_given(again.config)["terminal"] == {"kind": "absorbing"}


def test_a_run_keeps_what_was_given_for_gamma(tmp_path, demos, no_figures):
    cut = Dataset(tuple(dataclasses.replace(e, terminated=False, truncated=True) for e in demos.episodes), name="cut")
    options = {"steps": 80, "eval_every": 80, "checkpoint_every": 40, "eval_episodes": 1, "quiet": True, "chunk": 10}
    run = imitax.train(toy.shrink(adversarial.Config()), env=toy.ENV, demos=cut, out=tmp_path / "run", **options)
    assert run.config["decided"] == {"gamma": 0.99}
    assert run.config["config"]["gamma"] == 0.9
    before = read_json(run.folder / "config.json")
    old = {**before, "config": before["config"] | {"gamma": 0.99}}
    del old["config"]["horizon_share"], old["decided"]
    for config, gamma in ((before, 0.9), (old, 0.99)):  # the second is of a version that did not know the rule
        write_json(run.folder / "config.json", config)
        steps = 120 if gamma == 0.9 else 160
        again = imitax.resume(run.folder, steps=steps, demos=cut)
        assert again.config["config"]["gamma"] == gamma
        assert again.load_reward(0).net.gamma == gamma
