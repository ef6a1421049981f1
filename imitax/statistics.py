"""Scores across seeds: the interquartile mean with its interval, and the two ways to normalise a return.

A seed's score is the mean over its evaluation episodes; everything here is taken across seeds, after Agarwal et al.,
"Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Num

from imitax.errors import DataError

Scores = Num[np.ndarray, " N"] | Sequence[float | int]

D4RL_REFERENCES: dict[str, tuple[float, float]] = {
    "hopper": (-20.27, 3234.3),
    "halfcheetah": (-280.18, 12135.0),
    "walker2d": (1.63, 4592.3),
    "ant": (-325.6, 3879.7),
}
"""Mean return of a random and of an expert policy by task (Fu et al. 2020, https://arxiv.org/abs/2004.07219)."""
REFERENCE_NAMES = ("ref_min_score", "ref_max_score")


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, whose ends are NaN where there are too few seeds or episodes for one."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval is there and lies on one side of 0."""
        return self.low > 0 or self.high < 0


def iqm(scores: Scores) -> float:
    """Interquartile mean of one score per seed: the mean without the lowest and the highest quarter.

    A quarter is rounded down, so that fewer than four seeds give the plain mean. A NaN among the scores gives NaN: a
    diverged seed must not pass for an outlier. Raises DataError when there are no scores.
    """
    from scipy import stats  # imported where it is used: it takes longer than the start of a run

    values = np.asarray(scores, np.float64)
    if not len(values):
        raise DataError("there are no scores to average")
    return float("nan") if np.isnan(values).any() else float(stats.trim_mean(values, 0.25))


def interval(scores: Scores, *, confidence: float = 0.95, seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """Percentile bootstrap interval of the IQM across seeds, in the unit of the scores.

    Returns (nan, nan) for fewer than three seeds or when a score is not finite. With three to five seeds the bootstrap
    cannot see the tails, so the interval is too narrow: read it as a lower bound on the uncertainty.
    """
    from scipy import stats  # as above

    values = np.asarray(scores, np.float64)
    if len(values) < 3 or not np.isfinite(values).all():
        return float("nan"), float("nan")
    bootstrap = stats.bootstrap(
        (values,),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        n_resamples=resamples,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(bootstrap.confidence_interval.low), float(bootstrap.confidence_interval.high)


def d4rl_score(env_id: str, return_mean: float) -> float | None:
    """D4RL score: 0 for the random policy's return, 100 for the expert's; None for a task without references.

    The task is the environment's name before its version, so `Hopper-v5` counts as hopper although the references
    were measured on D4RL's own version of it.
    """
    references = _references(env_id)
    if references is None:
        return None
    random, expert = references
    return 100 * (return_mean - random) / (expert - random)


def reference_scores(env_id: str) -> dict[str, str]:
    """The references as Minari names them in a dataset's metadata; nothing for a task without any."""
    references = _references(env_id)
    return {} if references is None else dict(zip(REFERENCE_NAMES, map(str, references), strict=True))


def _references(env_id: str) -> tuple[float, float] | None:
    return D4RL_REFERENCES.get(env_id.split("-v")[0].lower())


def expert_fraction(return_mean: float, expert_return: float | None) -> float | None:
    """Return as a fraction of the demonstrations' mean return.

    None without demonstrations, and when their mean return is not positive: there a ratio means nothing, since the
    worse of two negative returns would have the higher one.
    """
    if expert_return is None or not expert_return > 0:
        return None
    return return_mean / expert_return


def summarise(per_seed: Mapping[int, float | None], env_id: str, expert_return: float | None) -> dict[str, Any]:
    """What to report for one mean return per seed: mean, IQM, interval and both normalised scores.

    `interval` is the 95 % bootstrap interval of `iqm` (low, high); `expert_fraction` and `d4rl` are of the IQM, each
    followed by its interval, and None where they are not defined. `per_seed` holds the same for each seed. A score of
    None, as JSON files have it for a diverged seed, counts as NaN. Raises DataError when there are no seeds.
    """

    def normalised(value: float) -> dict[str, float | None]:
        return {"expert_fraction": expert_fraction(value, expert_return), "d4rl": d4rl_score(env_id, value)}

    per_seed = {seed: float("nan") if score is None else score for seed, score in per_seed.items()}
    scores = list(per_seed.values())
    centre = iqm(scores)
    low, high = interval(scores)
    ends = normalised(low), normalised(high)
    return {
        "return_mean": float(np.mean(scores)),
        "iqm": centre,
        "interval": (low, high),
        **normalised(centre),
        **{f"{name}_interval": None if ends[0][name] is None else (ends[0][name], ends[1][name]) for name in ends[0]},
        "per_seed": [{"seed": seed, "return_mean": score, **normalised(score)} for seed, score in per_seed.items()],
    }
