"""Columns of Parquet files by their types, by hand."""

import datetime
from decimal import Decimal

import numpy as np
import pytest

from imitax.datasets import arrow, load
from imitax.errors import DataError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ORDER = [2, 0, 1, 3]
"""Row by row, the time at which it was recorded, and twice that is its observation."""
BASE = {"episode": [0] * 4, "obs_0": [2.0 * i for i in ORDER], "action_0": [1.0] * 4}
SECONDS = [datetime.timedelta(seconds=60 * i) for i in ORDER]
DAY = datetime.date(2020, 1, 1)


@pytest.fixture
def written(tmp_path):
    def write(**columns):
        parquet.write_table(pa.table(BASE | columns), tmp_path / "demo.parquet")
        return tmp_path / "demo.parquet"

    return write


def seen(data):
    return data.episodes[0].observations.tolist()


@pytest.mark.parametrize(
    "time",
    [
        pa.array(SECONDS),
        pa.array(SECONDS, pa.duration("s")),
        pa.array([datetime.time(0, i, 0) for i in ORDER]),
        pa.array([datetime.time(0, i, 0) for i in ORDER], pa.time32("s")),
        pa.array([DAY + datetime.timedelta(days=i) for i in ORDER]),
        pa.array([DAY + datetime.timedelta(days=i) for i in ORDER], pa.date64()),
        pa.array([DAY.replace(year=1 + 2000 * i) for i in ORDER]),
        pa.array([Decimal(i) for i in ORDER]),
        pa.array([f"2020-01-01T00:00:0{i}" for i in ORDER]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_all_kinds_of_times_put_rows_in_order(written, time):
    data = load(written(time=time))
    assert seen(data) == [[0], [2], [4], [6]]
    assert "time: time" in data.attributes["columns"]
    gap = pa.array([*time.to_pylist()[:3], None], time.type)
    with pytest.raises(DataError, match="the time column time has gaps: row 3"):
        load(written(time=gap))


def test_decimals_are_numbers(written):
    ends = pa.array([Decimal(int(i == 3)) for i in range(4)])
    more = {"obs_1": pa.array([Decimal("0.5"), None, Decimal("-2.25"), Decimal(7)]), "terminated": ends}
    lists = pa.array([[Decimal(1), Decimal(2)]] * 4)
    data = load(written(**more, obs_2=lists))
    assert data.columns["observations"] == ("obs_0", "obs_1", "obs_2")
    np.testing.assert_array_equal(data.episodes[0].observations[:4, 1], [0.5, np.nan, -2.25, 7])
    assert data.episodes[0].observations[0].tolist() == [4, 0.5, 1, 2]
    assert data.episodes[0].terminated


def test_dictionaries_are_their_values(written):
    text = pa.array(["b", "a", "b", "a"]).dictionary_encode()
    assert [seen(load(written(episode=text)))[i] for i in (0, 1)] == [[4], [2]]
    with pytest.raises(DataError, match="the episode column episode has gaps"):
        load(written(episode=pa.array(["b", None, "b", "a"]).dictionary_encode()))


def test_a_dictionary_may_not_stand_for_more_than_a_file_can_hold():
    long = pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x" * 10_000]))})
    with pytest.raises(DataError, match=r"its values would take 9\.6 MiB in memory"):
        arrow.decoded(long, 2**20)
    assert arrow.decoded(long, 2**24).column("a").type == pa.string()
    numbers = pa.table({"a": pa.array([1.5, 2.5, 1.5]).dictionary_encode()})
    assert arrow.decoded(numbers, 2**10).column("a").to_pylist() == [1.5, 2.5, 1.5]


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("obs_1", pa.nulls(4), r"obs_1 is called like the observations, and its type, null, is not read.*: \[...\]"),
        ("terminated", pa.array([b"\0"] * 4), r'terminated .* the terminals, and its type, binary.*"terminals": None'),
        ("obs.cam", pa.array([{"bytes": b""}] * 4), "obs.cam.bytes is called like the observations"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_would_count(written, name, column, message):
    path = written(**{name: column})
    with pytest.raises(DataError, match=message):
        load(path)
    chosen = load(path, columns={"observations": "obs_0", "terminals": None})
    assert name in chosen.attributes["columns_left_out"]
    assert seen(chosen) == [[4], [0], [2], [6]]
