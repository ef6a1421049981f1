"""Views of rewards whose picture is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from imitax.datasets.episode import Dataset, Episode
from imitax.networks import Normalizer
from imitax.rewards import views
from imitax.spaces import BoxActions, FiniteActions

BOX = BoxActions((-1.0, -2.0), (1.0, 2.0))
RNG = np.random.default_rng(0)
W = np.array([2.0, 0.0, 0.0, -3.0])


def episodes(actions=2, obs=None):
    obs = RNG.normal(size=(61, 4)) if obs is None else obs
    acted = None if actions is None else RNG.uniform(-1, 1, (len(obs) - 1, actions))
    return Dataset((Episode(obs, acted, None, False, True),))


def linear(obs, action, next_obs, ended):
    assert len(obs) == len(action) == len(next_obs) == len(ended)
    return obs @ W + 5.0


def test_the_map_of_a_linear_reward():
    steps = views.steps_of(episodes(), BOX)
    plane = views.chosen(0, 3, 4)
    places = plane.coordinates(steps.obs)
    np.testing.assert_allclose(places, steps.obs[:, [0, 3]])
    found = views.mapped(linear, steps, plane, [places])
    x, y = np.meshgrid(found.x, found.y)
    np.testing.assert_allclose(found.values, 2 * x - 3 * y + 5, atol=1e-5)
    assert found.x[0] < np.percentile(places[:, 0], 1)
    assert found.x[-1] > np.percentile(places[:, 0], 99)


def test_other_dimensions_and_actions_are_those_of_the_nearest_steps():
    obs = np.repeat(np.array([[-1.0, 0, 7, 0], [1, 1, 9, 0]]), 20, axis=0)
    obs = np.concatenate([obs, obs[-1:]])
    action = np.repeat([[0.25, 0], [0.5, 0]], 20, axis=0)
    steps = views.steps_of(Dataset((Episode(obs, action, None, False, True),)), BOX)
    plane = views.chosen(0, 1, 4)
    found = views.mapped(lambda s, a, n, _: s[:, 2] + a[:, 0], steps, plane, [plane.coordinates(steps.obs)])
    assert (found.values[0, 0], found.values[-1, -1]) == (7.25, 9.5)


def test_principal_components():
    """Most variance of the normalised observations lies along (1, 1, 0, 0), then along (0, 0, 0, 1)."""
    a, b = np.array([1, -1, 1, -1.0]), np.array([1, 1, -1, -1.0])
    obs = np.stack([3 * a + 1, 30 * a, 0 * a, b], 1).astype(np.float32)
    plane = views.principal(obs, Normalizer(jnp.zeros(4), jnp.asarray([1.0, 10, 1, 1])))
    assert plane.names == ("component 1 (95 % of variance)", "component 2 (5 % of variance)")
    assert "the second 3 and" in plane.about
    np.testing.assert_allclose(plane.onto, [[0.5**0.5, 0], [0.1 * 0.5**0.5, 0], [0, 0], [0, 1]], atol=1e-6)
    np.testing.assert_allclose(plane.along @ plane.onto, np.eye(2), atol=1e-6)
    places = plane.coordinates(obs)
    np.testing.assert_allclose(plane.centre + places @ plane.along, obs, atol=1e-4)  # two dimensions are all it has


def test_one_step_alone_has_a_plane_too():
    obs = np.array([[3.0, 1, 2, 0]], np.float32)
    plane = views.principal(obs, Normalizer(jnp.zeros(4), jnp.ones(4)))
    np.testing.assert_allclose(plane.along @ plane.onto, np.eye(2), atol=1e-6)
    assert plane.names == ("component 1 (0 % of variance)", "component 2 (0 % of variance)")


def test_along_an_episode():
    data = episodes()
    np.testing.assert_allclose(views.along(linear, data.episodes[0], BOX), data.episodes[0].observations[:-1] @ W + 5)


def test_a_reward_that_ignores_actions_is_flat_in_them():
    for curve in views.by_action(linear, views.steps_of(episodes(), BOX), BOX):
        assert np.abs([curve.mean, curve.low, curve.high]).max() < 1e-12


def test_by_action_of_a_box():
    steps = views.steps_of(episodes(), BOX)
    first, second = views.by_action(lambda s, a, n, _: s[:, 1] - 4 * a[:, 1], steps, BOX)
    assert (second.name, second.values[0], second.values[-1]) == ("action 1", -2, 2)
    np.testing.assert_array_equal(first.mean, 0)
    np.testing.assert_allclose(second.mean, -4 * (second.values - steps.action[:, 1].mean()), atol=1e-6)
    np.testing.assert_allclose(second.high - second.low, 4 * np.ptp(second.recorded), atol=1e-6)


def test_by_action_of_a_finite_set():
    space = FiniteActions((3, 2), (-1, 0))
    action = np.array([[-1, 0], [0, 1], [1, 1], [0, 0]])
    steps = views.steps_of(Dataset((Episode(RNG.normal(size=(5, 4)), action, None, False, True),)), space)
    first, second = views.by_action(lambda s, a, n, _: a[:, 0] * 10.0 + a[:, 1], steps, space)
    np.testing.assert_array_equal(first.values, [-1, 0, 1])
    np.testing.assert_allclose(first.mean, [-9.5, 0.5, 10.5])
    np.testing.assert_allclose(second.mean, [0, 1])
    assert steps.action.dtype.kind == "i"  # curves leave the data as they are
    np.testing.assert_array_equal(steps.action, action)


@pytest.mark.parametrize(("space", "least"), [(BOX, (-1.0, -2.0)), (FiniteActions((3, 2), (-1, 0)), (-1, 0))])
def test_data_without_actions(space, least):
    steps = views.steps_of(episodes(actions=None), space, most=7)
    np.testing.assert_array_equal(steps.action, [least] * 7)
