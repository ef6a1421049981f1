"""Whether a reward prefers what is better: trajectories by their return, and the expert's actions to others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imitax.rewards.distances import bootstrap
from imitax.rewards.samples import RewardFunction, Samples, Vector
from imitax.statistics import Estimate


@dataclass(frozen=True)
class Margin:
    """By how much demonstrated actions are preferred to disturbed ones."""

    noise: float
    """Standard deviation of the disturbance, in half-widths of the actions' range."""
    preferred: Estimate
    """Share of the transitions where the demonstrated action has the higher reward."""
    margin: Estimate
    """Mean difference, in standard deviations of the demonstrations' rewards."""


def learned_returns(
    rewards: np.ndarray,
    episode: np.ndarray,
    terminated: np.ndarray,
    after_end: float | None = 0.0,
    horizon: int | None = None,
) -> np.ndarray:
    """Sum of rewards of each episode [E].

    Args:
        rewards: of the transitions.
        episode: which episode each is of, counted from 0.
        terminated: whether the task ended there.
        after_end: reward of every step after the end, which an ended episode receives up to the horizon; None for that
            of its terminating step. Without it a reward that is negative everywhere would prefer whoever falls first.
        horizon: steps of the longest episode; that of these if None.
    """
    count = int(episode.max()) + 1
    sums, steps = np.bincount(episode, rewards, count), np.bincount(episode, minlength=count)
    ended = np.bincount(episode, terminated, count) > 0
    longest = steps.max() if horizon is None else horizon
    each = np.bincount(episode, rewards * terminated, count) if after_end is None else after_end
    return sums + np.where(ended, np.maximum(longest - steps, 0) * each, 0.0)


def kendall(first: Vector, second: Vector, seed: int = 0) -> Estimate:
    """Kendall's tau-b of two scores of the same trajectories, with its interval when these are drawn anew; NaN of fewer
    than two."""
    from scipy.stats import kendalltau

    x, y = np.asarray(first), np.asarray(second)
    if len(x) < 2:
        return Estimate(float("nan"), float("nan"), float("nan"))
    return bootstrap(np.arange(len(x)), lambda rows: float(np.asarray(kendalltau(x[rows], y[rows]))[0]), seed)


def margins(
    samples: Samples, reward: RewardFunction, noises: Sequence[float] = (0.1, 0.3, 1.0), seed: int = 0
) -> list[Margin]:
    """How a reward tells demonstrated actions from the same with Gaussian noise, clipped to the actions' range.

    Terminating steps are left out: some rewards see the end there, and not the action. The next observation stays the
    recorded one, since no simulator is asked. Of a reward that sees states alone, and of
    actions that are all the same, there are no margins: the list is empty.
    """
    rng = np.random.default_rng(seed)
    low, high = samples.action.min(0), samples.action.max(0)
    samples = Samples(*(x[~samples.terminated] for x in samples))
    if not len(samples.action):
        return []
    clean = samples.under(reward)
    scale = max(float(clean.std()), 1e-12)
    others = rng.permutation(len(samples.action))
    if np.array_equal(samples._replace(action=samples.action[others]).under(reward), clean):
        return []
    found = []
    for noise in noises:
        shift = noise * (high - low) / 2 * rng.normal(size=samples.action.shape)
        disturbed = samples._replace(action=np.clip(samples.action + shift, low, high).astype(samples.action.dtype))
        gain = (clean - disturbed.under(reward)) / scale
        preferred = bootstrap(samples.episode, lambda rows, gain=gain: float((gain[rows] > 0).mean()), seed)
        found.append(
            Margin(noise, preferred, bootstrap(samples.episode, lambda rows, g=gain: float(g[rows].mean()), seed))
        )
    return found
