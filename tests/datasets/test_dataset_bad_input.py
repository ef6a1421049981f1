from dataclasses import replace

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from imitax.datasets import Dataset, Episode, load, save_minari, select, validate
from imitax.errors import DataError

N = 6
OBS = np.arange(1.0, N + 1)[:, None] * [1.0, 2.0]
NO = np.zeros(N, bool)
FLAT = {"observations": OBS, "actions": OBS[:, :1], "rewards": np.ones(N), "terminals": NO, "timeouts": NO}
NEXT = np.concatenate([OBS[1:], [[9.0, 9.0]]])


def but(**changes):
    return {key: value for key, value in (FLAT | changes).items() if value is not None}


def jump_at(row):
    changed = NEXT.copy()
    changed[row, 0] += 0.5
    return changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no observations among no fields"),
        (but(observations=None), "no observations among actions"),
        (but(terminals=None), "no terminals"),
        (but(terminals=None, dones=NO), "dones.*split them into terminals and timeouts"),
        (but(timeouts=None), "it cannot be known where a time limit cut"),
        (but(actions=np.ones((5, 1))), "lengths differ: 6 observations, 5 actions"),
        (but(terminals=False), "lengths differ: 6 observations, 1 terminals"),
        (but(timeouts=np.zeros((N, 2))), r"timeouts must have shape \[time\]"),
        (but(observations=np.ones(N)), r"observations must be numbers of shape \[time, size\]"),
        (but(observations=[["a", "b"]] * N), "observations must be numbers"),
        (but(observations={"observation": OBS, "desired_goal": OBS}), "observations is a dict; concatenate"),
        (but(observations=3.0), "observations must be an array"),
        (but(observations=[[1.0], [1.0, 2.0]]), "observations are not an array"),
        (but(actions=np.ones(N)), r"rows 0 to 5\): actions must have shape \[time, size\]"),
        (but(actions=np.array([["x"]] * N)), "actions are not an array of numbers"),
        (but(rewards=np.ones((N, 2))), r"rewards must have shape \[time\]"),
        (but(obs=OBS), "observations and obs are the same field"),
        ({key: value[:0] for key, value in FLAT.items()}, "the arrays are empty"),
        ({key: value[:1] for key, value in FLAT.items()}, "no transition has a known next observation"),
        (but(next_observations=NEXT[:, :1]), "next_observations have shape"),
        (but(next_observations=jump_at(3)), r"row 3: next_observations\[3\] is not observations\[4\].*corrupt"),
        (but(final_observations=OBS[:2]), r"final_observations must have shape \(1, 2\)"),
    ],
)
def test_bad_arrays(arrays, message):
    with pytest.raises(DataError, match=message):
        load(arrays)


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ([], "the dataset is empty: it has no episodes"),
        ([3], "episode 0: expected an Episode or a dict of arrays, got int"),
        ([{"observations": OBS, "actions": OBS[:5]}], "episode 0: no terminals"),
        ([{"observations": OBS, "actions": OBS[:3], "terminated": True}], "6 observations need 5 actions, got 3"),
        ([{"observations": OBS, "rewards": np.ones(4), "terminated": True}], "6 observations need 5 rewards, got 4"),
        ([{"observations": OBS[:1], "terminated": True}], "the episode is empty"),
        ([{"observations": OBS, "terminated": [0, 0, 1, 0, 0]}], "terminals is set at row 2, before the last row 4"),
        ([{"observations": OBS, "terminated": True, "truncated": [0, 1]}], "lengths differ: 5 steps, 2 timeouts"),
        ([{"observations": OBS, "terminated": True}, {"observations": NEXT[:, :1], "terminated": True}], "size 1 in"),
        (
            [{"observations": OBS, "terminated": True}, {"observations": OBS, "actions": OBS[1:], "terminated": True}],
            "actions are of size 2 in episode 1 and missing in episode 0",
        ),
    ],
)
def test_bad_episodes(episodes, message):
    with pytest.raises(DataError, match=message):
        load(episodes)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.hdf5", "nowhere.hdf5: there is no such file"),
        ("mujoco/hopper/expert-v0", "minari download mujoco/hopper/expert-v0"),
        ("imitax/no-such", "nor a bundled dataset"),
        ("folder", "not a Minari dataset"),
        ("text.hdf5", "not an HDF5 file"),
        ("cut.hdf5", "damaged|not an HDF5 file"),
        ("kwargs.hdf5", "env_kwargs must be a JSON object"),
        ("groups.hdf5", "no observations"),
        ("bounds.hdf5", "action_low and action_high must be vectors"),
    ],
)
def test_bad_names(source, message, tmp_path, monkeypatch, minari_store):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.hdf5").write_text("observations")
    for name, env_kwargs in (("kwargs", "[1]"), ("cut", "{}")):
        with h5py.File(f"{name}.hdf5", "w") as file:
            file.update(FLAT)
            file.attrs["env_kwargs"] = env_kwargs
    with h5py.File("bounds.hdf5", "w") as file:
        file.update(FLAT)
        file.attrs["action_low"] = -1.0
    whole = (tmp_path / "cut.hdf5").read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(whole[: len(whole) // 2])
    with h5py.File("groups.hdf5", "w") as file:
        file.create_group("observations")
    with pytest.raises(DataError, match=message):
        load(source)


@pytest.mark.filterwarnings("ignore")  # Minari asks for an author
@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"observation_space": gym.spaces.Dict({"observation": gym.spaces.Box(0, 1, (2,))})}, "join observation and"),
        ({"action_space": gym.spaces.Discrete(3)}, "the action space is Discrete"),
    ],
)
def test_minari_with_other_spaces(spaces, message, minari_store):
    box = gym.spaces.Box(0, 1, (2,))
    buffer = EpisodeBuffer(
        observations={"observation": OBS} if "observation_space" in spaces else OBS,
        actions=[0, 1, 2, 0, 1] if "action_space" in spaces else OBS[1:],
        rewards=[0.0] * 5,
        terminations=[False] * 5,
        truncations=[False] * 5,
    )
    minari.create_dataset_from_buffers("odd-v0", [buffer], **({"observation_space": box, "action_space": box} | spaces))
    with pytest.raises(DataError, match=message):
        load("odd-v0")


