import numpy as np
import pytest

from imitax.observations import (
    Misfit,
    columns,
    host_zeros,
    images,
    matrix,
    named,
    nested,
    occupied,
    put,
    rows,
    stored,
)
from imitax.spaces import Leaf, ObservationSpace

OBS = {"b": (np.ones((3, 2), np.float32), np.zeros((3, 4, 4), np.uint8)), "a": np.arange(3, dtype=np.float32)}


def test_names_in_messages_and_in_files():
    assert [name for name, _ in named(OBS)] == ["observation.a", "observation.b.0", "observation.b.1"]
    files = dict(named(OBS, "obs", "/"))
    assert list(files) == ["obs/a", "obs/b/_index_0", "obs/b/_index_1"]
    again = nested(files | {"obs2/a": 1}, "obs")
    assert list(again) == ["a", "b"]
    assert again["b"][1] is OBS["b"][1]
    assert nested(files, "other") is None
    with pytest.raises(Misfit, match="obs is both an array and a group"):
        nested(files | {"obs": 1}, "obs")
    with pytest.raises(Misfit, match="b has the positions _index_1, not _index_0 to _index_0"):
        nested({"obs/b/_index_1": 1}, "obs")


def test_the_numbers_of_all_leaves_side_by_side_without_images():
    assert matrix(OBS).tolist() == [[0, 1, 1], [1, 1, 1], [2, 1, 1]]
    assert columns(OBS) == ["observation.a 0", "observation.b.0 0", "observation.b.0 1"]
    assert [name for name, _ in images(OBS)] == ["observation.b.1"]
    assert matrix(OBS["b"][1]).shape == (3, 0)
    flat = np.ones((3, 2), np.float32)
    assert matrix(flat) is flat


def test_rows_are_taken_and_written_in_every_leaf():
    space = ObservationSpace.of({"b": (Leaf((2,)), Leaf((4, 4), "image")), "a": Leaf(())})
    zeros = host_zeros(space, 2)
    assert zeros["b"][1].dtype == np.uint8
    assert occupied(zeros).tolist() == [False, False]
    put(zeros, 1, rows(OBS, 2))
    assert zeros["a"].tolist() == [0, 2]
    assert occupied(zeros).tolist() == [False, True]


def test_what_datasets_hold():
    listed = [{"x": [1.0, 2.0], "n": 3}, {"x": [3.0, 4.0], "n": 5}]
    tree = stored(listed)
    assert tree["x"].tolist() == [[1, 2], [3, 4]]
    assert tree["x"].dtype == np.float32
    assert (tree["n"].dtype, tree["n"].tolist()) == (np.int32, [3, 5])
    assert stored(np.zeros((2, 3, 3, 1), np.uint8)).dtype == np.uint8
    assert stored(np.zeros((2, 3), np.uint8)).dtype == np.float32
    assert isinstance(stored([(np.ones(2), np.ones(1))] * 3), tuple)
    with pytest.raises(ValueError, match="read-only"):
        tree["x"][0] = 1
    with pytest.raises(Misfit, match=r"observation\.x are not an array of numbers"):
        stored({"x": [["a"]]})
    with pytest.raises(Misfit, match="has the keys x, n in row 0, and others in row 1"):
        stored([listed[0], {"x": [1.0, 2.0]}])
