"""Every algorithm on a finite set of actions: finite, deterministic steps, or a refusal with a reason."""

import functools
from dataclasses import replace

import equinox as eqx
import gymnasium as gym
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import toy

import imitax
from imitax.agents.start import Start
from imitax.algorithms import ALGORITHMS, bc
from imitax.config import override
from imitax.errors import ConfigError, DataError
from imitax.learner import OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, PolicyConfig
from imitax.spaces import FiniteActions, Leaf, ObservationSpace, Spec
from imitax.types import Batch, Transition

SPACE = FiniteActions((3, 2), (-1, 0), (2,))
SPEC = Spec(ObservationSpace((Leaf((3,)),)), SPACE)
KINDS = ("discrete", "multi", "binary")
LEARN = (
    *("bc/default", "ibc/default", "sac/default", "iq_learn/default", "iq_learn/paper-v0", "iq_learn/offline"),
    *("ls_iq/sqil", "ls_iq/paper", "adversarial/default", "adversarial/airl", "recoil/default", "recoil/q"),
    *("recoil_online/default", "f_irl/default", "ml_irl/default"),
)
"""Configurations that differ in what they compute with actions."""
REFUSED = {"mbpo", "mopo", "rambo", "omlirl", "rmirl", "rmirl_implicit"}


def transitions(seed, count=16):
    rng = np.random.default_rng(seed)
    obs, following = (jnp.asarray(rng.normal(size=(count, 3)), jnp.float32) for _ in range(2))
    absorbing = np.arange(count) == count - 1
    action = SPACE.encode(rng.integers((-1, 0), (2, 2), (count, 2))) * ~absorbing[:, None]
    reward = jnp.asarray(rng.normal(size=count), jnp.float32)
    ended = jnp.asarray((np.arange(count) % 5 == 0) | absorbing)
    return Transition(obs, jnp.asarray(action, jnp.float32), reward, following, ended, jnp.asarray(absorbing))


def two_steps(name, cfg, seed=0):
    algorithm = ALGORITHMS[name]
    needs = algorithm.needs(cfg)
    state = algorithm.init(cfg, Start(SPEC, Normalizer(jnp.zeros(3), jnp.ones(3)), jr.key(seed)))
    parts = {"expert": needs.expert, "replay": needs.env, "initial": needs.initial, "offline": needs.offline}
    given = {part: transitions(i) if wanted else None for i, (part, wanted) in enumerate(parts.items())}
    if not needs.absorbing:
        given = {k: None if t is None else replace(t, absorbing=jnp.zeros(16, bool)) for k, t in given.items()}
    step, metrics = eqx.filter_jit(algorithm.update), {}
    for i in range(2):
        state, metrics = step(state, Batch(**given), cfg, jr.fold_in(jr.key(seed), i))
    return state, metrics


@pytest.mark.parametrize("case", LEARN)
def test_two_steps(case):
    name, preset = case.split("/")
    cfg = toy.shrink(ALGORITHMS[name].PRESETS[preset])
    state, metrics = two_steps(name, cfg)
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(eqx.filter(state, eqx.is_inexact_array)))
    again, same = two_steps(name, cfg)
    assert eqx.tree_equal(state, again)
    assert eqx.tree_equal(metrics, same)
    policy = ALGORITHMS[name].policy(state)
    obs = jr.normal(jr.key(5), (8, 3))
    for mode in ("mode", "sample"):
        columns = np.asarray(policy.columns(obs, jr.key(6), mode))
        assert not SPACE.outside(columns).any()
        logp = policy.log_prob(obs, jnp.asarray(SPACE.encode(columns)))
        assert (np.asarray(logp) <= 0).all()


def test_every_algorithm_learns_or_is_refused():
    assert {case.split("/")[0] for case in LEARN} | REFUSED == set(ALGORITHMS)
    for name in REFUSED:
        assert ALGORITHMS[name].needs(ALGORITHMS[name].Config()).model is not None


@functools.cache
def demonstrations(kind):
    return toy.stepped(kind)


