import gymnasium as gym
import numpy as np
import pytest

from imitax.errors import ConfigError
from imitax.observation_spaces import as_batch, of_space
from imitax.observations import Misfit
from imitax.spaces import Leaf, ObservationSpace

S = gym.spaces
PIXELS = S.Box(0, 255, (8, 8, 3), np.uint8)
SPACE = of_space(S.Dict({"eye": PIXELS, "arm": S.Tuple([S.Box(-1, 1, (2, 2)), S.Discrete(3, start=1)])}))
OBS = {"eye": np.zeros((8, 8, 3), np.uint8), "arm": (np.zeros((2, 2)), 3)}


def test_the_kinds_of_spaces():
    nested = {"arm": (Leaf((2, 2)), Leaf((), "categories", (3,), (1,))), "eye": Leaf((8, 8, 3), "image")}
    assert ObservationSpace.of(nested) == SPACE
    assert [leaf.dtype for leaf in SPACE.leaves] == ["float32", "float32", "uint8"]
    assert [of_space(S.Box(0, high, (4, 4), np.uint8)).leaves[0].top for high in (0, 2, 255)] == [1, 2, 255]
    assert [leaf.input_shape for leaf in SPACE.leaves] == [(2, 2), (3,), (8, 8, 3)]
    multi = of_space(S.Tuple([S.MultiDiscrete([2, 3]), S.MultiBinary(4), S.Box(0, 255, (5,), np.uint8)]))
    kinds = ["categories", "binary", "vector"]  # a vector of bytes is numbers
    assert [leaf.kind for leaf in multi.leaves] == kinds
    assert multi.leaves[0].input_shape == (5,)
    assert (of_space(S.Box(-1, 1, (3,))).is_flat, SPACE.is_flat, of_space(PIXELS).is_flat) == (True, False, False)


def test_a_space_is_described_in_json():
    assert ObservationSpace.parse(SPACE.describe()) == SPACE
    for wrong in (3, {}, {"shape": [-1], "kind": "vector"}, {"shape": [1], "kind": "sound"}):
        with pytest.raises(ValueError, match="no observation space"):
            ObservationSpace.parse(wrong)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (S.Dict({"a": S.Dict({"word": S.Text(3)})}), "observation.a.word is a Text space; observations are Box"),
        (S.Box(-1, 1, ()), r"one number without an axis.*give it shape \(1,\).*ReshapeObservation"),
        (S.Tuple([S.Sequence(S.Discrete(2))]), "observation.0 is a Sequence space"),
        (S.Box(-1, 1, (0,)), "observations hold no numbers"),
        (S.Dict({"a": S.Box(-1, 1, (2, 0))}), "observations hold no numbers"),
        (S.Dict({"a/b": S.Discrete(2)}), "text without slashes"),
        (S.Dict({"_index_0": S.Discrete(2)}), "not begin with _index_"),
        (
            S.Dict({"a.b": S.Discrete(2), "a": S.Dict({"b": S.Discrete(2)})}),
            r"two parts of the observation are called observation\.a\.b",
        ),
    ],
)
def test_spaces_that_cannot_be_observed(space, message):
    with pytest.raises(ConfigError, match=message):
        of_space(space)


def test_one_observation_and_several():
    batch, alone = as_batch(SPACE, OBS)
    assert alone
    assert (batch["eye"].shape, batch["arm"][0].shape, batch["arm"][1].tolist()) == ((1, 8, 8, 3), (1, 2, 2), [3.0])
    several = {"eye": np.zeros((5, 8, 8, 3), np.uint8), "arm": [np.zeros((5, 2, 2)), np.ones(5, int)]}
    batch, alone = as_batch(SPACE, several)
    assert not alone
    assert batch["eye"].dtype == np.uint8
    assert len(batch["arm"][1]) == 5


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        (np.zeros(3), r"observation is an array of shape \(3,\) and type float64, not a dict with arm, eye"),
        ({"eye": OBS["eye"]}, "observation.arm is missing"),
        (OBS | {"ear": 1}, "observation.ear is not in its space, which has arm, eye"),
        (OBS | {"arm": (1,)}, "observation.arm is a tuple of 1 values, not a tuple of 2"),
        (OBS | {"arm": (np.zeros(2), 1)}, r"observation.arm.0 has shape \(2,\), its space \(2, 2\)"),
        (OBS | {"arm": (np.full((2, 2), np.nan), 1)}, r"observation.arm.0 is nan at \[0, 0\]"),
        (OBS | {"arm": (np.zeros((2, 2)), 0)}, "observation.arm.1 is 0, which is none of its classes, 1 to 3"),
        (OBS | {"arm": (np.zeros((2, 2)), "x")}, "observation.arm.1 is 'x', not an array of numbers"),
        (OBS | {"eye": OBS["eye"] + 0.5}, "observation.eye is float64 from 0.5 to 0.5, not bytes"),
        (OBS | {"arm": (np.zeros((4, 2, 2)), 1)}, r"observation.arm.1 holds one observation, observation.arm.0 \(4,\)"),
        (OBS | {"eye": np.zeros((2, 3, 8, 8, 3), np.uint8)}, "observation.eye has 2 axes of examples"),
    ],
)
def test_observations_that_do_not_fit(obs, message):
    with pytest.raises(Misfit, match=message):
        as_batch(SPACE, obs)
