"""Runs whose policies see several observations or predict several actions, from training to a saved policy."""

from dataclasses import replace

import equinox as eqx
import gymnasium as gym
import jax
import jax.random as jr
import numpy as np
import pictured
import pytest
import toy
from interrupted import Interrupted, assert_equal_runs, stop_at

import imitax
from imitax.algorithms import ALGORITHMS
from imitax.config import override
from imitax.datasets import Dataset, Episode, collect
from imitax.envs import with_history
from imitax.errors import ConfigError
from imitax.export.imitax_policy import Policy
from imitax.networks import ChunkActor, predict
from imitax.observations import rows
from imitax.sources.online import read_shard
from imitax.training.task import known_end

pytestmark = pytest.mark.usefixtures("no_figures")

SHORT = {"steps": 20, "chunk": 10, "eval_every": 10, "checkpoint_every": 10, "eval_episodes": 2, "quiet": True}
ECHO = "ImitaxEcho-v0"


class Echo(gym.Env):
    """Shows 1 or -1 at random; the reward is highest for half of what was shown the step before."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.before = self.now = self._draw()
        return self.now, {}

    def step(self, action):
        reward = 1 - abs(float(action[0]) - float(self.before[0]) / 2)
        self.before, self.now = self.now, self._draw()
        return self.now, reward, False, False, {}

    def _draw(self):
        return np.float32(self.np_random.choice([-1, 1])) * np.ones(1, np.float32)


if ECHO not in gym.registry:
    gym.register(ECHO, Echo, max_episode_steps=20)


def echoed(episodes):
    """Demonstrations of `Echo`."""
    shown = [np.random.default_rng(i).choice([-1.0, 1.0], (21, 1)) for i in range(episodes)]
    before = [np.concatenate([x[:1], x[:-2]]) / 2 for x in shown]
    return Dataset(tuple(Episode(x, a, np.ones(20), False, True) for x, a in zip(shown, before, strict=True)))


def echo(folder, history):
    cfg = imitax.preset_config("bc", batch_size=64, **{"policy.hidden": (16,), "optimizer.lr": 1e-2})
    options = SHORT | {"steps": 300, "chunk": 50, "eval_every": 300, "checkpoint_every": 300}
    return imitax.train(cfg, env=ECHO, demos=echoed(10), out=folder, history=history, **options)


@pytest.mark.parametrize("history", [2, pytest.param(1, marks=pytest.mark.long)])
def test_what_needs_memory_is_learned_with_a_history_only(history, tmp_path):
    """One observation alone allows no action better than 0, half of the mean of what was shown: a return of 10."""
    score = echo(tmp_path, history).summary["last"]["return_mean"]
    assert score > 18 if history == 2 else score < 12


@pytest.fixture(scope="module")
def seeing(tmp_path_factory, demos):
    """A cloned policy that sees three observations and the actions between them."""
    out = tmp_path_factory.mktemp("seeing") / "run"
    cfg = toy.shrink(imitax.preset_config("bc"))
    return imitax.train(cfg, env=toy.ENV, demos=demos, out=out, history=3, history_actions=True, **SHORT)


@pytest.fixture(scope="module")
def online(tmp_path_factory, demos):
    """Adversarial imitation with the same."""
    cfg = toy.shrink(imitax.preset_config("adversarial"))
    out = tmp_path_factory.mktemp("online") / "run"
    options = SHORT | {"steps": 40}
    run = imitax.train(cfg, env=toy.ENV, demos=demos, out=out, history=3, history_actions=True, seeds=(0, 1), **options)
    return run, cfg, options


def test_a_run_with_a_history(seeing, demos):
    run = seeing
    again = imitax.Run(run.folder)
    spec = again.load_policy().actor.spec
    assert (spec.obs_dim, spec.single.size, spec.history.length, spec.history.actions) == (10, 2, 3, True)
    assert again.config["observation_space"] == {"kind": "vector", "shape": [2]}
    assert again.evaluate(2, index=0)["per_seed"][0]["return_mean"] == pytest.approx(
        run.summary["last"]["per_seed"][0]["return_mean"]
    )
    assert again.config["data"]["hash"] == demos.hash()
    assert "history 3" in repr(again)
    assert "history_actions" in again.config["training"]


@pytest.mark.long
def test_the_replay_of_a_run_with_a_history(online):
    """Episodes are those of the environment; in the files each observation ends with the actions before it."""
    run, _, _ = online
    replay = run.replay(1)
    assert (replay.obs_dim, replay.transition_count) == (2, 40)
    seen = run.with_history(replay).transitions()
    chunk, _ = read_shard(next(iter(sorted((run.folder / "seed-1" / "replay").glob("*")))))
    np.testing.assert_array_equal(chunk.obs, seen.obs[:10])
    np.testing.assert_array_equal(chunk.next_obs, seen.next_obs[:10])


@pytest.mark.long
def test_a_learned_reward_sees_the_history(online, demos):
    run, _, _ = online
    flat = run.with_history(demos).transitions()
    assert run.reward(flat.obs, flat.action, flat.next_obs).shape == (len(flat),)
    with pytest.raises(ConfigError, match="2 dimensions, the reward takes 10; it sees the last 3 observations and act"):
        run.reward(np.zeros(2), np.zeros(2), np.zeros(2))


def test_the_policy_of_a_run_remembers(seeing, demos):
    """One observation after the other is acted on as the episode is; a reset begins the next one."""
    run = seeing
    run.policy.reset()
    obs, actions = demos.episodes[0].observations[:5], []
    recent = [run.policy(x) for x in obs]
    run.policy.reset()
    np.testing.assert_array_equal(run.policy(obs[0]), recent[0])
    for x in obs[1:]:
        actions.append(run.policy(x))
    np.testing.assert_array_equal(actions, recent[1:])
    seen = run.with_history(Dataset((Episode(obs, np.array(recent[:4]), None, False, True),)))
    expected = run.load_policy().act(seen.episodes[0].observations, jr.key(0), "mode")
    np.testing.assert_allclose(recent, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="acts in 1 environments since its reset, and got observations of 2"):
        run.policy(obs[:2])


def test_environments_of_a_batch_remember_apart(seeing, demos):
    run = seeing
    first, second = (e.observations[:3] for e in demos.episodes[:2])
    policy = imitax.load_policy(run.folder)
    alone = [policy(x) for x in first]
    policy.reset()
    both = [policy(np.stack([a, b])) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose([x[0] for x in both], alone, rtol=1e-5, atol=1e-6)
    policy.reset([0])
    again = policy(np.stack([first[0], second[0]]))
    np.testing.assert_allclose(again[0], alone[0], rtol=1e-5, atol=1e-6)
    assert not np.allclose(again[1], both[0][1], atol=1e-4)


def test_policies_with_a_past_are_collected(seeing, demos):
    """What `collect` records are the actions of a policy that saw each episode from its start."""
    run = seeing
    data = collect(run.actor(0, "last", None), run.task.make, episodes=3, seed=0, num_envs=2)
    policy = imitax.load_policy(run.folder)
    for episode in data.episodes:
        policy.reset()
        actions = [policy(x) for x in episode.observations[:4]]
        np.testing.assert_allclose(actions[: len(episode)], episode.actions[:4], rtol=1e-4, atol=1e-5)
    assert imitax.load_policy(run.folder).score(demos) == pytest.approx(policy.score(demos))


def test_other_histories_are_refused(seeing, demos, tmp_path):
    cfg = toy.shrink(imitax.preset_config("bc"))
    given = SHORT | {"env": toy.ENV, "demos": demos, "out": tmp_path / "run", "init_from": seeing.folder}
    with pytest.raises(ConfigError, match="its policy sees the last 3 observations and actions, this run one observ"):
        imitax.train(cfg, **given)
    with pytest.raises(ConfigError, match="give --history 3 --history-actions"):
        imitax.train(cfg, history=3, **given)
    with pytest.raises(ConfigError, match="history_actions are the actions between observations"):
        imitax.train(cfg, history_actions=True, **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.long
@pytest.mark.parametrize("change", ["online", "chunks"])
def test_an_interrupted_run_with_a_past(change, online, demos, tmp_path):
    run, cfg, options = online
    given = {"env": toy.ENV, "demos": demos, "seeds": (0, 1), "history": 3, "history_actions": True} | options
    whole = run.folder
    if change == "chunks":
        cfg = toy.shrink(imitax.preset_config("bc", action_horizon=3, action_ensemble=True))
        whole = imitax.train(cfg, out=tmp_path / "whole", **given).folder
    with pytest.raises(Interrupted):
        imitax.train(cfg, out=tmp_path / "run", callbacks=[stop_at(30)], **given)
    imitax.resume(tmp_path / "run", demos=demos)
    assert_equal_runs(whole, tmp_path / "run", (0, 1))


@pytest.mark.long
def test_pictures_and_dicts_with_a_history(tmp_path):
    cfg, demos = pictured.tiny(imitax.preset_config("bc")), pictured.demonstrations("dict")
    options = SHORT | {"env": pictured.ENVS["dict"], "history": 2, "random_shift": 1, "history_actions": True}
    run = imitax.train(cfg, demos=demos, out=tmp_path / "run", validation_episodes=1, **options)
    assert run.policy(rows(demos.episodes[0].observations, 0)).shape == (2,)
    assert np.isfinite(run.metrics()[-1]["validation_action_error_mode"])
    encoder = run.load_policy().actor.encoder
    assert encoder.images[0].filters[0].shape[2] == 2  # channels: two frames of one


@pytest.mark.long
def test_without_an_environment(tmp_path, demos):
    """Held-out errors of a policy with a history, when training and when the run is opened again."""
    bare = Dataset(demos.episodes, name="bare")
    options = {k: v for k, v in SHORT.items() if k != "eval_episodes"}
    cfg = toy.shrink(imitax.preset_config("bc"))
    run = imitax.train(cfg, env=None, demos=bare, out=tmp_path / "run", history=3, validation_episodes=2, **options)
    assert run.config["env"]["observations"] == 2
    again = imitax.Run(run.folder).evaluate(demos=bare)
    assert again["error"] == pytest.approx(run.summary["last"]["error"])
    assert again["measured_on"] == "held-out episodes"
    assert imitax.resume(run.folder, demos=bare, steps=30).summary["steps"] == 30


def test_models_take_flat_histories_only(demos, tmp_path):
    """They predict the next history; the end that is known is that of its newest observation."""
    task = imitax.Task.create("Hopper-v5")
    seen, single = known_end(with_history(task, 2, True)), known_end(task)
    obs = np.zeros((2, 11), np.float32)
    obs[:, 0] = 1.25, 0.5  # healthy, fallen
    past = np.concatenate([obs[::-1], obs, np.zeros((2, 3), np.float32)], axis=1)
    assert single(obs).tolist() == seen(past).tolist() == [False, True]
    options = SHORT | {"env": pictured.ENVS["dict"], "history": 2, "out": tmp_path / "run"}
    with pytest.raises(ConfigError, match="rambo learns a model that predicts the next observation"):
        imitax.train("rambo", offline_data=pictured.demonstrations("dict"), **options)


@pytest.fixture(scope="module", params=["box", "finite"])
def cloned(request, tmp_path_factory, demos):
    """A policy that predicts four actions, of which it does two."""
    cfg = toy.shrink(imitax.preset_config("bc", action_horizon=4, action_execute=2))
    env, kwargs = (toy.ENV, {}) if request.param == "box" else (toy.STEPS, {"kind": "discrete"})
    data = demos if request.param == "box" else toy.stepped("discrete")
    out = tmp_path_factory.mktemp("cloned") / "run"
    return imitax.train(cfg, env=env, env_kwargs=kwargs, demos=data, out=out, **SHORT), data, cfg


@pytest.mark.long
def test_a_policy_of_chunks(cloned):
    run, data, _ = cloned
    policy, obs = run.load_policy(), data.episodes[0].observations[:4]
    assert isinstance(policy.actor, ChunkActor)
    planned = np.asarray(predict(policy, obs, jr.key(0), "mode")).reshape(4, 4, -1)
    run.policy.reset()
    actions = np.array([run.policy(x) for x in obs]).reshape(4, -1)
    np.testing.assert_allclose(
        actions, [planned[i, j] for i, j in ((0, 0), (0, 1), (2, 0), (2, 1))], rtol=1e-4, atol=1e-5
    )
    run.policy.reset()
    np.testing.assert_allclose(np.ravel(run.policy(obs[1])), planned[1, 0], rtol=1e-4, atol=1e-5)
    again = imitax.Run(run.folder).evaluate(2, index=0)
    assert again["per_seed"][0]["return_mean"] == run.summary["last"]["per_seed"][0]["return_mean"]
    collected = collect(run.actor(0, "last", None), run.task.make, episodes=1, seed=0)
    run.policy.reset()
    replayed = [np.ravel(run.policy(x)) for x in collected.episodes[0].observations[:3]]
    np.testing.assert_allclose(replayed, collected.episodes[0].actions[:3], rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_what_chunks_do_not_go_with(cloned, demos, tmp_path):
    run, data, cfg = cloned
    finite = run.load_policy().actor.spec.is_finite
    common = SHORT | {
        "out": tmp_path / "run",
        "env": run.config["env"]["id"],
        "env_kwargs": run.config["env"]["kwargs"],
    }
    with pytest.raises(ConfigError, match="its policy predicts 4 actions at once, this run's 1"):
        imitax.train(toy.shrink(imitax.preset_config("sac")), init_from=run.folder, **common)
    warm = imitax.train(cfg, init_from=run.folder, demos=data, **common)
    assert isinstance(warm.load_policy().actor, ChunkActor)
    if finite:
        ensemble = toy.shrink(imitax.preset_config("bc", action_horizon=4, action_ensemble=True))
        with pytest.raises(ConfigError, match="because temporal ensembling averages actions"):
            imitax.train(ensemble, demos=data, **common | {"out": tmp_path / "other"})
    with pytest.raises(ConfigError, match="unknown setting action_horizon"):
        imitax.preset_config("sac", action_horizon=4)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_learns_from_histories_and_resumes(name, demos, tmp_path):
    """With three observations and the actions between them, also where a model is learned."""
    cfg = toy.shrink(ALGORITHMS[name].PRESETS["default"])
    cfg = override(cfg, **{"dynamics.termination": "learned"} if ALGORITHMS[name].needs(cfg).model else {})
    needs = ALGORITHMS[name].needs(cfg)
    given = SHORT | {"env": toy.ENV, "history": 3, "history_actions": True, "steps": 40, "eval_every": 20}
    given |= {"checkpoint_every": 20}
    given |= {"demos": demos} if needs.expert else {}
    given |= {"offline_data": replace(demos, name="other")} if needs.offline else {}
    whole = imitax.train(cfg, out=tmp_path / "whole", **given)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(eqx.filter(whole.load_policy(), eqx.is_array)))
    with pytest.raises(Interrupted):
        imitax.train(cfg, out=tmp_path / "run", callbacks=[stop_at(20)], **given)
    data = {key: given[key] for key in ("demos", "offline_data") if key in given}
    imitax.resume(tmp_path / "run", **data)
    assert_equal_runs(whole.folder, tmp_path / "run")


def test_a_policy_that_remembers_is_exported(seeing, demos, tmp_path, monkeypatch):
    monkeypatch.setattr("imitax.export.OBSERVATIONS", 100)
    done = seeing.export("numpy", tmp_path)
    assert (done.steps > 0, done.difference <= 1e-5) == (True, True)
    policy = Policy(tmp_path / "policy.npz")
    seeing.policy.reset()
    for obs in demos.episodes[0].observations[:4]:
        np.testing.assert_allclose(policy(obs), seeing.policy(obs), rtol=1e-4, atol=1e-5)