TINY = {"steps": 20, "chunk": 10, "eval_every": 20, "checkpoint_every": 10, "eval_episodes": 2, "quiet": True}


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_from_demonstrations_to_a_saved_policy(kind, tmp_path):
    demos = demonstrations(kind)
    assert demos.actions.dtype == np.int64
    options = TINY | {"env": toy.STEPS, "env_kwargs": {"kind": kind}, "demos": demos, "out": tmp_path / "run"}
    run = imitax.train(toy.shrink(bc.Config()), **options)
    space = toy.Steps.spaces[kind]
    action = run.policy(np.zeros((3, 2)), sample=0)
    assert (action.shape, action.dtype) == ((3, *space.shape), space.dtype)
    assert space.contains(run.policy(np.zeros(2)))
    loaded = imitax.load_policy(tmp_path / "run")
    np.testing.assert_array_equal(loaded(np.zeros((3, 2)), sample=0), action)
    assert 0 < -loaded.score(demos) < 5
    collected = imitax.datasets.collect(
        run.actor(None, "last", None), run.task.make, episodes=1, seed=0, num_envs=1, name="mine"
    )
    assert collected.actions.dtype == np.int64


@pytest.mark.usefixtures("no_figures")
def test_a_run_with_an_environment_keeps_integers_and_gives_rewards(tmp_path):
    cfg = toy.shrink(ALGORITHMS["adversarial"].Config())
    options = TINY | {"env": toy.STEPS, "env_kwargs": {"kind": "binary"}, "out": tmp_path / "run"}
    run = imitax.train(cfg, demos=demonstrations("binary"), **options)
    replay = run.replay()
    assert set(np.unique(replay.actions)) == {0, 1}
    first = replay.episodes[0]
    rewards = run.reward(first.observations[:-1], first.actions, first.observations[1:])
    one = run.reward(first.observations[0], first.actions[0], first.observations[1])
    np.testing.assert_allclose(rewards[0], one, rtol=1e-5)


class ManySwitches(toy.Counter):
    action_space = gym.spaces.MultiBinary(11)


@pytest.mark.parametrize(
    ("name", "changes", "env", "message"),
    [
        ("omlirl", {}, toy.Steps, "because its learned model takes actions as numbers"),
        ("recoil", {"policy_update.noise": 0.1}, toy.Steps, r"because policy_update\.noise is added to its actions"),
        ("iq_learn", {}, ManySwitches, "goes through all joint actions, and ManySwitches has 2,048, more than 1,024"),
    ],
)
def test_what_makes_no_sense_is_refused_before_training(name, changes, env, message, tmp_path):
    cfg = override(ALGORITHMS[name].Config(), **changes)
    data = demonstrations("discrete")
    offline = {"offline_data": data} if ALGORITHMS[name].needs(cfg).offline else {}
    with pytest.raises(ConfigError, match=message):
        imitax.train(cfg, env=env, demos=data, out=tmp_path / "run", **TINY, **offline)
    assert not (tmp_path / "run").exists()


def test_an_action_outside_of_the_set_is_an_error_with_its_place(tmp_path):
    data = demonstrations("discrete")
    wrong = np.array(data.episodes[1].actions)
    wrong[3] = 7
    data = replace(data, episodes=(data.episodes[0], replace(data.episodes[1], actions=wrong)))
    options = TINY | {"env": toy.STEPS, "demos": data, "out": tmp_path / "run"}
    with pytest.raises(DataError, match=r"1 rows, the first 7 at episode 1 row 3, the set is the integers -1 to 1"):
        imitax.train(toy.shrink(bc.Config()), **options)


@pytest.mark.usefixtures("no_figures")
def test_imitation_reaches_the_expert(tmp_path):
    small = override(
        ALGORITHMS["iq_learn"].Config(),
        gamma=0.9,
        polyak=0.02,
        batch_size=64,
        warmup_steps=100,
        ema=0.98,
        policy=PolicyConfig(hidden=(16, 16)),
        critic=CriticConfig(hidden=(16, 16)),
        critic_optimizer=OptimizerConfig(lr=3e-3),
        policy_optimizer=OptimizerConfig(lr=3e-3),
    )
    length = {"steps": 600, "eval_every": 600, "checkpoint_every": 600, "quiet": True}
    options = {"env": toy.STEPS, "env_kwargs": {"kind": "discrete"}, "demos": demonstrations("discrete")}
    run = imitax.train(small, out=tmp_path / "run", **options, **length)
    assert run.summary["last"]["per_seed"][0]["expert_fraction"] > 0.9
