import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from imitax.networks.convolution import CNN, Layout, channels_last, convolve, output_sides

NATURE = ((8, 4, 3), (4, 2, 1))


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((64, 48), (0, 1, ())),
        ((64, 48, 3), (0, 1, (2,))),
        ((9, 64, 48), (1, 2, (0,))),
        ((8, 8, 8), (0, 1, (2,))),
        ((4, 64, 48, 3), (1, 2, (0, 3))),
        ((4, 3, 64, 48), (2, 3, (0, 1))),
    ],
)
def test_the_smaller_of_the_first_and_the_last_axis_are_the_channels(shape, layout):
    assert Layout.of(shape) == layout


def test_frames_and_channels_become_channels():
    image = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # two frames of three channels
    last = np.asarray(channels_last(jnp.asarray(image)[None], image.shape))[0]
    assert last.shape == (4, 5, 6)
    assert last[1, 2].tolist() == [image[k, c, 1, 2] for k in range(2) for c in range(3)]


@pytest.mark.parametrize(("side", "sides"), [(84, [20, 9, 7]), (64, [15, 6, 4]), (36, [8, 3, 1]), (35, [7, 2, 0])])
def test_sides_of_the_nature_cnn(side, sides):
    assert output_sides((side, side, 3), *NATURE) == [(s, s) for s in sides]


def test_a_convolution_by_hand():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    w = jnp.array([[1.0, 0.0], [0.0, -1.0]]).reshape(2, 2, 1, 1)  # each pixel minus that below and to the right: -5
    np.testing.assert_array_equal(convolve(x, w, 2)[0, :, :, 0], np.full((2, 2), -5.0))
    w = jnp.array([[1.0, 0.0], [0.0, 0.0]]).reshape(2, 2, 1, 1)
    np.testing.assert_array_equal(convolve(x, w, 2)[0, :, :, 0], [[0, 2], [8, 10]])


def test_features_of_images_with_any_leading_axes_and_either_order_of_channels():
    args = ((2, 3), (3, 2), (2, 1))
    last = CNN((8, 7, 2), *args, features=5, key=jr.key(0))
    first = CNN((2, 8, 7), *args, features=5, key=jr.key(0))
    assert [w.shape for w in last.filters] == [(3, 3, 2, 2), (2, 2, 2, 3)]
    assert last.weight.shape == (2 * 2 * 3, 5)  # 8 x 7 -> 3 x 3 -> 2 x 2
    images = jr.uniform(jr.key(1), (2, 3, 8, 7, 2))
    features = last(images)
    assert features.shape == (2, 3, 5)
    assert (jnp.abs(features) <= 1).all()
    np.testing.assert_allclose(features[1, 2], last(images[1, 2]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first(jnp.moveaxis(images, -1, -3)), features, rtol=1e-5, atol=1e-6)
    assert last(images[0, 0]).shape == (5,)
