"""Estimates of scores across seeds and tasks, and of the differences of two methods.

After Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021): seeds are
resampled within each task (a stratified bootstrap), because tasks are chosen and seeds are drawn. All functions are
deterministic. A method's scores are one array of seeds for each task, the same tasks in the same order for all methods.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float

from imitax.errors import DataError
from imitax.statistics import Estimate

Strata = Sequence[Float[np.ndarray, " _N"]]
"""One score per seed [N] of each task."""

RESAMPLES = 2000
FEWEST = 3
"""Seeds of a task from which on there is an interval."""
ENUMERATED = 20_000
"""Ways to deal out the seeds up to which the permutation test is exact; beyond, as many are drawn."""


def iqm(scores: Strata) -> Estimate:
    """Interquartile mean over all seeds and tasks, with its stratified bootstrap interval."""
    return _estimate(lambda x: _middle(np.concatenate(x, axis=1)), scores)


def difference(a: Strata, b: Strata) -> Estimate:
    """IQM of `a` less that of `b`; both are resampled independently."""
    n = len(a)
    return _estimate(lambda x: _middle(np.concatenate(x[:n], 1)) - _middle(np.concatenate(x[n:], 1)), [*a, *b])


def mean(differences: Strata) -> Estimate:
    """Mean over tasks of the mean of paired differences, with its stratified bootstrap interval."""
    return _estimate(lambda x: np.mean([y.mean(1) for y in x], axis=0), differences)


def improvement(a: Strata, b: Strata) -> Estimate:
    """Probability that a random seed of `a` scores higher than one of `b`, averaged over tasks; ties count half."""
    n = len(a)
    return _estimate(lambda x: np.mean([_higher(p, q) for p, q in zip(x[:n], x[n:], strict=True)], axis=0), [*a, *b])


def wilson(successes: int, trials: int, z: float = 1.959963984540054) -> Estimate:
    """A rate with its Wilson score interval (Wilson 1927), which stays within 0 and 1 and works for few trials.

    Raises DataError for no trials, or for more successes than trials.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise DataError(f"a rate needs trials and at most as many successes, got {successes} of {trials}")
    rate = successes / trials
    centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return Estimate(rate, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def permutation_p(a: Strata, b: Strata) -> float:
    """Two-sided p of the hypothesis that `a` and `b` are the same, by the probability of improvement.

    The seeds of each task are dealt out to the two anew: with one task this is the exact Mann-Whitney test. NaN where a
    score is not finite.
    """
    if not all(np.isfinite(x).all() for x in (*a, *b)):
        return float("nan")
    observed = abs(float(np.mean([_higher(p[None], q[None])[0] for p, q in zip(a, b, strict=True)])) - 0.5)
    dealt = _dealt(a, b)
    hits = int((np.abs(dealt - 0.5) >= observed - 1e-12).sum())
    return hits / len(dealt) if _ways(a, b) <= ENUMERATED else (1 + hits) / (1 + len(dealt))


def smallest_p(a: Strata, b: Strata) -> float:
    """The p of two methods whose seeds do not overlap at all: no result can have a smaller one."""
    return 2 / _ways(a, b) if _ways(a, b) > 1 else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's (1979) correction of p values for their number; NaN stays NaN and counts."""
    values = np.asarray(ps, np.float64)
    order = np.argsort(values)
    corrected = np.maximum.accumulate(np.minimum(1.0, values[order] * np.arange(len(values), 0, -1)))
    result = np.empty(len(values))
    result[order] = corrected
    return np.where(np.isnan(values), np.nan, result).tolist()


def _estimate(statistic: Callable[[list[np.ndarray]], np.ndarray], strata: Strata) -> Estimate:
    """A statistic of samples [R, N] of each stratum: its value, and the percentile interval of its resamples."""
    value = float(statistic([x[None] for x in strata])[0])
    if min(map(len, strata)) < FEWEST or not all(np.isfinite(x).all() for x in strata):
        return Estimate(value, float("nan"), float("nan"))
    rng = np.random.default_rng(0)
    draws = statistic([x[rng.integers(0, len(x), (RESAMPLES, len(x)))] for x in strata])
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def _middle(samples: Float[np.ndarray, "R N"]) -> Float[np.ndarray, " R"]:
    """Mean of each row without its lowest and its highest quarter, rounded down; NaN for rows that hold one."""
    cut = samples.shape[1] // 4
    means = np.sort(samples, axis=1)[:, cut : samples.shape[1] - cut].mean(1)
    return np.where(np.isnan(samples).any(1), np.nan, means)


def _higher(a: Float[np.ndarray, "R N"], b: Float[np.ndarray, "R M"]) -> Float[np.ndarray, " R"]:
    """Share of pairs in which the first is higher, ties counting half; NaN where a score is."""
    p, q = a[:, :, None], b[:, None, :]
    share = ((p > q) + 0.5 * (p == q)).mean((1, 2))
    return np.where(np.isnan(a).any(1) | np.isnan(b).any(1), np.nan, share)


def _ways(a: Strata, b: Strata) -> int:
    """In how many ways the seeds can be dealt out to the two."""
    return int(np.prod([comb(len(p) + len(q), len(p)) for p, q in zip(a, b, strict=True)], dtype=object))


def _dealt(a: Strata, b: Strata) -> Float[np.ndarray, " K"]:
    """The probability of improvement for every way to deal out the seeds, or for a sample of them."""
    exact, rng = _ways(a, b) <= ENUMERATED, np.random.default_rng(0)
    total = np.zeros(1)
    for p, q in zip(a, b, strict=True):
        both, n = np.concatenate([p, q]), len(p)
        larger = (both[:, None] > both).sum(1) + 0.5 * (both[:, None] == both).sum(1) + 0.5  # ranks, ties shared
        if exact:
            sums = larger[np.array(list(combinations(range(len(both)), n)))].sum(1)
        else:
            sums = rng.permuted(np.tile(larger, (ENUMERATED, 1)), axis=1)[:, :n].sum(1)
        share = (sums - n * (n + 1) / 2) / (n * len(q))
        total = (total[:, None] + share).ravel() if exact else total + share
    return total / len(a)
