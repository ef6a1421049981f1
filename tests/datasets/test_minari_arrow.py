"""Minari's Arrow and Parquet storage, written by Minari itself, and folders made to do harm."""

import json
import os
import warnings

import gymnasium as gym
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer
from toy_datasets import OBS as WIDE

from imitax.datasets import load
from imitax.errors import DataError

arrow = pytest.importorskip("pyarrow")
OBS = WIDE.astype(np.float32)
BOX = gym.spaces.Box(0, 100, (2,))


def made(data_format, spaces=BOX, observations=None):
    """Two episodes of five and three steps in the local store; its folder."""
    actions = OBS[1:]
    buffers = [
        EpisodeBuffer(
            observations=(OBS if observations is None else observations)[: n + 1] if spaces is BOX else observations,
            actions=actions[:n],
            rewards=list(np.arange(float(n))),
            terminations=[False] * (n - 1) + [n == 5],
            truncations=[False] * (n - 1) + [n == 3],
            infos={"note": ["text"] * (n + 1)},
        )
        for n in ((5, 3) if spaces is BOX else (5,))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari asks for an author
        stored = minari.create_dataset_from_buffers(
            "plain-v0", buffers, data_format=data_format, observation_space=spaces, action_space=BOX
        )
    return stored.storage.data_path


@pytest.mark.parametrize("data_format", ["arrow", "parquet", "hdf5"])
def test_each_storage_reads_alike(data_format, minari_store):
    folder = made(data_format)
    for source in ("plain-v0", folder, folder.parent, minari.load_dataset("plain-v0")):
        data = load(source)
        assert [(len(e), e.terminated, e.truncated) for e in data.episodes] == [(5, True, False), (3, False, True)]
        assert data.episodes[1].observations.tolist() == OBS[:4].tolist()
        assert data.episodes[1].actions.tolist() == OBS[1:4].tolist()
        assert data.episodes[0].rewards.tolist() == [0, 1, 2, 3, 4]
    assert load(next(iter(minari.load_dataset("plain-v0")))).lengths.tolist() == [5]


def test_a_dict_of_observations(minari_store):
    parts = {"pos": OBS, "goal": OBS[:, :1]}
    space = gym.spaces.Dict({name: gym.spaces.Box(0, 100, array.shape[1:]) for name, array in parts.items()})
    folder = made("arrow", space, parts)
    assert load(folder, columns={"observations": ["goal", "pos"]}).episodes[0].observations[2].tolist() == [3, 3, 6]
    with pytest.raises(DataError, match="no column 'speed' for the observations among pos, goal"):
        load(folder, columns={"observations": ["goal", "speed"]})


def rewritten(folder, options=None, **columns):
    """The first episode with other columns."""
    path = folder / "0/part-0.arrow"
    stored = arrow.ipc.open_file(path).read_all()
    table = {name: stored.column(name) for name in stored.column_names} | columns
    table = arrow.table({name: value for name, value in table.items() if value is not None})
    with arrow.ipc.new_file(path, table.schema, options=options) as writer:
        writer.write_table(table)


def bomb(folder):
    rewritten(folder, arrow.ipc.IpcWriteOptions(compression="zstd"), rewards=np.zeros(2**24), observations=None,
              actions=None, terminations=None, truncations=None, infos=None)  # fmt: skip


def dictionary(folder):
    rewritten(folder, rewards=arrow.array([1.0] * 6).dictionary_encode())


def claimed(folder):
    rows = arrow.Array.from_buffers(arrow.null(), 2**31 - 1, [None])
    rewritten(folder, observations=rows, actions=None, rewards=None, terminations=None,
              truncations=None, infos=None)  # fmt: skip


def ragged(folder):
    rewritten(folder, observations=[[1.0, 2.0], [3.0]] * 3)


def gaps(folder):
    rewritten(folder, observations=[[1.0, 2.0], None] * 3)


def text(folder):
    rewritten(folder, observations=["1.0"] * 6)


def bytes_for_rewards(folder):
    rewritten(folder, rewards=[b"1"] * 6)


def nothing(folder):
    rewritten(folder, observations=None)


def outside(folder):
    (folder / "0/part-0.arrow").rename(folder.parent / "elsewhere.arrow")
    (folder / "0/part-0.arrow").symlink_to(folder.parent / "elsewhere.arrow")


def episode_outside(folder):
    (folder / "0").rename(folder.parent / "elsewhere")
    (folder / "0").symlink_to(folder.parent / "elsewhere")


def pipe(folder):
    (folder / "0/part-0.arrow").unlink()
    os.mkfifo(folder / "0/part-0.arrow")


def missing(folder):
    (folder / "0/part-0.arrow").unlink()


def fewer(folder):
    (folder / "1").rename(folder / "one")


def garbage(folder):
    (folder / "0/part-0.arrow").write_bytes(b"ARROW1\0\0" + bytes(200))


def cut(folder):
    path = folder / "0/part-0.arrow"
    path.write_bytes(path.read_bytes()[:900])


def storage(folder):
    path = folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_format": "pickle"}))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (bomb, "would take 128.0 MiB in memory"),
        (dictionary, "holds a dictionary"),
        (claimed, "its rows would take"),
        (ragged, "the lists of observations differ in length"),
        (gaps, "3 lists of observations are empty"),
        (text, "observations"),
        (bytes_for_rewards, "the type of rewards is not read: binary"),
        (nothing, "no observations of numbers among actions"),
        (outside, "leads out of the folder"),
        (episode_outside, "leads out of the folder"),
        (pipe, "no regular file"),
        (missing, "there are 0 files"),
        (fewer, "holds 1 episodes, its metadata say 2"),
        (garbage, "no readable Arrow file"),
        (cut, "no readable Arrow file"),
        (storage, "stored as pickle"),
    ],
)
def test_folders_that_are_refused(harm, message, minari_store):
    folder = made("arrow")
    harm(folder)
    with pytest.raises(DataError, match=message):
        load(folder)
