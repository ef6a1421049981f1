import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.networks import CombinedEncoder, EncoderConfig, FlatEncoder, Normalizer, make_encoder
from imitax.observations import named
from imitax.spaces import Leaf, ObservationSpace

SMALL = EncoderConfig(channels=(2,), kernels=(4,), strides=(4,), features=3)
IMAGE, VECTOR = Leaf((8, 8, 1), "image"), Leaf((2,))
SPACE = ObservationSpace.of({"b": {"pixels": IMAGE}, "a": VECTOR, "c": Leaf((2,), "categories", (3, 2), (0, 5))})


def test_a_vector_is_encoded_as_it_is():
    encoder = make_encoder(ObservationSpace((Leaf((3,)),)), EncoderConfig(), jr.key(0))
    x = jnp.arange(6.0).reshape(2, 3)
    assert isinstance(encoder, FlatEncoder)
    assert encoder(x) is not None
    np.testing.assert_array_equal(encoder(x), x)
    assert encoder.size == 3


def test_parts_stand_side_by_side_in_the_order_of_their_names():
    encoder = make_encoder(SPACE, SMALL, jr.key(0))
    assert isinstance(encoder, CombinedEncoder)
    obs = {"a": jnp.ones((4, 2)), "b": {"pixels": jr.uniform(jr.key(1), (4, 8, 8, 1))}, "c": jnp.full((4, 5), 2.0)}
    x = encoder(obs)
    assert x.shape == (4, encoder.size) == (4, 2 + 3 + 5)
    np.testing.assert_array_equal(x[:, :2], 1)
    np.testing.assert_array_equal(x[:, 5:], 2)
    np.testing.assert_allclose(x[:, 2:5], encoder.images[1](obs["b"]["pixels"]), rtol=1e-6)


def test_networks_have_encoders_of_their_own():
    first, second = (make_encoder(SPACE, SMALL, jr.key(i)) for i in range(2))
    assert (first.images[1].weight != second.images[1].weight).any()


def test_what_networks_see():
    """Vectors are standardised, bytes divided by 255, and categories one-hot."""
    one = np.ones((1, 1, 1))
    mean = {"a": np.ones(2), "b": {"pixels": 0 * one}, "c": np.zeros(1)}
    std = {"a": np.full(2, 4.0), "b": {"pixels": 255 * one}, "c": np.ones(1)}
    normalizer = Normalizer.of(SPACE, (mean, std))
    pixels = np.full((2, 8, 8, 1), 51, np.uint8)
    obs = {"a": np.array([[1.0, 5.0]] * 2, np.float32), "b": {"pixels": pixels}, "c": np.array([[2.0, 5.0], [0, 6]])}
    seen = normalizer(obs)
    np.testing.assert_array_equal(seen["a"], [[0, 1]] * 2)
    np.testing.assert_allclose(seen["b"]["pixels"], 0.2, rtol=1e-6)
    np.testing.assert_array_equal(seen["c"], [[0, 0, 1, 1, 0], [1, 0, 0, 0, 1]])
    plain = Normalizer.identity(SPACE)(obs)
    np.testing.assert_array_equal(plain["a"], obs["a"])
    np.testing.assert_array_equal(plain["c"], seen["c"])


def test_bytes_of_a_space_with_small_numbers_are_divided_by_the_largest():
    board = ObservationSpace((Leaf((2, 2), "image", top=2),))
    for normalizer in (Normalizer.identity(board), Normalizer.of(board, (np.zeros((1, 1)), np.full((1, 1), 255.0)))):
        np.testing.assert_array_equal(normalizer(np.array([[[0, 1], [2, 1]]], np.uint8)), [[[0, 0.5], [1, 0.5]]])


def test_which_images_are_flattened():
    large, small = Leaf((36, 36, 3), "image"), Leaf((35, 40, 3), "image")
    assert [EncoderConfig().convolves(leaf) for leaf in (large, small, VECTOR)] == [True, False, False]
    assert not EncoderConfig("flat").convolves(large)
    encoder = make_encoder(ObservationSpace((IMAGE,)), EncoderConfig("flat"), jr.key(0))
    assert encoder(jnp.ones((2, 3, 8, 8, 1))).shape == (2, 3, 64)


@pytest.mark.parametrize(
    ("cfg", "space", "message"),
    [
        (EncoderConfig("cnn"), VECTOR, "there are none among observation: use auto or flat"),
        (EncoderConfig("cnn"), {"eye": IMAGE}, r"observation.eye \[8, 8, 1\] is too small for encoder.kernels"),
        (EncoderConfig("flat"), {"eye": Leaf((64, 64, 3), "image")}, "an image of 12288 numbers, too many to flatten"),
        (EncoderConfig(), {"eye": Leaf((30, 300), "image")}, "an image of 9000 numbers, too many to flatten"),
    ],
)
def test_refused(cfg, space, message):
    with pytest.raises(ConfigError, match=message):
        cfg.check(named(space))


def test_impossible_settings():
    with pytest.raises(ConfigError, match="must have one number a layer"):
        EncoderConfig(channels=(4, 4))
    with pytest.raises(ConfigError, match="at least 1"):
        EncoderConfig(channels=(4,), kernels=(0,), strides=(1,))
