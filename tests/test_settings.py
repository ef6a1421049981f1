"""Ranges of settings: what they contain, what they say, and that they are checked wherever settings are made."""

import copy
import math
from dataclasses import FrozenInstanceError, replace
from typing import Annotated, Literal

import pytest

from imitax.algorithms import ALGORITHMS
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.td_loss import TdLoss
from imitax.config import override
from imitax.errors import ConfigError
from imitax.settings import Count, NonNegative, Positive, Range, Share, ShareBelowOne, settings


@pytest.mark.parametrize(
    ("allowed", "inside", "outside", "text"),
    [
        (Range(0.0), [0.0, 3.5, math.inf], [-1e-9, math.nan], "not be negative"),
        (Range(0.0, open_low=True), [1e-9, 7.0], [0.0, -1.0], "be positive"),
        (Range(1.0), [1.0, 2.0], [0.5, 0.0], "be at least 1"),
        (Range(0.0, 1.0), [0.0, 0.5, 1.0], [-0.1, 1.1], "lie in [0, 1]"),
        (Range(0.0, 1.0, open_high=True), [0.0, 0.99], [1.0], "lie in [0, 1)"),
        (Range(0.0, 1.0, open_low=True, open_high=True), [0.5], [0.0, 1.0], "lie in (0, 1)"),
    ],
)
def test_a_range_by_hand(allowed, inside, outside, text):
    assert all(x in allowed for x in inside)
    assert not any(x in allowed for x in outside)
    assert str(allowed) == text


@settings("toy")
class Toy:
    rate: Positive = 1.0
    decay: NonNegative = 0.0
    count: Count = 1
    share: Share = 0.5
    gamma: ShareBelowOne = 0.9
    clip: Positive | None = None
    size: Annotated[int, Range(2.0, 4.0)] = 3
    kind: Literal["a", "b"] = "a"

    def __post_init__(self):
        if self.kind == "b" and self.clip is None:
            raise ConfigError("kind=b needs a clip")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": 0.0}, "toy.rate must be positive, got 0.0"),
        ({"rate": math.nan}, "toy.rate must be positive, got nan"),
        ({"decay": -1.0}, "toy.decay must not be negative, got -1.0"),
        ({"count": 0}, "toy.count must be at least 1, got 0"),
        ({"share": 1.5}, r"toy.share must lie in \[0, 1\], got 1.5"),
        ({"gamma": 1.0}, r"toy.gamma must lie in \[0, 1\), got 1.0"),
        ({"clip": 0.0}, "toy.clip must be positive, got 0.0"),
        ({"size": 5}, r"toy.size must lie in \[2, 4\], got 5"),
        ({"kind": "c"}, "toy.kind must be one of a, b, got 'c'"),
        ({"kind": "b"}, "kind=b needs a clip"),
    ],
)
def test_values_outside_their_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        Toy(**values)
    with pytest.raises(ConfigError, match=f"^{message}$"):
        replace(Toy(), **values)


def test_values_inside_are_kept():
    made = Toy(clip=2.0, kind="b", gamma=0.0)
    assert (made.clip, made.kind, made.gamma) == (2.0, "b", 0.0)
    with pytest.raises(FrozenInstanceError):
        made.rate = 2.0


def forced(cfg, **values):
    """Check a configuration with values that the checks of types in the tests would refuse before."""
    cfg = copy.copy(cfg)
    for name, value in values.items():
        object.__setattr__(cfg, name, value)
    cfg.__post_init__()


REFUSED = [
    (lambda: forced(TdLoss(), kind="mse"), "td_loss.kind must be one of squared, huber, got 'mse'"),
    (lambda: GradientPenalty(weight=-1.0), "gradient_penalty.weight must not be negative, got -1.0"),
    (
        lambda: forced(ALGORITHMS["bc"].Config(), precision="float16"),
        "precision must be one of float32, bfloat16, got 'float16'",
    ),
    (lambda: change("bc", batch_size=0), "batch_size must be at least 1, got 0"),
    (lambda: change("sac", gamma=1.5), r"gamma must lie in \[0, 1\], got 1.5"),
    (lambda: change("sac", **{"td_loss.delta": 0.0}), "td_loss.delta must be positive, got 0.0"),
    (lambda: change("mbpo", **{"model_rollouts.horizon": 0}), "model_rollouts.horizon must be at least 1, got 0"),
]


def change(name, **changes):
    return override(ALGORITHMS[name].Config(), **changes)


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=lambda x: x[:20] if isinstance(x, str) else "")
def test_settings_of_the_package_are_refused_alike(make, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        make()
