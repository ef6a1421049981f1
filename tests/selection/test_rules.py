"""Which evaluation a rule takes, and where a rule cannot be used."""

import dataclasses

import pytest

from imitax.errors import ConfigError
from imitax.selection import PolicyChoice
from imitax.selection.rules import RULES, Facts, check_rule, choose, why_not

ALL = Facts(env=True, demonstrations=True, held_out=True, learned_reward=True, images=False)


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ("last", 40),
        ("best", 20),
        ("validation", 20),
        ("validation_error", 30),
        ("learned_reward", 20),
        ("agreement", 30),
    ],
)
def test_the_best_score_is_taken_and_of_equal_ones_the_latest(rule, step):
    assert choose(rule, [10, 20, 30, 40], [5.0, 7.0, -1.0, None]) == step
    if rule != "last":  # `which="best"` is the earliest
        latest = 10 if rule == "best" else 20
        assert choose(rule, [10, 20, 30, 40], [3.0, 3.0, float("nan"), None]) == latest


def test_no_finite_score():
    with pytest.raises(ConfigError, match="the rule agreement has no finite score"):
        choose("agreement", [10, 20], [float("nan"), None])


@pytest.mark.parametrize(
    ("lacks", "refused"),
    [
        ("env", {"best", "learned_reward", "agreement"}),
        ("demonstrations", {"validation", "validation_error", "agreement"}),
        ("held_out", {"validation", "validation_error"}),
        ("learned_reward", {"learned_reward"}),
    ],
)
def test_what_a_rule_needs(lacks, refused):
    assert [rule for rule in RULES if why_not(rule, ALL)] == []
    assert {rule for rule in RULES if why_not(rule, dataclasses.replace(ALL, **{lacks: False}))} == refused


def test_images_have_no_distance():
    assert {r for r in RULES if why_not(r, dataclasses.replace(ALL, images=True))} == {"agreement"}


def test_an_unknown_rule():
    with pytest.raises(ConfigError, match=r"unknown rule 'agrement'; .*did you mean agreement"):
        check_rule("agrement")


def test_where_every_return_is_0_none_is_the_best():
    lines = [{"step": 10, "return_mean": 0.0}, {"step": 20, "return_mean": 0.0}]
    choice = PolicyChoice("last", {0: 20}, {0: lines}, {})
    assert choice.known == ["last"]
    with pytest.raises(ConfigError, match="the rule best has no finite score"):
        choice.by("best")
    assert PolicyChoice("last", {0: 20}, {0: [*lines, {"step": 30, "return_mean": -1.0}]}, {}).by("best") == {0: 10}
