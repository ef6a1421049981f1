"""Every algorithm learns from tuples, or says why not; algorithms/test_spaces_contract.py has dicts with images."""

import dataclasses
from functools import cache

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pictured
import pytest
from two_updates import batch_of, check_two_updates, same

import imitax
from imitax.agents.start import Start
from imitax.algorithms import ALGORITHMS
from imitax.config import Training
from imitax.datasets import normalization
from imitax.envs import Task
from imitax.errors import ConfigError
from imitax.networks import Normalizer
from imitax.observations import rows
from imitax.training.observed import check_observations, encoders
from imitax.types import Batch

QUICK = {"bc", "sac"}
"""Algorithms that learn from tuples in every run of the tests; the others do in `make test-long`."""


def cells():
    """Every algorithm on tuples."""
    for name, algorithm in sorted(ALGORITHMS.items()):
        refused = algorithm.needs(algorithm.PRESETS["default"]).model is not None
        long = name not in QUICK and not refused
        yield pytest.param(name, "tuple", marks=[pytest.mark.long] if long else [])


@cache
def recorded(kind):
    """The task and its demonstrations."""
    return Task.create(pictured.ENVS[kind]), pictured.demonstrations(kind)


@pytest.mark.parametrize(("name", "kind"), list(cells()))
def test_two_updates_or_a_reason(name, kind, tmp_path):
    algorithm, (task, demos) = ALGORITHMS[name], recorded(kind)
    cfg = pictured.tiny(algorithm.PRESETS["default"])
    needs, space = algorithm.needs(cfg), task.spec.observation
    if needs.model is not None:
        with pytest.raises(ConfigError, match=f"{name} learns a model that predicts the next observation"):
            check_observations(name, needs, cfg, Training(), space)
        return
    check_observations(name, needs, cfg, Training(), space)
    check_two_updates(name, cfg, task, demos, tmp_path)


def test_every_network_has_its_encoder():
    cfg = imitax.preset_config("adversarial")
    assert [path for path, _ in encoders(cfg)] == [
        "agent.policy.encoder",
        "agent.critic.encoder",
        "discriminator.reward.encoder",
    ]
    assert not list(encoders(Training()))


def test_a_run_on_pictures(tmp_path, no_figures):
    """Trained, evaluated, saved, and used again, with the images as bytes in memory and in the replay's files."""
    cfg = pictured.tiny(imitax.preset_config("adversarial"))
    demos = recorded("dict")[1]
    options = {"steps": 20, "chunk": 10, "eval_every": 20, "checkpoint_every": 20, "eval_episodes": 2, "quiet": True}
    run = imitax.train(cfg, env=pictured.ENVS["dict"], demos=demos, out=tmp_path, random_shift=2, **options)
    obs = demos.episodes[0].observations
    one = rows(obs, 0)
    action = run.policy(one)
    np.testing.assert_allclose(action, run.policy(obs)[0], rtol=1e-4, atol=1e-6)
    with pytest.raises(ConfigError, match=r"observation\.pixels is missing"):
        run.policy({"state": one["state"]})
    replayed = run.replay()
    pixels = replayed.episodes[0].observations["pixels"]
    assert (pixels.dtype, replayed.transition_count) == (np.uint8, 20)
    np.testing.assert_array_equal(pixels[0], pictured.picture(replayed.episodes[0].observations["state"]["place"][0]))
    values = run.reward(rows(obs, np.s_[:-1]), demos.episodes[0].actions, rows(obs, np.s_[1:]))
    assert np.isfinite(values).all()
    assert run.config["observation_space"]["dict"]["pixels"] == {"kind": "image", "shape": [12, 12, 1]}
    assert run.evaluate(1)["episodes"] == 1


def test_the_critics_encoder_serves_the_policy():
    """The policy's loss leaves the encoder alone; after an update it is the critic's."""
    task, demos = recorded("dict")
    sac = ALGORITHMS["sac"]
    cfg = pictured.tiny(sac.PRESETS["default"])
    agent = dataclasses.replace(cfg.agent, policy=dataclasses.replace(cfg.agent.policy, share_encoder=True))
    cfg = dataclasses.replace(cfg, agent=agent)
    state = sac.init(cfg, Start(task.spec, Normalizer.of(task.spec.observation, normalization(demos)), jr.key(0)))
    assert same(state.agent.actor.net.encoder, state.agent.critic.net.encoder)
    batch = Batch(replay=batch_of(demos, cfg.batch_size).replay)
    new, _ = eqx.filter_jit(sac.update)(state, batch, cfg, jr.key(0))
    assert same(new.agent.actor.net.encoder, new.agent.critic.net.encoder)
    assert not same(new.agent.critic.net.encoder, state.agent.critic.net.encoder)
    moments = jax.tree.leaves(eqx.filter(new.agent.actor.opt_state, lambda x: eqx.is_inexact_array(x)))
    assert any((x != 0).any() for x in moments)
    with pytest.raises(ConfigError, match=r"give policy\.encoder the same settings"):
        imitax.preset_config("sac", **{"policy.share_encoder": True, "policy.encoder.features": 7})
    with pytest.raises(ConfigError, match="for methods with a critic"):
        imitax.preset_config("bc", **{"policy.share_encoder": True})
