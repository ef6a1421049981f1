"""Objects of other libraries, by duck type."""

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import minari
import numpy as np
import pytest

from imitax.datasets import load, save_minari
from imitax.errors import DataError


@dataclass(frozen=True)
class Trajectory:
    obs: Any
    acts: Any
    infos: Any
    terminal: bool
    rews: Any = None


OBS = np.arange(6.0)[:, None]


def test_trajectories_of_imitation():
    made = [Trajectory(OBS, np.zeros(5), None, True), Trajectory(OBS[:3], np.zeros(2), None, False)]
    data = load(made)
    assert [(len(e), e.terminated) for e in data.episodes] == [(5, True), (2, False)]
    assert load(made[0]).lengths.tolist() == [5]
    cut = Trajectory(OBS, np.zeros((5, 1)), [{}] * 4 + [{"TimeLimit.truncated": True}], True, np.ones(5))
    (episode,) = load([cut]).episodes
    assert (episode.terminated, episode.truncated, episode.ret) == (False, True, 5.0)


def test_named_tuples_and_other_objects():
    Demo = namedtuple("Demo", "observations actions terminated")
    assert load([Demo(OBS, OBS[1:], True)]).lengths.tolist() == [5]
    with pytest.raises(DataError, match="got SimpleNamespace, which has no field observations or obs"):
        load([SimpleNamespace(states=OBS)])


def test_transitions_of_imitation():
    flat = SimpleNamespace(
        obs=OBS[[0, 1, 3, 4]],
        acts=np.zeros((4, 1)),
        next_obs=OBS[[1, 2, 4, 5]],
        dones=np.array([0, 0, 0, 1], bool),
        infos=[{}] * 4,
    )
    assert [(len(e), e.terminated) for e in load(flat).episodes] == [(2, False), (2, True)]
    flat.dones[1], flat.infos[1] = True, {"TimeLimit.truncated": True}
    assert [(len(e), e.terminated) for e in load(flat).episodes] == [(2, False), (2, True)]


def replay(full):
    """Two environments; six places, of which the fourth is the next to be written."""
    shape = (6, 2)
    obs = np.stack([np.arange(6.0), 100 + np.arange(6.0)], axis=1)[..., None]
    dones = np.zeros(shape, np.float32)
    dones[1, 0] = dones[2, 1] = 1
    timeouts = np.zeros(shape, np.float32)
    timeouts[2, 1] = 1
    return SimpleNamespace(
        observations=obs, next_observations=obs + 1, actions=np.zeros((*shape, 1)), rewards=np.ones(shape),
        dones=dones, timeouts=timeouts, pos=4, full=full, n_envs=2, buffer_size=6,
    )  # fmt: skip


def test_a_replay_buffer():
    data = load(replay(full=False))
    assert [(e.observations[0, 0], len(e), e.terminated) for e in data.episodes] == [
        (0.0, 2, True),
        (2.0, 2, False),
        (100.0, 3, False),
        (103.0, 1, False),
    ]
    with pytest.raises(DataError, match="empty"):
        load(replay(full=False).__class__(**(vars(replay(full=False)) | {"pos": 0})))


def test_a_replay_buffer_that_went_round():
    wrapped = replay(full=True)
    wrapped.observations = np.roll(wrapped.observations, 4, axis=0)
    wrapped.next_observations = np.roll(wrapped.next_observations, 4, axis=0)
    wrapped.dones = wrapped.timeouts = np.zeros((6, 2))
    data = load(wrapped)
    assert [e.observations[:, 0].tolist() for e in data.episodes] == [list(range(7)), list(range(100, 107))]


@pytest.mark.parametrize(
    ("low", "high", "stored", "expected"),
    [
        (-2.0, 2.0, 0.5, 1.0),
        (0.0, 10.0, -1.0, 0.0),
        (-1.0, 1.0, 0.5, 0.5),
        (-2.0, 2.0, 1.5, 1.5),  # not scaled: no algorithm of theirs has stored it
        (-np.inf, np.inf, 0.5, 0.5),
    ],
)
def test_actions_of_a_replay_buffer_are_in_the_units_of_the_environment(low, high, stored, expected):
    buffer = replay(full=False)
    buffer.actions = np.full((6, 2, 1), stored, np.float32)
    buffer.action_space = gym.spaces.Box(low, high, (1,), np.float32)
    data = load(buffer)
    np.testing.assert_array_equal(data.actions, expected)
    assert (data.action_low, data.action_high) == ((low,), (high,))
    assert ("actions_rescaled" in data.attributes) == (stored != expected)


def test_actions_of_each_dimension_have_their_own_units():
    buffer = replay(full=False)
    buffer.actions = np.full((6, 2, 2), 0.5, np.float32)
    buffer.action_space = gym.spaces.Box(np.float32([-2, 0]), np.float32([2, 10]))
    np.testing.assert_array_equal(load(buffer).actions[0], [1, 7.5])


def rollout(actions, space):
    """One environment whose episode began at the first of five steps."""
    return SimpleNamespace(
        observations=OBS[:5, None], actions=actions[:, None], rewards=np.ones((5, 1)), episode_starts=np.eye(5)[:, :1],
        generator_ready=False, pos=5, full=True, n_envs=1, buffer_size=5, action_space=space,
    )  # fmt: skip


def test_actions_of_a_rollout_buffer_are_those_that_the_environment_got():
    box = gym.spaces.Box(-2, 2, (1,), np.float32)
    data = load(rollout(np.float32([[0.5], [1], [3], [-5], [2]]), box))
    assert data.actions.ravel().tolist() == [0.5, 1, 2, -2]
    assert data.attributes["actions_clipped"].startswith("2 rows")
    assert load(rollout(np.float32([[0.5]] * 5), box)).attributes == {}
    data = load(rollout(np.float32([[0], [1], [1], [0], [1]]), gym.spaces.Discrete(2)))
    assert (data.actions.dtype.kind, data.actions.ravel().tolist()) == ("i", [0, 1, 1, 0])
    assert data.action_low is None


def test_a_rollout_buffer():
    obs = np.stack([np.arange(5.0), 100 + np.arange(5.0)], axis=1)[..., None]
    starts = np.zeros((5, 2), np.float32)
    starts[[0, 0, 3], [0, 1, 1]] = 1
    rolled = SimpleNamespace(
        observations=obs, actions=np.zeros((5, 2, 1)), rewards=np.ones((5, 2)), episode_starts=starts,
        generator_ready=False, pos=5, full=True, n_envs=2, buffer_size=5,
    )  # fmt: skip
    data = load(rolled)
    assert [e.observations[:, 0].tolist() for e in data.episodes] == [[0, 1, 2, 3, 4], [100, 101, 102], [103, 104]]
    assert all(e.truncated for e in data.episodes)
    rolled.generator_ready = True
    with pytest.raises(DataError, match=r"before get\(\) is called"):
        load(rolled)


def test_objects_of_minari(dataset, minari_store):
    save_minari(dataset, "plain-v0")
    stored = minari.load_dataset("plain-v0")
    for source in (stored, list(stored.iterate_episodes()), stored[0]):
        episodes = load(source).episodes
        np.testing.assert_array_equal(episodes[0].observations, dataset.episodes[0].observations)
    assert load(stored).hash() == dataset.hash()
