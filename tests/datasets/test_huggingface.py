"""Folders and files of Arrow: one row an episode, as `imitation` saves them, or one row a step."""

import json

import numpy as np
import pytest

from imitax.datasets import load
from imitax.datasets.parquet import from_arrow
from imitax.errors import DataError

arrow = pytest.importorskip("pyarrow")
OBS = np.arange(12.0).reshape(6, 2)
LENGTHS = (3, 2)
TRAJECTORIES = {
    "obs": [OBS[: n + 1].tolist() for n in LENGTHS],
    "acts": [OBS[1 : n + 1].tolist() for n in LENGTHS],
    "infos": [["{}"] * 3, ["{}", json.dumps({"TimeLimit.truncated": True, "terminal_observation": [1.0]})]],
    "terminal": [True, True],
    "rews": [[1.0] * n for n in LENGTHS],
}


def saved(folder, columns, **state):
    """As `Dataset.save_to_disk` lays a folder out."""
    folder.mkdir()
    table = arrow.table(columns)
    with arrow.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as writer:
        writer.write_table(table)
    (folder / "dataset_info.json").write_text(json.dumps({"features": {}}))
    files = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_indices_data_files": None}
    (folder / "state.json").write_text(json.dumps(files | state))
    return folder


def test_trajectories_of_imitation(tmp_path):
    folder = saved(tmp_path / "set", TRAJECTORIES)
    arrow.parquet = pytest.importorskip("pyarrow.parquet")
    arrow.parquet.write_table(arrow.table(TRAJECTORIES), tmp_path / "set.parquet")
    frame = pytest.importorskip("pandas").read_parquet(tmp_path / "set.parquet")
    for source in (folder, tmp_path / "set.parquet", frame):
        data = load(source)
        assert [(len(e), e.terminated, e.truncated) for e in data.episodes] == [(3, True, False), (2, False, True)]
        assert data.episodes[1].observations.tolist() == OBS[:3].tolist()
        assert data.episodes[0].actions.tolist() == OBS[1:4].tolist()
        assert data.returns.tolist() == [3, 2]


def test_actions_of_one_number(tmp_path):
    (episode,) = load(
        saved(tmp_path / "set", {"obs": [OBS.tolist()], "acts": [[1, 2, 3, 4, 5]], "terminal": [True]})
    ).episodes
    assert episode.actions[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_one_row_a_step(tmp_path):
    columns = {"obs": OBS.tolist(), "action": OBS[:, 0], "episode": [0, 0, 0, 1, 1, 1]}
    for source in (saved(tmp_path / "set", columns), tmp_path / "set/data-00000-of-00001.arrow"):
        assert load(source).lengths.tolist() == [2, 2]
    feather = pytest.importorskip("pyarrow.feather")
    feather.write_feather(arrow.table(columns), tmp_path / "x.feather")  # compressed
    assert load(tmp_path / "x.feather").lengths.tolist() == [2, 2]


def test_structures_are_columns(tmp_path):
    rows = [{"x": float(t), "deep": {"y": -float(t)}} for t in range(4)]
    data = load(saved(tmp_path / "set", {"obs": rows, "episode": [0] * 4}))
    assert data.episodes[0].observations.tolist() == [[0, 0], [1, -1], [2, -2], [3, -3]]
    assert data.attributes["columns"].startswith("observations: obs.x, obs.deep.y")


def test_nested_lists_that_differ_in_length_but_not_in_sum(tmp_path):
    with pytest.raises(DataError, match="the lists of obs differ in length"):
        load(saved(tmp_path / "set", {"obs": [[[1.0, 2.0], [3.0]], [[4.0], [5.0, 6.0]]], "episode": [0, 0]}))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"_data_files": None}, "names no files"),
        ({"_data_files": [{"filename": "../other.arrow"}]}, "leads out of the folder"),
        ({"_data_files": [{"filename": "other.arrow"}]}, "there is no such file"),
        ({"_indices_data_files": [{"filename": "i.arrow"}]}, "a selection of rows"),
    ],
)
def test_folders_that_are_refused(state, message, tmp_path):
    with pytest.raises(DataError, match=message):
        load(saved(tmp_path / "set", TRAJECTORIES, **state))


def test_several_datasets_in_one_folder(tmp_path):
    saved(tmp_path / "train", TRAJECTORIES)
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(DataError, match="holds several datasets: name one of train"):
        load(tmp_path)


def test_two_columns_of_one_name():
    table = arrow.table([[[[0.0], [1.0]]], [[[0.5]]], [[[0.5]]]], names=["obs", "acts", "acts"])
    with pytest.raises(DataError, match="acts appear twice"):
        from_arrow(table, "set")
