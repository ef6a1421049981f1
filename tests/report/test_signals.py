"""Diagnoses of training metrics, over records whose verdict is known."""

import numpy as np
import pytest

from imitax.report import signals
from imitax.report.series import About, at_end, series

BOX = About(3, 3 * float(np.log(2)), False, True)
"""Three actions between -1 and 1, of a run that acts to learn."""


def lines(kind="train", **metrics):
    """A record a step, 100 apart, of metrics with a value each or one for all."""
    count = max(len(v) if isinstance(v, list) else 1 for v in metrics.values())
    each = {name: v if isinstance(v, list) else [v] * count for name, v in metrics.items()}
    return [
        {"kind": kind, "step": 100 * (i + 1), "seed": 0, "wall_s": 0.0} | {name: v[i] for name, v in each.items()}
        for i in range(count)
    ]


def verdict(check, records, about=BOX):
    found = check(records, about)
    return None if found is None else found.verdict


def test_series():
    steps, values = series([*lines(q=[1.0, None, 3.0])[::-1], {"step": 5, "q": [1]}], "q")
    np.testing.assert_array_equal(steps, [100, 200, 300])
    np.testing.assert_array_equal(values, [1, np.nan, 3])
    assert at_end(np.arange(10.0)) == 8.5
    assert at_end(np.array([7.0])) == 7
    assert np.isnan(at_end(np.zeros(0)))


def test_finite():
    assert verdict(signals.finite, lines(loss=[1.0, 2.0])) == "good"
    found = signals.finite(lines(loss=[1.0, None, 3.0], q=1.0), BOX)
    assert (found.verdict, found.values) == ("problem", {"step": 200})
    assert found.text.startswith("loss became not a finite number by step 200")
    assert verdict(signals.finite, lines("eval", d4rl=[None, None])) is None  # an evaluation may have nulls


@pytest.mark.parametrize(
    ("accuracy", "saturation", "expected"),
    [(0.999, 0.8, "problem"), (0.99, 0.2, "look"), (0.99, 0.02, "good"), (0.7, 0.6, "good"), (0.51, 0.0, "look")],
)
def test_discriminator(accuracy, saturation, expected):
    assert verdict(signals.discriminator, lines(accuracy=[0.5, 0.5, accuracy], saturation=saturation)) == expected


def test_a_policy_as_good_as_the_demonstrations_cannot_be_told_apart():
    records = lines(accuracy=0.5, saturation=0.0) + lines("eval", expert_fraction=0.95)
    assert verdict(signals.discriminator, records) == "good"
    assert verdict(signals.discriminator, lines(q=1.0)) is None


def gaussian(std):
    return 3 * (np.log(std) + 0.5 * np.log(2 * np.pi * np.e))


@pytest.mark.parametrize(("std", "expected"), [(0.5, "good"), (0.03, "good"), (0.015, "problem")])
def test_entropy_of_a_box(std, expected):
    found = signals.entropy(lines(entropy=[2.0, 1.0, gaussian(std)]), BOX)
    assert found.verdict == expected
    assert f"{100 * std:.3g} % of half their range" in found.text


def test_entropy_in_other_cases():
    narrow = lines(entropy=[2.0, gaussian(0.001)])
    assert verdict(signals.entropy, narrow, About(3, BOX.uniform_entropy, False, False)) == "look"  # offline
    assert verdict(signals.entropy, narrow + lines("eval", expert_fraction=0.9)) == "good"  # an expert may be narrow
    assert verdict(signals.entropy, lines(entropy=[2.0, None])) == "problem"
    assert verdict(signals.entropy, narrow, About()) is None  # nothing known of the actions
    wide = About(3, 3 * float(np.log(20)), False, True)  # the same policy in a box ten times as large
    assert signals.entropy(lines(entropy=gaussian(0.5)), wide).text.count("5 % of half") == 1
    finite = About(1, float(np.log(4)), True, True)
    assert verdict(signals.entropy, lines(entropy=0.001), finite) == "problem"
    assert "among 4 actions" in signals.entropy(lines(entropy=float(np.log(4))), finite).text


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ([1.0, 10, 100, 1000, 10000, 100000], "problem"),
        ([-1.0, -10, -20, -40, -60, -80], "look"),
        ([1.0, 50, 90, 100, 100, 101], "good"),
        ([1e-6, 1e-6, 1e-6, 1e-5, 1e-4, 1e-3], "good"),
        ([1.0, 2, 3, 4, None, 5], "problem"),
        ([1.0, 2.0], "unknown"),
    ],
)
def test_q(q, expected):
    assert verdict(signals.q_values, lines(q_max=q, q=1.0)) == expected


def test_q_under_its_other_names():
    assert verdict(signals.q_values, lines(q_expert=[1.0, 1, 1, 1])) == "good"
    assert verdict(signals.q_values, lines(nll=1.0)) is None


@pytest.mark.parametrize(
    ("alpha", "expected"), [([0.1, 20.0], "problem"), ([0.001, 0.5], "good"), ([0.01, 0.01], "good"), ([1.0], None)]
)
def test_temperature(alpha, expected):
    assert verdict(signals.temperature, lines(alpha=alpha)) == expected


@pytest.mark.parametrize(("error", "expected"), [(0.95, "problem"), (0.5, "look"), (0.1, "good"), (None, "problem")])
def test_model(error, expected):
    assert verdict(signals.model, lines(model_mse=[1.0, error])) == expected
    assert verdict(signals.model, lines(model_error=[1.0, error])) == expected
    assert verdict(signals.model, lines(q=1.0)) is None