def test_damaged_minari(dataset, minari_store):
    folder = save_minari(dataset, "plain-v0")
    whole = (folder / "data" / "main_data.hdf5").read_bytes()
    (folder / "data" / "main_data.hdf5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="plain-v0: the dataset is damaged"):
        load("plain-v0")
    (folder / "data" / "metadata.json").write_text("{}")
    with pytest.raises(DataError, match="Minari cannot read this dataset"):
        load("plain-v0")


def test_minari_refuses(dataset, minari_store):
    save_minari(dataset, "plain-v0")
    with pytest.raises(DataError, match="exists already"):
        save_minari(dataset, "plain-v0")
    for name in ("plain", "p l a i n-v0"):
        with pytest.raises(DataError, match="not a Minari id"):
            save_minari(dataset, name)
    states = Dataset(tuple(replace(episode, actions=None) for episode in dataset.episodes))
    with pytest.raises(DataError, match="requires actions and rewards"):
        save_minari(states, "states-v0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"episodes": 5, "seed": 0}, "5 episodes are wanted, but demo has too few: 4"),
        ({"episodes": 0, "seed": 0}, "episodes must be at least 1, got 0"),
        ({"episodes": 3, "seed": -1}, "seed must be at least 0"),
        ({"episodes": 3, "validation_episodes": 3, "seed": 0}, "below the 3 episodes drawn"),
        ({"episodes": 3, "validation_episodes": -1, "seed": 0}, "validation_episodes must be at least 0"),
    ],
)
def test_bad_selection(dataset, arguments, message):
    with pytest.raises(DataError, match=message):
        select(replace(dataset, name="demo"), **arguments)


def test_other_bad_arguments(dataset):
    with pytest.raises(DataError, match="subsample must be at least 1"):
        dataset.transitions(0)
    with pytest.raises(DataError, match="numbers, text, lists and dicts only"):
        replace(dataset, env_kwargs={"a": object()}).hash()
    with pytest.raises(DataError, match="bounds have 3 dimensions, the actions 2"):
        replace(dataset, action_low=(0.0, 0.0, 0.0))
    with pytest.raises(DataError, match="no rewards"):
        _ = load([{"observations": OBS, "terminated": True}]).returns


