"""Datasets whose observations are dicts and tuples: the same from every source, and checked leaf by leaf."""

import dataclasses
import json
import warnings

import gymnasium as gym
import numpy as np
import pictured
import pytest
from toy_datasets import assert_same as assert_same_arrays

from imitax.datasets import Dataset, Episode, load, normalization, save_d4rl, save_minari, select, summary, validate
from imitax.datasets.comparison import compare
from imitax.datasets.doctor import examine
from imitax.datasets.leaves import same_rows
from imitax.datasets.minari_spaces import check_observations
from imitax.envs import Task
from imitax.errors import DataError
from imitax.observations import named, rows


@pytest.fixture(scope="module")
def data():
    """Three episodes of a dict with an image and a tuple in a dict, cut without a termination."""
    rng = np.random.default_rng(0)
    episodes = []
    for steps in (4, 6, 5):
        pixels = rng.integers(0, 256, (steps + 1, 5, 6, 1), np.uint8)
        arm = (rng.normal(size=(steps + 1, 2, 2)), rng.integers(1, 4, steps + 1))
        actions, rewards = rng.normal(size=(steps, 1)), rng.normal(size=steps)
        episodes.append(Episode({"eye": pixels, "arm": arm}, actions, rewards, False, True))
    return Dataset(tuple(episodes), name="data")


def flat_arrays(data):
    """The dataset as flat arrays by name."""
    t = data.transitions()
    ends = np.cumsum(data.lengths) - 1
    timeouts = np.zeros(len(t), bool)
    timeouts[ends] = True
    arrays = {"actions": t.action, "rewards": t.reward, "terminals": t.terminated, "timeouts": timeouts}
    return arrays, t, ends


def assert_same(found, expected):
    for a, b in zip(found.episodes, expected.episodes, strict=True):
        assert [name for name, _ in named(a.observations)] == [name for name, _ in named(b.observations)]
        for (_, x), (_, y) in zip(named(a.observations), named(b.observations), strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
    assert found.hash() == expected.hash()


def test_leaves_keep_their_types_and_shapes(data):
    first = data.episodes[0]
    types = {name: (str(x.dtype), x.shape[1:]) for name, x in named(first.observations)}
    assert types == {
        "observation.arm.0": ("float32", (2, 2)),
        "observation.arm.1": ("int32", ()),
        "observation.eye": ("uint8", (5, 6, 1)),
    }
    assert (data.obs_dim, first.vectors.shape) == (35, (5, 5))
    t = data.transitions()
    assert t.next_obs["eye"].shape == (15, 5, 6, 1)
    np.testing.assert_array_equal(t.next_obs["arm"][0][3], first.observations["arm"][0][4])
    assert summary(data)["observations"] == {
        "observation.arm.0": [2, 2],
        "observation.arm.1": [],
        "observation.eye": [5, 6, 1],
    }
    assert "eye [5, 6, 1] bytes" in repr(data)


def test_the_same_from_arrays_episodes_and_files(data, tmp_path, minari_store):
    arrays, t, ends = flat_arrays(data)
    final = rows(t.next_obs, ends)
    by_name = dict([*named(t.obs, "observations", "/"), *named(final, "final_observations", "/")])
    np.savez(tmp_path / "data.npz", **arrays, **by_name)
    save_d4rl(data, tmp_path / "data.hdf5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari asks for an author
        save_minari(data, "pictured-v0")
    steps = [
        {
            "obs": [rows(e.observations, i) for i in range(len(e) + 1)],
            "actions": e.actions,
            "rewards": e.rewards,
            "terminated": False,
        }
        for e in data.episodes
    ]
    sources = [
        arrays | {"observations": t.obs, "final_observations": final},
        arrays | {"observations": t.obs, "next_observations": t.next_obs},
        arrays | by_name,
        tmp_path / "data.npz",
        tmp_path / "data.hdf5",
        "pictured-v0",
        steps,
    ]
    for source in sources:
        assert_same(load(source), data)


def test_the_hash_covers_names_and_types(data):
    first = data.episodes[0]
    seen = {data.hash()}
    for observations in (
        {"ear": first.observations["eye"], "arm": first.observations["arm"]},
        {"eye": first.observations["eye"].astype(np.float32), "arm": first.observations["arm"]},
        {"eye": first.observations["eye"] ^ 1, "arm": first.observations["arm"]},
    ):
        changed = dataclasses.replace(first, observations=observations)
        seen.add(Dataset((changed,)).hash())
    assert len(seen) == 4
    chosen = select(data, episodes=2, validation_episodes=1, seed=0)
    assert chosen.train.episodes[0].observations["eye"].dtype == np.uint8


def test_what_is_wrong_is_said_of_its_leaf(data):
    first = data.episodes[0]
    for observations, message in (
        ({"eye": first.observations["eye"]}, "observation.arm.0 are missing in episode 1"),
        (first.observations | {"eye": np.zeros((5, 5, 6, 1))}, r"observation.eye are float32 of shape \[5, 6, 1\]"),
    ):
        with pytest.raises(DataError, match=message):
            Dataset((first, dataclasses.replace(first, observations=observations)))
    with pytest.raises(DataError, match=r"lengths differ: 5 observation.arm.0, 4 observation.eye"):
        dataclasses.replace(first, observations=first.observations | {"eye": first.observations["eye"][1:]})
    gap = (
        np.where(np.arange(5)[:, None, None] == 2, np.nan, first.observations["arm"][0]),
        first.observations["arm"][1],
    )
    with pytest.raises(DataError, match=r"observation.arm.0 hold NaN or infinity: episode 0 row 2"):
        validate(Dataset((dataclasses.replace(first, observations=first.observations | {"arm": gap}),)))
    with pytest.raises(DataError, match="observations is both an array and a group"):
        load({"observations": np.zeros((3, 2)), "observations/a": np.zeros((3, 2)), "terminals": np.zeros(3)})


SPACES = gym.spaces
ARM = SPACES.Tuple([SPACES.Box(-9, 9, (2, 2)), SPACES.Discrete(3, start=1)])
EYE = SPACES.Box(0, 255, (5, 6, 1), np.uint8)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (SPACES.Dict({"arm": ARM, "eye": EYE}), None),
        (SPACES.Dict({"arm": ARM}), "its observation.eye is not in its space, which has arm; check"),
        (SPACES.Dict({"arm": ARM, "eye": EYE, "ear": EYE}), "its observation.ear is missing"),
        (
            SPACES.Dict({"arm": ARM, "eye": SPACES.Box(0, 255, (1, 5, 6), np.uint8)}),
            r"eye has shape \[5, 6, 1\], the env",
        ),
        (SPACES.Dict({"arm": SPACES.Tuple([ARM[0], SPACES.Discrete(3)]), "eye": EYE}), "arm.1 is 3, which is none of"),
        (SPACES.Dict({"arm": ARM, "eye": SPACES.Box(0, 1, (5, 6, 1))}), "eye holds bytes, the environment's numbers"),
        (SPACES.Box(-1, 1, (5,)), "its observation is a dict"),
    ],
)
def test_data_are_compared_with_the_space(data, space, message):
    if message is None:
        validate(data, observation_space=space)
        return
    with pytest.raises(DataError, match=message):
        validate(data, observation_space=space)


