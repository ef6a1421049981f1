import jax.numpy as jnp
import jax.random as jr
import numpy as np

from imitax.sources.random_shift import shift_batch, shift_images, shifted
from imitax.spaces import Leaf, ObservationSpace
from imitax.types import Batch, Transition

IMAGE = np.arange(9, dtype=np.uint8).reshape(3, 3)


def test_known_shifts():
    """Padding by repeated edges, and a cut at the offset: 1, 1 is the image itself."""
    offsets = jnp.array([[1, 1], [0, 1], [1, 2], [2, 2]])
    images = jnp.asarray(np.stack([IMAGE] * 4))
    moved = np.asarray(shifted(images, (3, 3), 1, offsets))
    assert moved.dtype == np.uint8
    assert moved[0].tolist() == IMAGE.tolist()
    assert moved[1].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]  # down
    assert moved[2].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]  # left
    assert moved[3].tolist() == [[4, 5, 5], [7, 8, 8], [7, 8, 8]]


def test_channels_move_together_wherever_they_are():
    last = jnp.asarray(np.stack([IMAGE, IMAGE + 10], -1))[None]
    offset = jnp.array([[0, 2]])
    moved = shifted(last, (3, 3, 2), 1, offset)
    np.testing.assert_array_equal(moved[..., 1], moved[..., 0] + 10)
    first = shifted(jnp.moveaxis(last, -1, 1), (2, 3, 3), 1, offset)
    np.testing.assert_array_equal(jnp.moveaxis(first, 1, -1), moved)


def test_every_example_is_shifted_by_its_own_draw_and_vectors_stay():
    space = ObservationSpace.of({"pixels": Leaf((3, 3), "image"), "place": Leaf((2,))})
    obs = {"pixels": jnp.asarray(np.stack([IMAGE] * 64)), "place": jnp.ones((64, 2))}
    moved = shift_images(space, obs, 1, jr.key(0))
    np.testing.assert_array_equal(moved["place"], obs["place"])
    kinds = {np.asarray(x).tobytes() for x in moved["pixels"]}
    assert len(kinds) == 9  # all offsets of 0 to 2 in both directions
    t = Transition(obs, jnp.zeros((64, 1)), jnp.zeros(64), obs, jnp.zeros(64, bool), jnp.zeros(64, bool))
    batch = shift_batch(space, Batch(expert=t, replay=t), 1, jr.key(1))
    images = [batch.expert.obs, batch.expert.next_obs, batch.replay.obs, batch.replay.next_obs]
    assert len({np.asarray(x["pixels"]).tobytes() for x in images}) == 4
    assert batch.initial is None
