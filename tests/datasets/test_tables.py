"""Tables: CSV, Parquet, data frames."""

import numpy as np
import pytest

from imitax.datasets import load
from imitax.datasets.csv_io import read_csv
from imitax.datasets.roles import assign
from imitax.datasets.tables import read_table
from imitax.errors import DataError

CSV = """episode,t,obs_0,obs_10,obs_2,action_0,note
a,0,1,10,5,0.5,x
a,1,2,20,6,0.6,x
a,2,3,30,7,0.7,x
b,0,4,40,8,0.8,x
b,1,5,50,9,0.9,x
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="demo.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_csv(written):
    data = load(written(CSV))
    assert [e.observations.tolist() for e in data.episodes] == [
        [[1, 5, 10], [2, 6, 20], [3, 7, 30]],
        [[4, 8, 40], [5, 9, 50]],
    ]
    np.testing.assert_allclose(data.episodes[0].actions, [[0.5], [0.6]])
    assert not data.has_rewards
    assert all(e.truncated and not e.terminated for e in data.episodes)
    assert data.attributes["columns_left_out"] == "note"
    assert "observations: obs_0, obs_2, obs_10" in data.attributes["columns"]
    bounded = load(written(CSV), action_low=-1, action_high=[2.0])
    assert (bounded.action_low, bounded.action_high) == ((-1.0,), (2.0,))


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        (lambda t: t.replace(",", ";").replace("0.", "0,"), None),  # decimal commas
        (lambda t: t.replace(",", "|"), None),
        (lambda t: "\ufeff" + t.replace(",", "\t"), None),
        (lambda t: t.replace("episode", "Traj_ID").replace("t,obs", "timestamp,obs"), None),
        (lambda t: t.replace("obs_", "x"), {"observations": "x*"}),
        (lambda t: t.replace("action_0", "u"), {"acts": "u"}),
        (lambda t: "\n".join([t.split("\n")[0], *sorted(t.strip().split("\n")[1:], key=lambda r: r[2])]), None),
    ],
)
def test_csv_as_people_write_it(written, change, columns):
    assert load(written(change(CSV)), columns=columns).hash() == load(written(CSV, "plain.csv")).hash()


def test_flags_and_time_cut_episodes(written):
    rows = ("1,1,0.5,False,False", "2,1,0.5,True,False", "3,1,1,False,False", "4,1,1,False,True")
    data = load(written("\n".join(("obs,act,reward,terminated,truncated", *rows))))
    assert [(len(e), e.terminated, e.ret) for e in data.episodes] == [(2, True, 1.0), (1, False, 1.0)]
    timed = load(written("time,obs\n0,1\n1,2\n0,3\n1,4\n2,5\n"))
    assert timed.lengths.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("1.0,2.0\n3.0,4.0\n", None, "first line of this CSV file holds numbers"),
        ("", None, "empty file"),
        ("obs\n", None, "no rows below the header"),
        ("x,y\n1,2\n", None, "no column is called like an observation"),
        ("obs,act\n1,2\n", None, "no column says where episodes end"),
        ("obs,act,done\n1,2,0\n", None, "`done` mixes ends and time limits"),
        ("obs,terminated\n1,0\n2,1\n", None, "no timeouts"),
        ("obs,ep\n1,0\n2\n", None, "line 3 has 1 values, the header 2"),
        ("obs,obs,ep\n1,0,1\n", None, "the columns obs appear twice"),
        ("obs,ep\nlow,0\nhigh,0\n", None, "obs are not an array of numbers"),
        ("obs,ep\n1,0\n2,\n", None, "episode column ep has gaps"),
        ("obs,ep,t\n1,0,0\n2,0,0\n", None, "rows 0 and 1 belong to one episode and have the same time"),
        ("obs,ep,terminated\n1,0,1\n2,0,0\n", None, "row 0: a flag ends the episode, but its episode goes on"),
        ("obs,ep\n1,0\n2,0\n", {"actions": "u*"}, r"no column 'u\*' for the actions"),
        ("obs,ep\n1,0\n2,0\n", {"steer": "u*"}, "columns has no 'steer'"),
        ("obs,ep\n1,0\n2,0\n3,1\n4,0\n", None, "ep comes back in row 3 after rows of other episodes"),
        ("obs,next_obs,ep\n1,2,0\n5,6,1\n3,4,0\n", None, "ep comes back in row 2 .* next observation there is another"),
        ("obs,ep,traj\n1,0,0\n2,0,0\n", None, "ep, traj could each be the episode"),
        ("a" * 2**20, None, "a line is longer"),
    ],
)
def test_bad_csv(written, text, columns, message):
    with pytest.raises(DataError, match=message):
        load(written(text), columns=columns)


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "x.csv").write_bytes("obs,ep\nä,1\n".encode("latin-1"))
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        load(tmp_path / "x.csv")


def test_data_frames_and_parquet(written, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.read_csv(written(CSV))
    frame.to_parquet(tmp_path / "demo.parquet")
    expected = load(written(CSV)).hash()
    assert load(frame).hash() == load(tmp_path / "demo.parquet").hash() == expected
    episodes = [part.drop(columns="episode") for _, part in frame.groupby("episode")]  # one frame an episode
    assert load(episodes).hash() == expected
    lists = pandas.DataFrame({"state": [[1.0, 2.0], [3.0, 4.0]], "action": [1.0, 2.0], "episode": [0, 0]})
    lists.to_parquet(tmp_path / "lists.parquet")
    for source in (lists, tmp_path / "lists.parquet"):
        assert load(source).episodes[0].observations.tolist() == [[1, 2], [3, 4]]
    whole = (tmp_path / "lists.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-40])
    with pytest.raises(DataError, match="no readable Parquet file"):
        load(tmp_path / "cut.parquet")


def test_numbered_columns_are_in_the_order_of_their_numbers():
    roles = assign(["obs[2]", "obs[10]", "obs[1]", "next_obs_0", "ACTION.x", "ACTION.a", "step"])
    assert roles["observations"] == ["obs[1]", "obs[2]", "obs[10]"]
    assert roles["actions"] == ["ACTION.x", "ACTION.a"]
    assert (roles["next_observations"], roles["time"]) == (["next_obs_0"], ["step"])


def test_environments_that_were_recorded_in_turn(written):
    rows = "\n".join(("obs,next_obs,ep", "1,2,a", "5,6,b", "2,3,a", "6,7,b", "7,8,b"))
    data = load(written(rows))
    assert [e.observations.ravel().tolist() for e in data.episodes] == [[1, 2, 3], [5, 6, 7, 8]]
    assert load(written("obs,ep\n1,a\n5,b\n2,a\n6,b\n")).lengths.tolist() == [1, 1]


@pytest.mark.parametrize("time", [[0, 1, 2, 0, 0, 1, 2], [0, 1, 1, 2, 3, 4, 5]])
def test_equal_times_are_refused_without_an_episode_column_too(time):
    """They are repeated rows, or an episode of one step before the next one."""
    table = {"t": np.array(time), "obs_0": np.arange(7.0), "action_0": np.arange(7.0)}
    with pytest.raises(DataError, match="have the same time"):
        read_table(table, "table")


def test_a_flag_ends_an_episode_on_a_clock_that_goes_on():
    table = {"t": np.arange(6) * 0.02, "obs_0": np.arange(6.0), "truncated": np.array([0, 0, 1, 0, 0, 1])}
    assert read_table(table, "table").lengths.tolist() == [2, 2]
    table["terminated"] = table.pop("truncated")
    with pytest.raises(DataError, match="terminals but no timeouts"):
        read_table(table, "table")
    table["t"] = np.array([0, 1, 2, 0, 1, 2])  # it goes back where a time limit cut too
    assert read_table(table, "table").lengths.tolist() == [3, 3]  # an end repeats its last observation


@pytest.mark.parametrize("as_text", [False, True])
def test_dates_are_times(as_text):
    days = np.array(["2024-01-03", "2024-01-01", "2024-01-02"], "datetime64[ns]")
    table = {"episode": np.zeros(3), "t": days.astype(str).astype(object) if as_text else days}
    table["obs_0"] = np.array([2.0, 0.0, 1.0])
    assert read_table(table, "table").episodes[0].observations.ravel().tolist() == [0, 1, 2]
    table["t"] = np.array(["2024-01-03", "NaT", "2024-01-02"], "datetime64[ns]")
    with pytest.raises(DataError, match="has gaps: row 1"):
        read_table(table, "table")


@pytest.mark.parametrize("unit", ["ns", "s", "D", "W"])
@pytest.mark.parametrize("kind", ["timedelta64", "datetime64"])
def test_times_of_any_unit_are_in_order(kind, unit):
    time = np.array([300_000, 0, 150_000], "int64").astype(f"{kind}[{unit}]")  # 300,000 days are beyond nanoseconds
    table = {"episode": np.zeros(3), "t": time, "obs_0": np.array([2.0, 0.0, 1.0])}
    assert read_table(table, "table").episodes[0].observations.ravel().tolist() == [0, 1, 2]


def test_truth_values_of_a_csv_file_are_numbers(written):
    data = load(written("episode,obs_0,action_0,action_1\n0,1,.5,True\n0,2,.5,false\n0,3,.5,False\n"))
    assert data.actions.tolist() == [[0.5, 1.0], [0.5, 0.0]]


def test_whole_numbers_of_a_csv_file_stay_whole(tmp_path):
    rows = [f"{i // 8000},{i % 8000},{i / 7},{i % 3}" for i in range(16_000)]  # two pieces
    rows[12_000] = "1,4000,nan,2.5"
    (tmp_path / "log.csv").write_text("\n".join(["episode,t,x,gear", *rows]))
    found = read_csv(tmp_path / "log.csv")
    assert {name: str(column.dtype) for name, column in found.items()} == {
        "episode": "int64",
        "t": "int64",
        "x": "float64",
        "gear": "float64",
    }
    assert found["gear"][[5, 12_000]].tolist() == [2.0, 2.5]


def test_only_blanks_may_surround_a_whole_number(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"t, gear,odd\n0, 1 ,\x1f0\n1,\t2,3\n")
    found = read_csv(tmp_path / "log.csv")
    assert found["gear"].dtype == np.int64
    assert found["gear"].tolist() == [1, 2]
    assert found["odd"].dtype.kind != "i"  # a control character: never an exception of Python's own
