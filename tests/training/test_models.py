"""Runs with a learned model: their resumption, when models are fitted, and runs that share them."""

from dataclasses import replace

import equinox as eqx
import numpy as np
import pytest
import toy
from interrupted import Interrupted, assert_equal_runs, stop_at

import imitax
from imitax.agents.model_rollouts import ModelRollouts
from imitax.algorithms import mbpo, mopo, omlirl, rambo, rmirl, rmirl_implicit
from imitax.artifacts import load_dynamics, save_dynamics
from imitax.choices.pessimism import Pessimism
from imitax.config import override
from imitax.datasets import Dataset
from imitax.errors import CheckpointError, ConfigError, DataError
from imitax.files import read_json, sha256
from imitax.networks import DynamicsConfig
from imitax.registry import algorithm_of
from imitax.sources import RolloutSource
from imitax.training import begin, loop

pytestmark = pytest.mark.usefixtures("no_figures")

LEARNED = DynamicsConfig(hidden=(8,), members=3, elites=2, termination="learned")
TOY = {"env": toy.ENV, "chunk": 6, "eval_episodes": 2, "quiet": True, "eval_every": 6, "checkpoint_every": 12}
CASES = {
    "mopo": toy.shrink(override(mopo.Config(), dynamics=LEARNED, pessimism=Pessimism("max_norm", tuned=True))),
    "rambo": toy.shrink(override(rambo.Config(), dynamics=LEARNED)),
    "mbpo": toy.shrink(override(mbpo.Config(), dynamics=LEARNED, updates_per_step=2)),
    "omlirl": toy.shrink(override(omlirl.Config(), dynamics=LEARNED, reward_form="trajectory"), reward_every=6),
    "rmirl": toy.shrink(
        override(rmirl.Config(), dynamics=LEARNED),
        reward_every=6,
        model_rollouts=ModelRollouts(every=4, starts=8, keep=60),
    ),
    "rmirl_implicit": toy.shrink(override(rmirl_implicit.Config(), dynamics=LEARNED)),
}


def sources(cfg, data):
    """Demonstrations and recorded data, where they are needed."""
    needs = algorithm_of(cfg).needs(cfg)
    return {"demos": data if needs.expert else None, "offline_data": data if needs.offline else None}


def start(cfg, folder, data, **options):
    return imitax.train(cfg, out=folder, **TOY | {"steps": 36} | sources(cfg, data) | options)


@pytest.mark.long  # as resumes of every algorithm in tests/algorithms/test_spaces_contract.py
@pytest.mark.parametrize("name", ["rmirl", "mbpo"])
def test_an_interrupted_run_ends_where_a_whole_one_does(name, tmp_path, demos):
    """RMIRL has all that there is offline; its chunks are cut at its rollouts, whose period does not divide them."""
    cfg = CASES[name]
    whole = start(cfg, tmp_path / "whole", demos)
    with pytest.raises(Interrupted):
        start(cfg, tmp_path / "cut", demos, callbacks=[stop_at(30)])
    again = imitax.resume(tmp_path / "cut", **sources(cfg, demos))
    assert_equal_runs(whole.folder, again.folder)
    metrics = {k: v for line in whole.metrics() for k, v in line.items()}
    assert 0 < metrics["rollout_length"] <= cfg.model.model_rollouts.horizon
    assert np.isfinite(metrics["critic_loss"])
    assert ("model_loss" in metrics) == hasattr(cfg, "adversary")
    assert ("model_error" in metrics) == (name == "mbpo")


@pytest.mark.long
def test_the_first_fit_and_rollouts_end_the_warm_up(tmp_path, monkeypatch):
    """Whatever the periods: chunks of 2, rollouts at multiples of 3, fits at multiples of 10, 25 steps of warm-up."""
    done = {"fit": [], "roll out": [], "update": []}
    fit, roll_out, make = begin.fit_replay, RolloutSource.advance, loop.make_chunk
    monkeypatch.setattr(begin, "fit_replay", lambda *args: (done["fit"].append(args[-1]), fit(*args))[1])
    monkeypatch.setattr(RolloutSource, "advance", lambda *args: (done["roll out"].append(args[-1]), roll_out(*args))[1])

    def noted(*args):
        run = make(*args)
        return lambda *given: (done["update"].append(int(given[3])), run(*given))[1]

    monkeypatch.setattr(loop, "make_chunk", noted)
    cfg = CASES["mbpo"]
    cfg = override(cfg, warmup_steps=25, refit_every=10, **{"model_rollouts.every": 3})
    start(cfg, tmp_path / "run", None, steps=36, chunk=2)
    assert done["fit"] == [25, 30]
    assert done["roll out"] == [25, 27, 30, 33]
    assert done["update"][0] == 25 * cfg.updates_per_step


def test_two_seeds_have_a_model_each(tmp_path, demos):
    run = start(CASES["mopo"], tmp_path / "two", demos, seeds=(3, 4), steps=6)
    reports = [read_json(run.folder / f"seed-{seed}" / "dynamics.json") for seed in (3, 4)]
    assert reports[0]["error"] != reports[1]["error"]
    assert all(len(r["rollout_errors"]) in (0, 40) for r in reports)
    assert all((run.folder / f"seed-{seed}" / "figures" / "dynamics.png").stat().st_size > 0 for seed in (3, 4))


@pytest.mark.long
def test_models_are_shared(tmp_path, demos):
    first = start(CASES["mopo"], tmp_path / "first", demos, steps=6)
    second = start(CASES["rambo"], tmp_path / "second", demos, steps=6, model_from=first.folder)
    assert not (second.folder / "dynamics.json").exists()
    start(CASES["rmirl_implicit"], tmp_path / "implicit", demos, steps=6, model_from=first.folder)
    assert second.config["model"] == sha256(first.folder / "dynamics.safetensors")
    with pytest.raises(ConfigError, match="mbpo fits its model as it goes"):
        start(CASES["mbpo"], tmp_path / "third", None, model_from=first.folder)
    with pytest.raises(ConfigError, match="sac has no model: leave --model-from out"):
        imitax.train("sac", env=toy.ENV, model_from=str(first.folder), out=tmp_path / "fourth", quiet=True)
    with pytest.raises(CheckpointError, match=r"there is no dynamics\.safetensors"):
        start(CASES["mopo"], tmp_path / "fifth", demos, model_from=tmp_path)
    file = tmp_path / "without-rewards.safetensors"
    model, about = load_dynamics(first.folder / "dynamics.safetensors", None)
    assert model.predicts_rewards
    unpaid = (model.output_mean.at[-1].set(0.0), model.output_std.at[-1].set(1.0))
    save_dynamics(file, eqx.tree_at(lambda d: (d.output_mean, d.output_std), model, unpaid), about)
    with pytest.raises(ConfigError, match="fitted to data without rewards, and mopo learns from the model's"):
        start(CASES["mopo"], tmp_path / "sixth", demos, model_from=file)
    assert len(list(tmp_path.glob("*/config.json"))) == 3


def test_what_cannot_be_modelled_is_refused(tmp_path, demos):
    with pytest.raises(ConfigError, match="is not known here: give --dynamics"):
        start(toy.shrink(mopo.Config()), tmp_path / "a", demos)
    bare = Dataset(
        tuple(replace(e, rewards=None) for e in demos.episodes),
        action_low=demos.action_low,
        action_high=demos.action_high,
        name="bare",
    )
    with pytest.raises(DataError, match="learns from the rewards of its data, and bare has none"):
        start(CASES["mopo"], tmp_path / "b", bare)
