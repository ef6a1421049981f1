"""How good a learned reward is: compared with the known one on several sets of episodes, and by what it prefers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from imitax.datasets.episode import Dataset
from imitax.errors import ConfigError, DataError, unknown
from imitax.rewards.distances import bootstrap, discounted_steps, pearson, require_discount, spearman, starc
from imitax.rewards.ranking import kendall, learned_returns, margins
from imitax.rewards.samples import RewardFunction, Samples
from imitax.statistics import Estimate

MOST = 20_000
"""Transitions of a set that are looked at; of a larger one, whole episodes from all over it."""


def samples_of(data: Dataset) -> tuple[Samples, np.ndarray]:
    """Transitions of whole episodes, at most about MOST, and their recorded rewards.

    Raises:
        DataError: observations are not flat, or actions or rewards are missing.
    """
    first = data.episodes[0].observations
    if not (isinstance(first, np.ndarray) and first.ndim == 2 and first.dtype.kind == "f"):
        raise DataError(f"{data.name}: rewards are judged on flat observations of numbers")
    if data.episodes[0].actions is None or not data.has_rewards:
        raise DataError(f"{data.name}: rewards are judged on episodes with actions and recorded rewards")
    share = min(1.0, MOST / data.transition_count)
    count = max(1, round(share * len(data.episodes)))
    chosen = np.unique(np.linspace(0, len(data.episodes) - 1, count).round().astype(int))
    part = Dataset(tuple(data.episodes[i] for i in chosen), name=data.name)
    flat = part.transitions()
    episode = np.repeat(np.arange(len(part.episodes)), part.lengths)
    obs, following = (np.asarray(x, np.float32) for x in (flat.obs, flat.next_obs))
    taken = np.concatenate([np.asarray(e.actions) for e in part.episodes])
    return Samples(obs, taken, following, np.asarray(flat.terminated) > 0, episode), np.asarray(flat.reward, np.float64)


def judge(
    reward: RewardFunction,
    data: Mapping[str, Dataset],
    *,
    expert: str | None = None,
    gamma: float = 0.99,
    after_end: float | None = 0.0,
    seed: int = 0,
) -> dict[str, Any]:  # over 50 lines for its docstring
    """Compare a reward with the recorded one.

    Args:
        reward: to be judged; its scale does not matter.
        data: sets of episodes by name, whose recorded rewards are the truth: the more they differ in quality, the more
            the ranking says.
        expert: which of them are demonstrations; margins are taken on these.
        gamma: discount factor of the STARC distance.
        after_end: the reward's own value of a step after the end (`LearnedReward.after_end`); None for that of the
            terminating step, repeated.
        seed: of bootstraps, features and disturbances.

    Returns:
        `sets`: for each set `transitions`, `episodes`, the means of both returns, `pearson`, `spearman` and `starc`.
        `all`: the same three over all sets, and `kendall`: the rank correlation of the trajectories' returns under
        both, over all sets. `kendall` is also in each set. `margins` of the demonstrations, for actions that are
        numbers. Estimates are value, low and high of a 95 % bootstrap interval over episodes.

    Raises:
        ConfigError: gamma is not in [0, 1).
        DataError: there are no sets, they differ in shape or lack actions or rewards, `expert` is none of them, or the
            reward is not one finite number for each transition.
    """
    require_discount(gamma)
    if not data:
        raise DataError("a reward is judged on at least one set of episodes")
    if expert is not None and expert not in data:
        raise DataError(unknown("set", repr(expert), list(data)))
    gathered = {name: samples_of(episodes) for name, episodes in data.items()}
    given = {name: _given(name, samples, reward) for name, (samples, _) in gathered.items()}
    horizon = max(int(np.bincount(samples.episode).max()) for samples, _ in gathered.values())
    truth, learned = {}, {}
    for name, (samples, known) in gathered.items():
        truth[name] = learned_returns(known, samples.episode, samples.terminated)
        learned[name] = learned_returns(given[name], samples.episode, samples.terminated, after_end, horizon)
    sets, ends = {}, (gamma, after_end)
    for name, (samples, known) in gathered.items():
        about = {"transitions": len(known), "episodes": len(truth[name])}
        about |= {"return": float(truth[name].mean()), "learned_return": float(learned[name].mean())}
        sets[name] = about | _agreement(samples, given[name], known, ends, seed)
        sets[name]["kendall"] = kendall(learned[name], truth[name], seed)
    everything = _joined([samples for samples, _ in gathered.values()])
    known = np.concatenate([rewards for _, rewards in gathered.values()])
    overall = _agreement(everything, np.concatenate(list(given.values())), known, ends, seed)
    overall["kendall"] = kendall(np.concatenate(list(learned.values())), np.concatenate(list(truth.values())), seed)
    samples = gathered[expert][0] if expert is not None else None
    told = [] if samples is None or samples.action.dtype.kind != "f" else margins(samples, reward, seed=seed)
    return {"sets": sets, "all": overall, "margins": told}


def _given(name: str, samples: Samples, reward: RewardFunction) -> np.ndarray:
    try:
        return samples.under(reward)
    except (ConfigError, DataError) as error:
        raise type(error)(f"{name}: {error}") from error


def _agreement(
    samples: Samples, given: np.ndarray, known: np.ndarray, ends: tuple[float, float | None], seed: int
) -> dict[str, Estimate]:
    """How rewards [B] go together with known ones. `ends`: gamma, and `after_end`."""

    def over(statistic: Callable[[np.ndarray, np.ndarray], float]) -> Estimate:
        return bootstrap(samples.episode, lambda rows: statistic(given[rows], known[rows]), seed)

    gamma, after_end = ends
    received = given + (discounted_steps(samples, gamma) - 1) * (given if after_end is None else after_end)
    return {"pearson": over(pearson), "spearman": over(spearman), "starc": starc(samples, received, known, gamma, seed)}


def _joined(sets: list[Samples]) -> Samples:
    """All sets as one, whose episodes have numbers of their own."""
    counts = np.cumsum([0, *(int(samples.episode.max()) + 1 for samples in sets)])
    shifted = [s._replace(episode=s.episode + first) for s, first in zip(sets, counts, strict=False)]
    return Samples(*(np.concatenate(columns) for columns in zip(*shifted, strict=True)))
