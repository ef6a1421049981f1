"""What the online source does with its environments: seeds, numbers of steps, and the order of the replay."""

import gymnasium as gym
import jax
import numpy as np
import pytest
import toy

import imitax
from imitax import seeding
from imitax.algorithms import algorithm_of, bc, mbpo, sac
from imitax.buffers import Buffer
from imitax.config import override
from imitax.envs import Task
from imitax.errors import ConfigError
from imitax.files import load_arrays
from imitax.seeding import Purpose
from imitax.sources import OnlineSource
from imitax.sources.online import read_replay
from imitax.vector_envs import make_vector_env

SEEDS = (0, 4)


def first_seed(seed, step):
    return seeding.environment_seed(Purpose.TRAINING, seed, step)


def source(env, num_envs, warmup=0, capacity=100, reward=None):
    task = Task.create(env)
    envs = make_vector_env(task, len(SEEDS) * num_envs)
    empty = Buffer.empty(capacity, task.spec)
    return OnlineSource(envs, task.spec, SEEDS, empty, warmup, reward)


def stored(online, count):
    """Each seed's first `count` transitions of the ring."""
    return [jax.tree.map(lambda x, i=i: np.asarray(x)[i, :count], online.buffer.data) for i in range(len(SEEDS))]


def numbered(obs, step):
    """Actions that say at which step of which environment they were taken."""
    seeds, num_envs = obs.shape[:2]
    steps = np.broadcast_to(step + np.arange(num_envs), (seeds, num_envs))
    return (steps[..., None] / 100).astype(np.float32)


@pytest.mark.parametrize("num_envs", [1, 3])
def test_every_episode_starts_from_the_seed_of_its_first_step(num_envs, monkeypatch, tmp_path):
    """Counter ends after five steps, so an environment's episode starts five vector steps after the one before."""
    seen = []
    reset = toy.Counter.reset
    monkeypatch.setattr(toy.Counter, "reset", lambda self, **kw: seen.append(kw["seed"]) or reset(self, **kw))
    online = source(toy.Counter, num_envs)
    online.advance(numbered, 0, 6 * num_envs)
    online.save([tmp_path / "a", tmp_path / "b"], 6 * num_envs)
    starts = [vector_step * num_envs + env for vector_step in (0, 5, 6) for env in range(num_envs)]
    assert sorted(seen) == sorted(first_seed(seed, step) for seed in SEEDS for step in starts)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("num_envs", [1, 3])
def test_the_replay_has_one_row_for_each_step_in_the_order_of_their_numbers(num_envs):
    online = source(toy.Counter, num_envs)
    online.advance(numbered, 0, 4 * num_envs)
    online.advance(numbered, 4 * num_envs, 2 * num_envs)
    count = 6 * num_envs
    assert online.buffer.size.tolist() == [count, count]
    times = np.repeat([0, 1, 2, 3, 4, 0], num_envs)  # of each row's observation
    for t in stored(online, count):
        np.testing.assert_array_equal(t.obs[:, 0], times)
        np.testing.assert_array_equal(t.next_obs[:, 0], times + 1)
        np.testing.assert_array_equal(t.reward, times + 1)
        np.testing.assert_array_equal(t.terminated, times == 4)
        np.testing.assert_allclose(t.action[:, 0], np.arange(count) / 100, rtol=1e-6)
    assert online.finished == [[(15.0, True)] * num_envs] * 2
    metrics = online.episode_metrics()
    assert {name: x.tolist() for name, x in metrics.items()} == {
        "episode_return": [15.0, 15.0],
        "episode_terminated": [1.0, 1.0],
    }


@pytest.mark.parametrize("num_envs", [1, 4])
def test_warmup_actions_are_one_stream_whatever_the_number_of_environments(num_envs):
    online = source(toy.ENV, num_envs, warmup=8)
    online.advance(lambda obs, step: np.full((*obs.shape[:2], 2), 0.25, np.float32), 0, 12)
    for seed, t in zip(SEEDS, stored(online, 12), strict=True):
        noise = seeding.generator(seed, Purpose.WARMUP, 0).random((12, 2), np.float32)
        expected = np.where(np.arange(12)[:, None] < 8, toy.LOW + (toy.HIGH - toy.LOW) * noise, 0.25)
        np.testing.assert_array_equal(t.action, expected)


@pytest.mark.parametrize(("env", "num_envs"), [(toy.ENV, 1), (toy.ENV, 3), ("Hopper-v5", 2)])
def test_the_episodes_of_a_replay_can_be_played_again(env, num_envs, tmp_path):
    """From its start's seed, every episode's actions lead through its observations to its end."""
    count, folders = 40 * num_envs, [tmp_path / "a", tmp_path / "b"]
    online = source(env, num_envs, warmup=10**6)
    for step in (0, count):
        online.advance(numbered, step, count)
        online.save(folders, step + count)
    with gym.make(env) as again:
        for seed, folder in zip(SEEDS, folders, strict=True):
            first_obs = [np.float32(again.reset(seed=first_seed(seed, n))[0]).tobytes() for n in range(2 * count)]
            episodes = read_replay(folder, Task.create(env).spec)
            starts = [first_obs.index(episode.observations[0].tobytes()) for episode in episodes]
            assert starts == sorted(starts)
            # An environment's next episode starts where the last one ended, so that none is missing.
            stops = [start + len(episode) * num_envs for start, episode in zip(starts, episodes, strict=True)]
            assert sorted([*starts, *range(2 * count, 2 * count + num_envs)]) == sorted([*range(num_envs), *stops])
            for start, episode in zip(starts, episodes, strict=True):
                play_again(again, first_seed(seed, start), episode)
            assert len({episode.terminated for episode in episodes}) == 2


