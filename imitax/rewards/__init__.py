"""Judging learned rewards, and teaching new policies with them."""

from imitax.rewards.calibration import calibration
from imitax.rewards.distances import (
    canonical,
    epic,
    pearson,
    pearson_distance,
    spearman,
    starc,
    starc_distance,
)
from imitax.rewards.judging import judge, samples_of
from imitax.rewards.of_runs import evaluate_reward, retrain
from imitax.rewards.ranking import Margin, kendall, learned_returns, margins
from imitax.rewards.samples import Samples
from imitax.statistics import Estimate

__all__ = [
    "Estimate",
    "Margin",
    "Samples",
    "calibration",
    "canonical",
    "epic",
    "evaluate_reward",
    "judge",
    "kendall",
    "learned_returns",
    "margins",
    "pearson",
    "pearson_distance",
    "retrain",
    "samples_of",
    "spearman",
    "starc",
    "starc_distance",
]
