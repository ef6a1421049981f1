import numpy as np
import pytest

from bench.experiments.pixel_pendulum import SIDE, PixelPendulum, draw, expert
from bench.experiments.pixels import record


@pytest.mark.parametrize(("angle", "part"), [(0.0, np.s_[8:28, 28:36]), (np.pi / 2, np.s_[28:36, 36:56])])
def test_the_rod_stands_upright_at_zero_and_points_right_at_a_quarter_turn(angle, part):
    frame = draw(angle)
    assert (frame.shape, frame.dtype) == ((SIDE, SIDE), np.uint8)
    inside = frame[part].astype(float).sum()
    assert inside > 0.6 * frame.sum()


def test_three_frames_and_the_state_of_one_step():
    env = PixelPendulum("both")
    first, _ = env.reset(seed=0)
    assert (first["pixels"][..., 0] == first["pixels"][..., 2]).all()
    second, *_ = env.step(np.array([2.0], np.float32))
    np.testing.assert_array_equal(second["pixels"][..., 1], first["pixels"][..., 2])
    newest = draw(float(np.arctan2(second["state"][1], second["state"][0])))
    np.testing.assert_array_equal(second["pixels"][..., 2], newest)


def test_the_expert_swings_up_and_is_recorded_both_ways():
    data = record(1)
    assert data["state"].returns[0] > -400  # a random policy gets about -1,150
    pixels, state = (data[shows].episodes[0] for shows in ("pixels", "state"))
    assert pixels.observations.shape == (201, SIDE, SIDE, 3)
    np.testing.assert_array_equal(pixels.actions, state.actions)
    np.testing.assert_allclose(expert(state.observations[:-1]), state.actions, atol=1e-6)
    assert data["pixels"].env_kwargs == {"shows": "pixels"}
