"""Whether the members of an ensemble of rewards disagree where the reward is wrong."""

from collections.abc import Mapping

import numpy as np

from imitax.datasets.episode import Dataset
from imitax.errors import DataError
from imitax.rewards.distances import bootstrap, spearman
from imitax.rewards.judging import samples_of
from imitax.rewards.samples import RewardFunction
from imitax.statistics import Estimate


def calibration(
    reward: RewardFunction, deviation: RewardFunction, data: Mapping[str, Dataset], *, seed: int = 0
) -> dict[str, Estimate]:
    """Rank correlation of the members' deviation with the error of the reward.

    Positive scale and offset of a learned reward mean nothing: the error is what a least-squares fit of it to the
    recorded reward leaves, one fit over all sets. A reward that opposes the recorded one explains nothing of it. 1 says
    that the error is larger wherever the members disagree more, 0 that their disagreement says nothing of it.

    Args:
        reward: the members' mean.
        deviation: their standard deviation on a transition.
        data: sets of episodes by name, with recorded rewards.
        seed: of the bootstrap.

    Returns:
        For each set, and for all together as "all": value, low and high of a 95 % bootstrap interval over episodes. NaN
        where the deviation or the error is constant.

    Raises:
        DataError: there are no sets, one lacks actions or rewards, or something is not finite.
    """
    if not data or "all" in data:
        raise DataError("a reward is judged on at least one set of episodes, and none may be named all")
    parts = []
    for name, episodes in data.items():
        samples, known = samples_of(episodes)
        given, spread = samples.under(reward), samples.under(deviation)
        if not (np.isfinite(given).all() and np.isfinite(spread).all()):
            raise DataError(f"{name}: the reward, or its deviation, is not finite")
        parts.append((samples.episode, given, spread, known))
    given, known = (np.concatenate([part[i] for part in parts]) for i in (1, 3))
    centred = given - given.mean()
    slope = max(float(centred @ known) / max(float(centred @ centred), 1e-12), 0.0)
    offset = known.mean() - slope * given.mean()

    found, first, whole = {}, 0, []
    for name, (episode, mine, spread, truth) in zip(data, parts, strict=True):
        error = np.abs(truth - slope * mine - offset)
        found[name] = _correlation(episode, spread, error, seed)
        whole.append((episode + first, spread, error))
        first += int(episode.max()) + 1
    episode, spread, error = (np.concatenate(column) for column in zip(*whole, strict=True))
    return found | {"all": _correlation(episode, spread, error, seed)}


def _correlation(episode: np.ndarray, spread: np.ndarray, error: np.ndarray, seed: int) -> Estimate:
    return bootstrap(episode, lambda rows: spearman(spread[rows], error[rows]), seed)