def play_again(env, seed, episode):
    obs, terminated = env.reset(seed=seed)[0], False
    for t, action in enumerate(episode.actions):
        assert not terminated
        np.testing.assert_array_equal(episode.observations[t], np.float32(obs))
        obs, reward, terminated, _, _ = env.step(action)
        assert episode.rewards[t] == np.float32(reward)
    np.testing.assert_array_equal(episode.observations[-1], np.float32(obs))
    assert (episode.terminated, episode.truncated) == (terminated, not terminated)


def test_shards_of_one_environment_say_nothing_of_their_number(tmp_path):
    for num_envs, about in ((1, {}), (2, {"num_envs": "2"})):
        online = source(toy.Counter, num_envs)
        online.advance(numbered, 0, 4)
        folders = [tmp_path / f"{num_envs}-{seed}" for seed in SEEDS]
        (name,) = online.save(folders, 4)
        arrays, metadata = load_arrays(folders[0] / name)
        assert metadata == about
        assert arrays["ends"].tolist() == [i >= 4 - num_envs for i in range(4)]


def test_a_restored_replay_is_the_same(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    first, second = (source(toy.ENV, 2, warmup=8, capacity=10, reward=lambda t: t.reward + 1) for _ in range(2))
    for step in (0, 12):  # more than the ring holds
        first.advance(numbered_pairs, step, 12)
        first.save(folders, step + 12)
    second.restore(folders, first.shards, 24)
    for one, other in zip(stored(first, 10), stored(second, 10), strict=True):
        for name in one._fields[:5]:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(first.envs.obs, second.envs.obs)
    rewards = np.concatenate([load_arrays(folders[0] / name)[0]["reward"] for name in first.shards])
    np.testing.assert_array_equal(np.roll(rewards[-10:] + 1, 24 % 10), stored(first, 10)[0].reward)


@pytest.mark.parametrize("num_envs", [1, 2])
def test_the_latest_steps_are_kept_apart(num_envs, tmp_path):
    """Of a replay that is longer or shorter, after chunks that are longer or shorter, and after a resume."""
    folders, kept = [tmp_path / "a", tmp_path / "b"], []
    for capacity in (100, 4):
        online = source(toy.Counter, num_envs, capacity=capacity)
        assert online.recent is None
        online.keep_recent(6)
        for step, count in ((0, 4), (4, 4), (8, 14)):
            online.advance(numbered, step, count)
            assert online.recent is not None
            latest = np.sort(np.asarray(online.recent.data.action)[:, : min(step + count, 6), 0])
            np.testing.assert_allclose(latest, [np.arange(step + count)[-6:] / 100] * 2, rtol=1e-6)
        online.save(folders, 22)
        kept.append(online.recent)
    again = source(toy.Counter, num_envs)
    again.keep_recent(6)
    again.restore(folders, online.shards, 22)
    for other in (kept[0], again.recent):
        assert jax.tree.all(jax.tree.map(lambda x, y: (x == y).all(), kept[1], other))


def numbered_pairs(obs, step):
    return np.repeat(numbered(obs, step), 2, axis=-1)


SAC = toy.shrink(sac.Config())
REFUSED = [
    (SAC, {"num_envs": 3, "steps": 60, "chunk": 4}, r"chunk must be a multiple of num_envs \(3\), got 4: .*--chunk"),
    (SAC, {"num_envs": 4, "steps": 62, "chunk": 4}, r"steps must be a multiple of num_envs \(4\), got 62"),
    (SAC, {"num_envs": 4, "steps": 60, "chunk": 4}, r"warmup_steps must be a multiple of num_envs \(4\), got 10"),
    (SAC, {"num_envs": 0}, "num_envs must be at least 1, got 0"),
    (SAC, {"env_workers": -1}, "env_workers must not be negative, got -1"),
    (
        toy.shrink(override(mbpo.Config(), **{"dynamics.termination": "learned"}), warmup_steps=8),
        {"num_envs": 4, "steps": 60, "chunk": 4},
        r"model_rollouts.every must be a multiple of num_envs \(4\), got 6",
    ),
    (toy.shrink(bc.Config()), {"num_envs": 2, "steps": 60, "chunk": 4}, "num_envs is for online methods"),
]


@pytest.mark.parametrize(("cfg", "options", "message"), REFUSED)
def test_numbers_that_do_not_fit_are_refused(cfg, options, message, tmp_path, demos):
    options = {"eval_every": 60, "checkpoint_every": 60, "env": toy.ENV, "quiet": True} | options
    with pytest.raises(ConfigError, match=message):
        imitax.train(cfg, out=tmp_path / "run", demos=demos if algorithm_of(cfg).needs(cfg).expert else None, **options)
    assert not (tmp_path / "run" / "checkpoints").exists()
