"""Flags and numbers as people store them."""

import numpy as np
import pytest
from toy_datasets import FLAT, NO, but

from imitax.datasets import Episode, load, validate
from imitax.datasets.flags import flags, numbers
from imitax.errors import DataError
from imitax.observations import unmasked


@pytest.mark.parametrize(
    "stored",
    [
        np.array(["True", "False", "true"]),
        np.array(["yes", " No ", "1.0"], object),
        np.array(["1", "0", "1"]),
        np.array([b"1", b"0", b"1"]),
        np.array([True, False, 1.0], object),
        np.array([1.0, 0.0, 1.0]),
        np.array([1, 0, 1], np.uint8),
    ],
)
def test_flags_are_what_they_say(stored):
    assert flags(stored, "terminals").tolist() == [True, False, True]


@pytest.mark.parametrize(
    "stored",
    [
        np.array([1.0, np.nan, 0.0]),
        np.array([1, 2, 0]),
        np.array(["True", "", "False"]),
        np.array([True, None, False], object),
        np.array([True, float("nan"), False], object),
        np.ma.MaskedArray([True, True, False], mask=[False, True, False]),
        np.ma.MaskedArray(["True", "True", "no"], mask=[False, True, False]),
    ],
)
def test_a_gap_is_no_flag(stored):
    with pytest.raises(DataError, match=r"terminals must be true or false in every row; row 1 has .*1 such"):
        flags(unmasked(stored), "terminals")


def test_masked_values_are_gaps():
    hidden = np.arange(6) == 3
    with pytest.raises(DataError, match="timeouts must be true or false in every row; row 3 has 'nan'"):
        load(but(timeouts=np.ma.MaskedArray(NO, mask=hidden)))
    table = {"episode": np.zeros(6), "obs_0": np.ma.MaskedArray(np.arange(6), mask=hidden), "action_0": np.ones(6)}
    data = load(table, columns={"observations": "obs_*"})
    np.testing.assert_array_equal(data.episodes[0].observations.ravel(), [0, 1, 2, np.nan, 4, 5])
    with pytest.raises(DataError, match="row 3"):
        validate(data)
    with pytest.raises(DataError, match="the time column t has gaps: row 3"):
        load(table | {"t": np.ma.MaskedArray(np.arange(6), mask=hidden)}, columns={"observations": "episode"})
    actions = np.ma.MaskedArray(np.arange(5), mask=hidden[:5])[:, None]
    whole = Episode(table["obs_0"][:, None], actions, None, True, True)
    assert np.isnan([whole.observations[3, 0], whole.actions[3, 0]]).all()
    assert np.isnan(Episode({"a": table["obs_0"]}, None, None, True, True).observations["a"][3])


def test_masks_that_hide_nothing_change_nothing():
    actions = np.ma.MaskedArray(np.arange(6) % 3, mask=False)
    assert load(but(actions=actions)).episodes[0].actions.dtype == np.int64
    assert unmasked(np.ma.MaskedArray(["a", "b"], mask=[False, True])).tolist() == ["a", None]


def test_dates_are_no_flags():
    with pytest.raises(DataError, match="must be true or false, got datetime64"):
        flags(np.array(["2020-01-01"], "datetime64[D]"), "terminals")


def test_numbers():
    masked = np.ma.MaskedArray([1, 2], mask=[False, True])
    np.testing.assert_array_equal(numbers(masked, "x"), [1, np.nan])
    assert numbers([1, 2.5], "x").tolist() == [1, 2.5]
    for wrong in (["1", "2"], [1 + 2j], np.array(["2020"], "datetime64[Y]")):
        with pytest.raises(DataError, match="x must be numbers"):
            numbers(wrong, "x")


def test_text_flags_make_no_episodes():
    assert len(load(but(terminals=np.array(["False"] * 6))).episodes) == 1


def test_actions_of_one_dimension_need_no_second_axis():
    assert load(but(actions=np.arange(6.0))).episodes[0].actions.tolist() == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize("key", ["observations", "actions", "rewards", "terminals"])
def test_tensors_that_do_not_convert(key):
    """What `torch.Tensor.__array__` raises for one that has a gradient is no TypeError or ValueError."""

    class Tensor:
        def __array__(self, *_, **__):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    with pytest.raises(DataError, match="requires grad"):
        load(FLAT | {key: Tensor()})