def test_classes_alone():
    """Discrete observations of an environment without vectors."""
    walk = load([{"observations": [3, 1, 2], "actions": [[0.0], [1.0]], "terminated": True}])
    assert walk.episodes[0].observations.tolist() == [3, 1, 2]
    validate(walk, observation_space=SPACES.Discrete(4))
    with pytest.raises(DataError, match="observation is 3, which is none of its classes, 0 to 2"):
        validate(walk, observation_space=SPACES.Discrete(3))


def test_statistics_of_vectors_alone(data):
    mean, std = normalization(data)
    t = data.transitions()
    np.testing.assert_allclose(mean["arm"][0], t.obs["arm"][0].mean(0), rtol=1e-5)
    assert (mean["eye"].tolist(), std["eye"].tolist()) == ([[[0]]], [[[255]]])


def test_the_doctor_looks_at_images_by_themselves(data):
    report = {finding.name: finding for finding in examine(data).findings}
    assert report["observation.eye"].verdict == "good"
    dark = [
        dataclasses.replace(e, observations=e.observations | {"eye": np.zeros_like(e.observations["eye"])})
        for e in data.episodes
    ]
    (found,) = [f for f in examine(Dataset(tuple(dark))).findings if f.name == "observation.eye"]
    assert (found.verdict, found.values["constant"]) == ("problem", 1.0)
    only = [dataclasses.replace(e, observations=e.observations["eye"]) for e in data.episodes]
    frozen = [dataclasses.replace(e, observations=np.repeat(e.observations[:1], len(e) + 1, 0)) for e in only[:1]]
    assert {f.name for f in examine(Dataset(tuple(only))).findings} >= {"observation", "returns", "copies"}
    (found,) = [f for f in examine(Dataset((*frozen, *only[1:]))).findings if f.name == "observation"]
    assert found.values["repeated"] == pytest.approx(1 / 3)


def test_data_are_compared_with_what_the_environment_does():
    task, demos = Task.create(pictured.ENVS["dict"]), pictured.demonstrations("dict", episodes=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(demos, task)
    first = demos.episodes[0]
    pixels = first.observations["pixels"].copy()
    pixels[2, 0, 0] = 99
    other = dataclasses.replace(first, observations=first.observations | {"pixels": pixels})
    with pytest.warns(UserWarning, match=r"actions lead to observation.pixels \[0, 0, 0\] = 0 in step 2, recorded is"):
        compare(dataclasses.replace(demos, episodes=(other,)), task)


def test_minari_spaces_that_are_not_read():
    box = {"type": "Box", "dtype": "uint8", "shape": [4, 4, 3]}
    described = {"type": "Dict", "subspaces": {"eye": box, "word": {"type": "Text"}}}
    with pytest.raises(DataError, match=r"observation.word is a Text space"):
        check_observations({"observation_space": json.dumps(described)})
    del described["subspaces"]["word"]
    assert not check_observations({"observation_space": json.dumps(described)})
    with pytest.raises(DataError, match=r"observation.eye holds JPEG images"):
        check_observations({"observation_space": json.dumps(described), "jpeg_encoding": True})


def test_flat_data_are_what_they_were(tmp_path):
    flat = load([{"observations": np.eye(3), "actions": np.ones((2, 1)), "rewards": np.ones(2), "terminated": True}])
    save_d4rl(flat, tmp_path / "flat.hdf5")
    assert_same_arrays(dataclasses.replace(load(tmp_path / "flat.hdf5"), name="x"), flat)
    assert flat.hash() == "0fd5174105d2d455f3d30f70502fe387c6d88fee39bf07ca3706b9f71ed25c68"


def test_no_rows_are_equal():
    assert same_rows(np.zeros((0, 3)), np.zeros((0, 3))).tolist() == []
    assert same_rows(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [True, False]
