"""Conversion between the environment's integers and one-hot actions, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from imitax.errors import ConfigError, DataError
from imitax.spaces import BoxActions, FiniteActions, described, from_described

THREE = FiniteActions((3,), (-1,))
TWO = FiniteActions((3, 2), (0, 5), (2,), "int32")
BOX = BoxActions((-0.5, 0.0), (1.5, 4.0))


def test_integers_become_one_hot_and_back():
    columns = np.array([[-1], [1], [0]])
    one_hot = THREE.encode(columns)
    np.testing.assert_array_equal(one_hot, [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    assert one_hot.dtype == np.float32
    np.testing.assert_array_equal(THREE.decode(jnp.asarray(one_hot)), columns)
    np.testing.assert_array_equal(TWO.encode(np.array([[2.0, 5.0]])), [[0, 0, 1, 1, 0]])  # integers among floats
    np.testing.assert_array_equal(TWO.decode(jnp.array([[[0.1, 0.7, 0.2, 0.4, 0.6]]])), [[[1, 6]]])


def test_actions_as_the_environment_takes_them():
    discrete = THREE.env(np.array([[1], [-1]]))
    assert (discrete.shape, discrete.dtype) == ((2,), np.int64)
    several = TWO.env(np.array([[2, 6]]))
    assert (several.shape, several.dtype) == ((1, 2), np.int32)
    table = FiniteActions((2,) * 4, (0,) * 4, (2, 2), "int8").env(np.array([[0, 1, 1, 0]]))
    np.testing.assert_array_equal(table, [[[0, 1], [1, 0]]])
    assert table.dtype == np.int8
    assert BOX.env(np.ones((3, 2))).dtype == np.float32


def test_shares_of_the_range():
    np.testing.assert_array_equal(THREE.at(np.array([[0.0, 9, 9], [0.34, 9, 9], [0.999999, 9, 9]])), [[-1], [0], [1]])
    np.testing.assert_array_equal(TWO.at(np.array([0.5, 0.5, 9, 9, 9])), [1, 6])
    np.testing.assert_allclose(BOX.at(np.array([0.5, 0.25], np.float32)), [0.5, 1.0])


@pytest.mark.parametrize("value", [2, -2, 0.5, np.nan])
def test_what_is_not_in_the_set_is_refused(value):
    columns = np.array([[0.0], [value]])
    np.testing.assert_array_equal(THREE.outside(columns), [[False], [True]])
    with pytest.raises(DataError, match=r"\(place \[1, 0\]\) is not in"):
        THREE.encode(columns)


def test_joint_actions_and_values_made_of_factors_have_one_order():
    joint = TWO.joint()
    np.testing.assert_array_equal(TWO.decode(jnp.asarray(joint)), [[i, j] for i in range(3) for j in (5, 6)])
    values = jnp.array([1.0, 2.0, 3.0, 10.0, 20.0])
    np.testing.assert_allclose(TWO.combined(values, jnp.add), joint @ np.asarray(values))
    np.testing.assert_allclose(TWO.combined(values, jnp.multiply), [10, 20, 20, 40, 30, 60])
    assert (TWO.size, TWO.columns, TWO.joint_count) == (5, 2, 6)


def test_distance_of_actions():
    first, second = (jnp.asarray(TWO.encode(np.array(x))) for x in ([[0, 5], [1, 6]], [[0, 6], [1, 6]]))
    assert float(TWO.error(first, second)) == 0.25  # one factor of four
    np.testing.assert_array_equal(TWO.differences(first, second), [[0, 1], [0, 0]])
    assert (TWO.widths, BOX.widths) == ((1.0, 1.0), (2.0, 4.0))
    assert float(BOX.error(jnp.array([[1.0, 2.0]]), jnp.array([[0.0, 5.0]]))) == 2.0


OPEN = BoxActions.of((-np.inf, 0.0), (np.inf, 4.0))
MATRIX = BoxActions((-1.0, 0.0), (1.0, 4.0), shape=(2, 1), dtype="float64")


@pytest.mark.parametrize("space", [THREE, TWO, BOX, OPEN, MATRIX, MATRIX.closed])
def test_files_describe_a_space(space):
    again = from_described(described(space))
    assert (again, again.shape, again.dtype) == (space, space.shape, space.dtype)


def test_a_box_has_as_many_numbers_as_its_shape():
    with pytest.raises(ConfigError, match=r"shape \(3,\) has no 2 numbers"):
        from_described(described(BOX) | {"action_shape": [3]})
    with pytest.raises(ValueError, match="none of fractions"):
        from_described(described(BOX) | {"action_dtype": "int64"})


@pytest.mark.parametrize(
    "damage",
    [
        {"action_sizes": []},
        {"action_sizes": [0, 2]},
        {"action_sizes": [3, "two"]},
        {"action_starts": [0]},
        {"action_shape": [3]},
        {"action_dtype": "float32"},
        {"action_dtype": "none"},
        {"action_sizes": None},
    ],
)
def test_damaged_descriptions(damage):
    with pytest.raises((TypeError, ValueError)):
        from_described(described(TWO) | damage)


def test_open_boxes():
    assert OPEN.is_open
    assert (OPEN.low, OPEN.high) == ((-1.0, 0.0), (1.0, 4.0))  # a guess
    assert OPEN.closed == BoxActions((-1.0, 0.0), (1.0, 4.0)) != OPEN
    assert not OPEN.closed.is_open
    assert BoxActions.of(BOX.low, BOX.high) == BoxActions(BOX.low, BOX.high, (False,) * 2, (False,) * 2) == BOX
    far = BoxActions.of((1e8, -np.inf), (np.inf, -1e8))
    assert (far.low, far.high) == ((1e8, -2e8), (2e8, -1e8))
    assert "action_open_low" not in described(BOX)
    with pytest.raises(ValueError, match="another number of dimensions"):
        from_described(described(OPEN) | {"action_open_low": [True]})


def test_spaces_in_words():
    assert (str(THREE), str(FiniteActions((4,), (0,)))) == ("Discrete(3, start=-1)", "Discrete(4)")
    assert str(TWO) == "MultiDiscrete([3, 2], start=[0, 5])"
    assert str(BOX) == "Box([-0.5, 0.0], [1.5, 4.0])"


def test_one_action_is_nothing_to_learn():
    with pytest.raises(ConfigError, match="only one action"):
        FiniteActions((1,), (0,))
