"""Runs from recorded data: how a run takes them, checks them and says what it used."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import toy

import imitax
from imitax.agents.policy_extraction import PolicyUpdate
from imitax.algorithms import iq_learn, recoil
from imitax.choices.implicit_maximum import ImplicitMaximum
from imitax.config import override
from imitax.datasets import collect, save_d4rl
from imitax.errors import ConfigError, DataError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, PolicyConfig

RATE = OptimizerConfig(lr=3e-3)
SMALL = {
    "gamma": 0.9,
    "polyak": 0.02,
    "batch_size": 64,
    "ema": 0.98,
    "policy": PolicyConfig(hidden=(16, 16)),
    "critic": CriticConfig(hidden=(16, 16)),
    "policy_optimizer": RATE,
    "critic_optimizer": RATE,
}
SHORT = {"steps": 1500, "eval_every": 1500, "checkpoint_every": 1500, "quiet": True}
TINY = {"steps": 20, "chunk": 10, "eval_every": 20, "checkpoint_every": 10, "eval_episodes": 2, "quiet": True}


@pytest.fixture(scope="module")
def recorded():
    """Episodes of random actions."""
    import gymnasium as gym

    rng = np.random.default_rng(0)
    return collect(
        lambda obs, step: rng.uniform(toy.LOW, toy.HIGH, (len(obs), 2)),
        lambda: gym.make(toy.ENV),
        episodes=30,
        seed=3,
        name="recorded",
    )


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("form", ["v", "q"])
def test_recoil_learns_from_demonstrations_among_random_data(form, tmp_path, demos, recorded):
    changes = {"form": form, "value_optimizer": RATE, "anchor": 20.0, "policy_update": PolicyUpdate("awr", beta=1.0)}
    cfg = override(recoil.Config(), **SMALL | changes)
    run = imitax.train(cfg, env=toy.ENV, demos=demos, offline_data=recorded, out=tmp_path / "run", **SHORT)
    assert run.summary["last"]["per_seed"][0]["expert_fraction"] > 0.9


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("kind", ["awr", "sac"])
def test_iq_learn_learns_from_demonstrations_alone(kind, tmp_path, demos):
    cfg = override(iq_learn.PRESETS["offline"], **SMALL, policy_update=PolicyUpdate(kind))
    run = imitax.train(cfg, env=toy.ENV, demos=demos, out=tmp_path / "run", **SHORT)
    assert run.summary["last"]["per_seed"][0]["expert_fraction"] > {"awr": 0.9, "sac": 0.7}[kind]


@pytest.mark.usefixtures("no_figures")
def test_what_a_run_says_of_its_data_and_its_resumption(tmp_path, demos, recorded):
    for name, data in (("demos", demos), ("recorded", recorded)):
        save_d4rl(dataclasses.replace(data, env_id=toy.ENV), tmp_path / f"{name}.hdf5")
    cfg, results = toy.shrink(recoil.Config()), tmp_path / "results.jsonl"
    files = {"demos": tmp_path / "demos.hdf5", "offline_data": tmp_path / "recorded.hdf5"}
    options = {"out": tmp_path / "whole", "results": results, "variant": "../../zz"}
    whole = imitax.train(cfg, env=toy.ENV, **files, **options, **TINY)
    offline = imitax.load(files["offline_data"])
    assert whole.config["offline_data"]["hash"] == offline.hash()
    line = json.loads(results.read_text())
    assert (line["regime"], line["steps"]) == ("offline", 20)
    assert line["offline_data"] == f"recorded@{offline.hash()[:12]}"
    (curve,) = (tmp_path / "curves").iterdir()
    assert curve.name.startswith("recoil-default-..-..-zz-ImitaxPoint-v0-20-seed0-")

    part = imitax.train(cfg, env=toy.ENV, **files, out=tmp_path / "part", **TINY | {"steps": 10})
    again = imitax.resume(part, steps=20)
    for a, b in zip(*(jax.tree.leaves(r.load_policy()) for r in (whole, again)), strict=True):
        np.testing.assert_array_equal(a, b)

    mean = imitax.load(files["demos"]).transitions().obs.mean(0)
    np.testing.assert_allclose(whole.load_policy().normalizer.mean, mean, rtol=1e-4, atol=1e-5)

    save_d4rl(dataclasses.replace(offline, episodes=offline.episodes[1:]), files["offline_data"])
    with pytest.raises(DataError, match="the offline data have changed"):
        imitax.resume(part.folder, steps=30)


def test_missing_unwanted_and_unfit_data_are_refused(tmp_path, demos, recorded):
    cfg = toy.shrink(recoil.Config(maximum=ImplicitMaximum()))
    options = {"env": toy.ENV, "demos": demos, "out": tmp_path / "run", **TINY}
    with pytest.raises(ConfigError, match="recoil learns from offline data beside the demonstrations"):
        imitax.train(cfg, **options)
    with pytest.raises(ConfigError, match="bc takes no offline data"):
        imitax.train("bc", **options, offline_data=recorded)
    with pytest.raises(ConfigError, match="regime=offline has no replay"):
        iq_learn.Config(regime="offline")
    blind = dataclasses.replace(
        recorded, episodes=tuple(dataclasses.replace(e, actions=None) for e in recorded.episodes)
    )
    with pytest.raises(DataError, match="no actions"):
        imitax.train(cfg, **options, offline_data=blind)
    assert not (tmp_path / "run").exists()


def test_offline_data_in_memory_are_asked_for_again(tmp_path, demos, recorded, no_figures):
    cfg = toy.shrink(recoil.Config())
    run = imitax.train(
        cfg, env=toy.ENV, demos=demos, offline_data=recorded, out=tmp_path / "run", **TINY | {"steps": 10}
    )
    with pytest.raises(ConfigError, match=r"resume\(folder, offline_data="):
        imitax.resume(run.folder, demos=demos, steps=20)
    imitax.resume(run.folder, demos=demos, offline_data=recorded, steps=20)
