"""Diagnoses of evaluations, over records whose verdict is known, and of runs with several seeds."""

import pytest

from imitax.report import progress
from imitax.report.diagnose import diagnose, headline
from imitax.report.series import About

ANY = About()


def evaluations(*returns, expert=100.0, **more):
    each = [{name: values[i] for name, values in more.items()} for i in range(len(returns))]
    return [
        {"kind": "eval", "step": 100 * (i + 1), "seed": 0, "wall_s": 0.0, "return_mean": r}
        | ({} if r is None else {"returns": [r - 2, r + 2], "expert_fraction": r / expert if expert else None})
        | each[i]
        for i, r in enumerate(returns)
    ]


def verdict(check, records):
    found = check(records, ANY)
    return None if found is None else found.verdict


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (evaluations(1.0, 2, 3), "problem"),
        (evaluations(1.0, 50, 3), "good"),
        (evaluations(-100.0, -99, -98, expert=None), "problem"),  # within 2 x 2 of the first
        (evaluations(-100.0, -90, -98, expert=None), "good"),
        (evaluations(5.0, expert=None), "unknown"),
        (evaluations(None, None, validation_error=[0.5, 0.49]), "problem"),
        (evaluations(None, None, train_error=[0.5, 0.2]), "good"),
        ([], None),
    ],
)
def test_start(records, expected):
    assert verdict(progress.start, records) == expected


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ((10.0, 90, 95, 20), "problem"),
        ((10.0, 90, 95, 60), "look"),
        ((10.0, 90, 95, 94), "good"),
        ((90.0, 95, 93, 90), "good"),  # near-perfect from the start: what little it gained is no measure
        ((-1000.0, -200, -150, -800), "problem"),
        ((10.0, 90, 95, None), "problem"),
        ((10.0, 90), None),
        ((0.0, 0, 0, 0), None),
    ],
)
def test_kept(returns, expected):
    assert verdict(progress.kept, evaluations(*returns)) == expected


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ((0.0, 10, 20, 30, 40), "look"),
        ((0.0, 80, 95, 96, 97), "good"),
        ((0.0, 80, 95, 96, 90), "good"),
        ((0.0, 9), None),
    ],
)
def test_finished(returns, expected):
    assert verdict(progress.finished, evaluations(*returns)) == expected
    errors = evaluations(*[None] * len(returns), validation_error=[1 - r / 100 for r in returns])
    assert verdict(progress.finished, errors) == expected


@pytest.mark.parametrize(
    ("held_out", "training", "likelihood", "expected"),
    [
        ([0.5, 0.2, 0.25], [0.5, 0.2, 0.1], [0.0, 1, 1], "problem"),
        ([0.5, 0.2, 0.22], [0.5, 0.2, 0.1], [0.0, 1, 1], "look"),
        ([0.5, 0.2, 0.2], [0.5, 0.2, 0.1], [0.0, 5, -100], "look"),  # C1: certain of actions that are as good
        ([0.5, 0.2, 0.25], [0.5, 0.2, 0.25], [0.0, 1, 1], "good"),  # both rise: it forgot, and did not overfit
        ([0.5, 0.2, 0.19], [0.5, 0.2, 0.1], [0.0, 1, 1.1], "good"),
    ],
)
def test_overfitted(held_out, training, likelihood, expected):
    records = evaluations(
        1.0,
        2,
        3,
        validation_action_error_mode=held_out,
        train_action_error_mode=training,
        validation_log_likelihood=likelihood,
    )
    assert verdict(progress.overfitted, records) == expected


def test_a_method_that_acts_need_not_copy_actions():
    records = evaluations(
        1.0, 2, 3, validation_action_error_mode=[0.5, 0.2, 0.9], train_action_error_mode=[0.5, 0.2, 0.1]
    )
    assert verdict(progress.overfitted, records) == "problem"
    assert progress.overfitted(records, About(online=True)) is None


def test_the_worst_seed_is_shown_and_counted():
    good, bad = evaluations(10.0, 90, 95, 94), evaluations(1.0, 2, 3, 3)
    found = diagnose({4: good, 5: bad, 6: good}, ANY)
    assert (found[0].name, found[0].verdict) == ("progress", "problem")
    assert found[0].text.endswith("(1 of 3 seeds; numbers of seed 5)")
    stable = next(finding for finding in found if finding.name == "stability")
    assert stable.text.endswith("(all seeds; numbers of seed 4)")
    assert headline(found) == "Problems: progress."
    assert headline(diagnose({4: good}, ANY)) == "No problem was found."
    assert headline(diagnose({4: evaluations(10.0, 90, 95, 60)}, ANY)) == "No problem. Worth a look: stability."
