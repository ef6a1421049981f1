"""Known answers of histories: at the start and the end of episodes, for every kind of leaf, recorded and happening."""

import jax
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.history import Recent, described, from_described, join, newest, of_episode, stacked_shape
from imitax.observations import rows
from imitax.spaces import History, Leaf, ObservationSpace

FLAT = ObservationSpace((Leaf((2,)),))
TREE = ObservationSpace.of(
    {
        "first": Leaf((4, 6, 3), "image"),
        "gray": Leaf((4, 6), "image"),
        "frames": Leaf((2, 3, 4, 6), "image"),
        "kind": Leaf((), "categories", (3,), (1,)),
        "matrix": Leaf((2, 2)),
        "switches": Leaf((3,), "binary"),
    }
)


def counted(steps):
    """Observations [t, -t] at times 1 to `steps`."""
    t = np.arange(1, steps + 1, dtype=np.float32)
    return np.stack([t, -t], axis=1)


def drawn(steps, seed=0):
    """Observations of TREE."""
    rng = np.random.default_rng(seed)
    leaves = [rng.integers(0, 256, (steps, *leaf.shape)).astype(leaf.dtype) for leaf in TREE.leaves]
    return jax.tree.unflatten(TREE.structure, leaves)


def test_the_start_repeats_the_first_observation_and_has_no_actions():
    history = History(3, True, FLAT)
    seen = of_episode(history, counted(4), np.array([[10.0], [20.0], [30.0]]))
    frames = [[1, -1, 1, -1, 1, -1], [1, -1, 1, -1, 2, -2], [1, -1, 2, -2, 3, -3], [2, -2, 3, -3, 4, -4]]
    actions = [[0, 0], [0, 10], [10, 20], [20, 30]]
    np.testing.assert_array_equal(seen, np.concatenate([frames, actions], axis=1))
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(newest(history, seen), counted(4))


def test_shapes_and_types_of_every_kind_of_leaf():
    history, obs = History(3, True, TREE), drawn(5)
    seen = of_episode(history, obs, np.zeros((4, 2)))
    assert {k: (x.shape, str(x.dtype)) for k, x in seen["observation"].items()} == {
        "first": ((5, 3, 4, 6, 3), "uint8"),
        "frames": ((5, 6, 3, 4, 6), "uint8"),
        "gray": ((5, 3, 4, 6, 1), "uint8"),
        "kind": ((5, 3), "float32"),
        "matrix": ((5, 6, 2), "float32"),
        "switches": ((5, 9), "float32"),
    }
    assert seen["previous_actions"].shape == (5, 4)
    back = newest(history, seen)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(obs), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(seen["observation"]["first"][4, 0], obs["first"][2])
    np.testing.assert_array_equal(seen["observation"]["gray"][1, 2, :, :, 0], obs["gray"][1])
    assert stacked_shape(Leaf((5,)), 4) == (20,)


@pytest.mark.parametrize(("space", "actions"), [(FLAT, False), (FLAT, True), (TREE, True)])
def test_what_happens_is_seen_as_what_was_recorded(space, actions):
    """Two environments, of which the second begins again after three steps; nothing of its episode before is left."""
    history, rng = History(4, actions, space), np.random.default_rng(1)
    obs = [counted(7), counted(7)[::-1]] if space is FLAT else [drawn(7), drawn(7, 1)]
    done = rng.normal(size=(2, 6, 3)).astype(np.float32)
    second = [jax.tree.map(lambda x: x[:3], obs[1]), jax.tree.map(lambda x: x[3:], obs[1])]
    expected = [
        of_episode(history, obs[0], done[0]),
        jax.tree.map(
            lambda *x: np.concatenate(x),
            of_episode(history, second[0], done[1, :2]),
            of_episode(history, second[1], done[1, 3:]),
        ),
    ]
    recent = Recent(history, 2, 3)
    for t in range(7):
        if t == 3:
            recent.begin(1)
        seen = recent.see(jax.tree.map(lambda *x: np.stack(x), *(rows(x, t) for x in obs)))
        for lane in range(2):
            for a, b in zip(jax.tree.leaves(seen), jax.tree.leaves(expected[lane]), strict=True):
                np.testing.assert_array_equal(a[lane], b[t])
        if t < 6:
            recent.did(done[:, t])


def test_what_was_seen_stays_as_it_was():
    recent = Recent(History(2, False, FLAT), 1, 1)
    first = recent.see(np.ones((1, 2)))
    recent.see(np.full((1, 2), 5.0))
    np.testing.assert_array_equal(first, np.ones((1, 4)))


def test_frames_are_joined_in_their_order():
    frames = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    np.testing.assert_array_equal(
        join(History(3, False, FLAT), frames, np.zeros((2, 2, 0))), np.arange(12).reshape(2, 6)
    )


def test_actions_that_were_not_recorded():
    with pytest.raises(ConfigError, match="--history-actions: the demonstrations have no actions"):
        of_episode(History(2, True, FLAT), counted(3), None)


def test_histories_are_described():
    history = History(3, True, TREE)
    assert from_described(described(history)) == history
    for other in (None, {"length": 1}, {"length": "3"}, {"length": 3, "single": None}):
        with pytest.raises(ValueError, match="describes no"):
            from_described(other)
