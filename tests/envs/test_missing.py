"""What is said of packages that are missing."""

import gymnasium as gym
import pytest

from imitax.envs.missing import missing


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            gym.error.DependencyNotInstalled('MuJoCo is not installed, run `pip install "gymnasium[mujoco]"`'),
            "imitax[mujoco]",
        ),
        (ModuleNotFoundError("No module named 'mujoco'", name="mujoco"), "imitax[mujoco]"),
        (
            gym.error.DependencyNotInstalled('Box2D is missing: run `pip install "gymnasium[box2d]"`'),
            "gymnasium[box2d]",
        ),
        (ModuleNotFoundError("No module named 'mytask'", name="mytask"), "the package that brings mytask"),
    ],
)
def test_the_package_that_is_missing_is_named(error, words):
    said = missing(error)
    assert words in said
    assert ("imitax[" in said) == ("imitax[" in words)