def spoiled(dataset, key, value, *, episode=1, row=2):
    array = getattr(dataset.episodes[episode], key).copy()
    array[row] = value
    episodes = list(dataset.episodes)
    episodes[episode] = replace(episodes[episode], **{key: array})
    return replace(dataset, episodes=tuple(episodes))


BOX = gym.spaces.Box(-1, 1, (4,))
ACTIONS = gym.spaces.Box(-1, 1, (2,))


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (lambda d: spoiled(d, "observations", np.nan), {}, "observations hold NaN or infinity: episode 1 row 2;"),
        (lambda d: spoiled(d, "actions", -np.inf), {}, "actions hold NaN or infinity: episode 1 row 2;"),
        (lambda d: spoiled(d, "rewards", np.inf), {}, "rewards hold NaN or infinity: episode 1 row 2;"),
        (lambda d: spoiled(d, "observations", np.nan, row=slice(3, 5)), {}, r"episode 1 row 3 \(2 rows\)"),
        (
            lambda d: spoiled(d, "actions", [0, 2.5]),
            {},
            r"in dimension 1: 1 rows, the worst 2.5 at episode 1 row 2, bounds \[-1, 1\]; rescale",
        ),
        (lambda d: d, {"action_space": gym.spaces.Box(-0.5, 0.5, (2,))}, r"bounds \[-0.5, 0.5\]"),
        (lambda d: spoiled(d, "observations", 0, row=-1), {}, "final next observations are all zero: episode 1 row 7"),
        (lambda d: d, {"observation_space": gym.spaces.Box(-1, 1, (5,))}, "4 dimensions, the environment's 5"),
        (lambda d: d, {"action_space": gym.spaces.Box(-1, 1, (3,))}, "actions have 2 dimensions, the environment's 3"),
        (lambda d: d, {"action_space": gym.spaces.Discrete(2)}, "the action space is Discrete"),
        (lambda d: d, {"observation_space": gym.spaces.Box(0, 1, (4, 4))}, "flatten it"),
        (lambda d: d, {"env_id": "Walker2d-v5"}, "recorded in Hopper-v5, not in Walker2d-v5"),
        (lambda d: d, {"env_id": "Hopper-v5", "env_kwargs": {}}, "the environment has {}"),
        (
            lambda d: Dataset(tuple(Episode(e.observations, None, None, True, False) for e in d.episodes)),
            {"need_actions": True},
            "has no actions",
        ),
        (
            lambda d: Dataset(tuple(Episode(e.observations, None, None, True, False) for e in d.episodes)),
            {"need_rewards": True},
            "has no rewards",
        ),
    ],
)
def test_validation(dataset, spoil, arguments, message):
    good = {"observation_space": BOX, "action_space": ACTIONS, "env_id": "Hopper-v5", "env_kwargs": dataset.env_kwargs}
    validate(dataset, **good, need_actions=True, need_rewards=True)
    with pytest.raises(DataError, match=message):
        validate(spoil(dataset), **arguments)


def test_what_float32_cannot_hold_is_infinite():
    with pytest.raises(DataError, match="rewards hold NaN or infinity: episode 0 row 5"):
        validate(load(but(next_observations=NEXT, rewards=[*np.ones(5), 1e300])))


def test_validation_lists_every_problem(dataset):
    broken = spoiled(spoiled(dataset, "actions", 3.0), "observations", np.nan, episode=3, row=0)
    with pytest.raises(DataError) as raised:
        validate(broken, env_id="Ant-v5")
    assert str(raised.value).count("\n- ") == 4  # the environment, NaN, and two dimensions of the actions


def test_validation_names_a_few_places(dataset):
    many = replace(dataset, episodes=dataset.episodes[1:2] * 9)
    zeroed = replace(many, episodes=tuple(spoiled(many, "observations", 0, row=-1).episodes[1:2] * 9))
    with pytest.raises(DataError, match="episode 4 row 7 and 4 more;"):
        validate(zeroed)
