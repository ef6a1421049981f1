"""Does the disagreement of rewards say where they are wrong?"""

import numpy as np
import pytest
from walks import SETS

from imitax.errors import DataError
from imitax.rewards import calibration


def off(obs, action, *_):
    """The error of `wrong`: larger where more was walked."""
    return np.abs(obs[:, 0])


def wrong(obs, action, *_):
    """Five times the truth and an offset, with errors of both signs that cancel in a fit."""
    signs = np.where(np.arange(len(obs)) % 2 == 0, 1, -1)
    return 5 * (action[:, 0] + 0.005 * signs * off(obs, action)) + 1


def test_deviations_that_are_the_errors():
    found = calibration(wrong, off, SETS)
    assert set(found) == {*SETS, "all"}
    assert found["all"].value > 0.95
    assert found["all"].low <= found["all"].value <= found["all"].high
    assert calibration(wrong, lambda *x: -off(*x), SETS)["all"].value < -0.95


def test_a_reward_that_opposes_the_truth_explains_nothing_of_it():
    found = calibration(lambda *x: -wrong(*x), off, SETS)
    size = calibration(lambda obs, *_: np.zeros(len(obs)), off, SETS)  # whose error is the truth less its mean
    assert found["all"].value == pytest.approx(size["all"].value)


def test_deviations_that_say_nothing():
    noise = np.random.default_rng(0)
    found = calibration(wrong, lambda obs, *_: noise.random(len(obs)), SETS)
    assert abs(found["all"].value) < 0.2
    assert np.isnan(calibration(wrong, lambda obs, *_: np.zeros(len(obs)), SETS)["all"].value)


def test_what_cannot_be_judged():
    with pytest.raises(DataError, match="at least one set"):
        calibration(wrong, off, {})
    with pytest.raises(DataError, match="not finite"):
        calibration(wrong, lambda obs, *_: np.full(len(obs), np.inf), SETS)
