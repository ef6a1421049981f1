import numpy as np
import pytest
from scipy import stats

from imitax.errors import DataError
from imitax.statistics import D4RL_REFERENCES, d4rl_score, expert_fraction, interval, iqm, summarise


def test_iqm_is_the_mean_of_the_middle_half():
    assert iqm(range(1, 9)) == 4.5
    assert iqm([1, 2, 3, 1000]) == 2.5
    assert iqm(np.array([-1e9, 3.0, 5.0, 1e9], np.float32)) == 4
    assert iqm([1.0, 2.0, 6.0]) == 3  # under four seeds nothing is trimmed
    assert iqm([7.0]) == 7


def test_a_diverged_seed_is_not_trimmed_away():
    assert np.isnan(iqm([1.0, 2.0, 3.0, np.nan]))
    assert np.isnan(interval([1.0, 2.0, 3.0, np.nan])).all()
    with pytest.raises(DataError, match="no scores"):
        iqm([])


def test_interval_is_deterministic_and_holds_the_iqm():
    scores = np.random.default_rng(1).normal(3000, 200, 10)
    low, high = interval(scores)
    assert low < iqm(scores) < high
    assert interval(scores) == (low, high)
    assert interval(scores, seed=1) != (low, high)
    narrow_low, narrow_high = interval(scores, confidence=0.5)
    assert low < narrow_low < narrow_high < high
    shifted = interval(scores * 2 + 100)
    np.testing.assert_allclose(shifted, (2 * low + 100, 2 * high + 100))


def test_interval_is_the_percentile_bootstrap():
    scores = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    samples = np.random.default_rng(5).choice(scores, (20_000, 5))
    expected = np.quantile(stats.trim_mean(samples, 0.25, axis=1), [0.025, 0.975])
    np.testing.assert_allclose(interval(scores, resamples=20_000), expected, atol=0.35)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(200, 20))
    hits = [low < 0 < high for low, high in (interval(draw, resamples=500) for draw in draws)]
    assert 0.86 < np.mean(hits) <= 0.99


def test_interval_of_few_and_of_equal_scores():
    assert np.isnan(interval([1.0, 2.0])).all()
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_d4rl_scores():
    for task, (random, expert) in D4RL_REFERENCES.items():
        assert d4rl_score(f"{task}-v5", expert) == pytest.approx(100)
        assert d4rl_score(f"{task}-v5", random) == pytest.approx(0)
    assert d4rl_score("Hopper-v5", 3234.3) == pytest.approx(100)
    assert d4rl_score("HalfCheetah-v4", (12135.0 - 280.18) / 2) == pytest.approx(50)
    assert d4rl_score("Walker2d-v5", 4920.0) == pytest.approx(107.1, abs=0.1)
    assert d4rl_score("Pendulum-v1", -150.0) is None
    assert d4rl_score("AntMaze-v5", 1.0) is None


def test_expert_fraction():
    assert expert_fraction(1750.0, 3500.0) == 0.5
    assert expert_fraction(-10.0, 100.0) == -0.1
    assert expert_fraction(1750.0, None) is None
    assert expert_fraction(-300.0, -150.0) is None  # twice as bad is not 200 % of the expert
    assert expert_fraction(1.0, 0.0) is None


def test_summary():
    summary = summarise({seed: 1000.0 * seed for seed in range(1, 9)}, "Hopper-v5", 9000.0)
    assert summary["return_mean"] == summary["iqm"] == 4500
    assert summary["expert_fraction"] == 0.5
    assert summary["d4rl"] == d4rl_score("Hopper-v5", 4500.0)
    low, high = summary["interval"]
    assert summary["expert_fraction_interval"] == (low / 9000, high / 9000)
    assert summary["d4rl_interval"] == (d4rl_score("Hopper-v5", low), d4rl_score("Hopper-v5", high))
    assert summary["per_seed"][2] == {
        "seed": 3,
        "return_mean": 3000.0,
        "expert_fraction": 1 / 3,
        "d4rl": d4rl_score("Hopper-v5", 3000.0),
    }


def test_summary_of_one_seed_without_references():
    summary = summarise({4: -200.0}, "Pendulum-v1", -150.0)
    assert summary["iqm"] == -200
    assert np.isnan(summary["interval"]).all()
    for name in ("expert_fraction", "expert_fraction_interval", "d4rl", "d4rl_interval"):
        assert summary[name] is None
    assert summary["per_seed"] == [{"seed": 4, "return_mean": -200.0, "expert_fraction": None, "d4rl": None}]


def test_summary_of_a_diverged_seed():
    summary = summarise({0: 3000.0, 1: None}, "Hopper-v5", 3500.0)
    assert np.isnan([summary["return_mean"], summary["iqm"], summary["expert_fraction"], summary["d4rl"]]).all()
    assert summary["per_seed"][0]["return_mean"] == 3000
