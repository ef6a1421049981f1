"""Several datasets as one, by hand: columns are matched by their names."""

from dataclasses import replace

import numpy as np
import pytest

from imitax.datasets import load
from imitax.datasets.joining import check_columns, joined_datasets
from imitax.datasets.tables import read_table
from imitax.errors import DataError


def table(names, first=0.0):
    """Observations x, y, ... of `first` + 0, 1, 2, ... each in its own thousand; actions u, v likewise."""
    values = {n: first + np.arange(3.0) + 1000 * i for i, n in enumerate(("obs.x", "obs.y", "obs.z"))}
    values |= {n: first + np.arange(3.0) - 1000 * i for i, n in enumerate(("action.u", "action.v"))}
    return {"episode": np.zeros(3)} | {name: values[name] for name in names}


PLAIN = ("obs.x", "obs.y", "action.u", "action.v")


def test_the_same_columns_in_another_order_are_put_in_order(tmp_path):
    paths = []
    for i, names in enumerate((PLAIN, PLAIN[::-1])):
        columns = table(names, first=10.0 * i)
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        paths.append(tmp_path / f"{i}.csv")
        paths[-1].write_text("\n".join(lines))
    both = load(paths)
    assert [e.observations.tolist() for e in both.episodes] == [
        [[0, 1000], [1, 1001], [2, 1002]],
        [[10, 1010], [11, 1011], [12, 1012]],
    ]
    assert both.episodes[1].actions.tolist() == [[10, -990], [11, -989]]
    assert both.columns == {"observations": ("obs.x", "obs.y"), "actions": ("action.u", "action.v")}
    assert both.hash() == load([read_table(table(PLAIN, first=10.0 * i), "t") for i in (0, 1)]).hash()


def test_bounds_follow_their_actions():
    one = load(table(PLAIN), columns={"episode": "episode"}, action_low=[-1.0, -2.0], action_high=9)
    two = load(table(PLAIN[::-1]), columns={"episode": "episode"}, action_low=[-2.0, -1.0], action_high=9)
    assert joined_datasets([one, two]).action_low == (-1, -2)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("obs.x", "obs.z", "action.u", "action.v"), "obs.y only in one and obs.z only in two; choose"),
        (("obs.x", "action.u", "action.v"), "columns of observations: obs.y only in one; choose"),
        (("obs.x", "obs.y", "action.u"), "columns of actions: action.v only in one; choose"),
    ],
)
def test_other_columns_are_refused(names, message):
    one, two = read_table(table(PLAIN), "one"), read_table(table(names), "two")
    with pytest.raises(DataError, match=message):
        joined_datasets([one, two])
    with pytest.raises(DataError, match=message):
        check_columns(one, two)


def test_the_order_of_what_is_not_one_number_each_is_refused():
    lists = {"episode": np.zeros(3), "obs.a": np.zeros((3, 2)), "obs.b": np.zeros((3, 2))}
    two = {name: lists[name] for name in ("episode", "obs.b", "obs.a")}
    with pytest.raises(DataError, match=r"the order is obs.a, obs.b in one and obs.b, obs.a in the other; name them"):
        joined_datasets([read_table(lists, "one"), read_table(two, "two")])


def test_columns_without_names_are_joined_as_they_stand():
    one, two = read_table(table(PLAIN), "one"), read_table(table(PLAIN), "two")
    assert joined_datasets([one, replace(two, columns={})]).columns == {}
    check_columns(one, replace(two, columns={}))
    assert replace(one, columns={}).hash() == one.hash()
