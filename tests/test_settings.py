"""Ranges of settings: what they contain, what they say, and that they are checked wherever settings are made."""

import copy
import math
from dataclasses import FrozenInstanceError, replace
from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
import pytest

from imitax.agents.actor_critic import SoftActorCritic
from imitax.algorithms import ALGORITHMS
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.td_loss import TdLoss
from imitax.config import Training, override
from imitax.errors import ConfigError
from imitax.settings import Count, NonNegative, Positive, Range, Share, ShareBelowOne, Units, settings


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


@settings("part")
class Part:
    lr: Positive = 1.0


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
    shift: float | None = None
    hidden: Units = (4, 4)
    deep: bool = False
    note: str | None = ""
    part: Part = Part()
    other: Part | None = None

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
        ({"rate": math.inf}, "toy.rate must be finite, got inf"),
        ({"clip": math.inf}, "toy.clip must be finite, got inf"),
        ({"shift": math.nan}, "toy.shift must be finite, got nan"),
        ({"hidden": (4, 0)}, r"toy.hidden must be at least 1, got \(4, 0\)"),
        ({"hidden": None}, "toy.hidden must be a list, got None"),
        ({"count": None}, "toy.count must be int, got None"),
        ({"kind": None}, "toy.kind must be one of a, b, got None"),
        ({"deep": "no"}, "toy.deep must be bool, got 'no'"),
        ({"deep": 1}, "toy.deep must be bool, got 1"),
        ({"deep": None}, "toy.deep must be bool, got None"),
        ({"note": 3}, "toy.note must be str, got 3"),
        ({"part": "big"}, "toy.part must be Part, got 'big'; its own settings are changed by their names"),
        ({"part": None}, "toy.part must be Part, got None; its own settings are changed by their names"),
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
    assert (Toy(hidden=()).hidden, Toy(note=None).note, Toy(other=Part()).other) == ((), None, Part())
    assert Toy(deep=np.True_).deep is True
    assert Toy(deep=jnp.asarray(False)).deep is False
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
    (lambda: change("bc", **{"policy.hidden": (8, 0)}), r"policy.hidden must be at least 1, got \(8, 0\)"),
    (lambda: forced(ALGORITHMS["bc"].Config(), normalize_obs="no"), "normalize_obs must be bool, got 'no'"),
    (lambda: forced(SoftActorCritic(), policy="big"), "policy must be PolicyConfig, got 'big'.*"),
    (lambda: forced(SoftActorCritic(), critic=None), "critic must be CriticConfig, got None.*"),
    (lambda: change("sac", **{"gamma.rate": 1}), "unknown setting gamma.rate; .*did you mean gamma.*"),
    (lambda: change("sac", **{"temperature.target_entropy": math.nan}), "temperature.target_entropy must be finite.*"),
    (lambda: change("ml_irl", **{"proximal.weight_min": 1.0}), r"proximal.weight_min \(1.0\) must not exceed .*"),
    (lambda: Training(seeds=(0, 2**32)), r"seeds must be at most 4294967295 \(32 bits\), got 4294967296"),
    (lambda: Training(seeds=(-1,)), "seeds must not be negative, got -1"),
    (lambda: forced(Training(), quiet="no"), "quiet must be bool, got 'no'"),
    (lambda: change("mbpo", **{"model_rollouts.horizon": 0}), "model_rollouts.horizon must be at least 1, got 0"),
]


def change(name, **changes):
    return override(ALGORITHMS[name].Config(), **changes)


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=lambda x: x[:20] if isinstance(x, str) else "")
def test_settings_of_the_package_are_refused_alike(make, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        make()
