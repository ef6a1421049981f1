"""How far apart two reward functions are, from samples: correlations, EPIC and STARC distances.

Potential shaping and positive scale change no optimal policy, so a distance between rewards must not see them:

    EPIC    D = sqrt((1 - corr(C_1, C_2)) / 2),
            C(s, a, s') = R(s, a, s') + E[gamma R(s', A, S') - R(s, A, S') - gamma R(S, A, S')]
            (Gleave et al. 2021, arXiv:2006.13900, definitions 4.1 and 4.7)
    STARC   D = |c_1 / |c_1| - c_2 / |c_2|| / 2,   c(s, a, s') = R(s, a, s') - V(s) + gamma V(s'),
            V the value of R under the policy that collected the samples
            (Skalse et al. 2024, arXiv:2309.15257, definitions 4 and 7, value-adjusted levelling)

Both lie between 0 (equivalent) and 1 (opposite). EPIC asks a reward for transitions that nobody made, so that both must
be functions. STARC asks for the recorded transitions alone: there a recorded reward is enough.

Differs from the papers: V is fitted by least-squares temporal differences (Bradtke and Barto 1996) on random Fourier
features, the same for both rewards, and what is left of potential shaping by this fit counts as distance. EPIC's sample
for A, S' is one for all transitions, as in the authors' code. Where an episode ended there is no s' to ask about. So a
constant potential, 0 after the end, is taken off first: it lowers rewards by L = E[R(S, A, S')], and those of the end
by L / (1 - gamma). This leaves C as above where no episode ended. Without it a potential would change the distance as
soon as one does; what is left of it then is the difference of its means over the sample for S' and over all
transitions. At an end the error of L counts 1 / (1 - gamma) times, so that L is taken over LEVEL_ROWS draws.
"""

from collections.abc import Callable, Sequence

import numpy as np

from imitax.errors import ConfigError
from imitax.rewards.samples import RewardFunction, Samples, Vector, finite, rewards_of
from imitax.statistics import Estimate

FEATURES = 256
"""Random features of the values that STARC subtracts."""
FLAT = 1e-8
"""Rewards with a standard deviation below this share of their largest value are constant."""
NOTHING = 1e-7
"""A canonical form whose norm is below this share of the rewards' own is that of rewards that prefer nothing."""
LEVEL_ROWS = 50_000
"""Draws of S, A and S' for the mean reward L of the EPIC distance, at least."""
ROWS_PER_FEATURE = 20
"""Transitions for each feature of the values, at least, so that these cannot explain the rewards themselves."""


def pearson(first: Vector, second: Vector) -> float:
    """Linear correlation; NaN where one of them is constant."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if _is_flat(x) or _is_flat(y):
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def spearman(first: Vector, second: Vector) -> float:
    """Correlation of ranks; NaN where one of them is constant."""
    from scipy.stats import rankdata

    if _is_flat(np.asarray(first)) or _is_flat(np.asarray(second)):
        return float("nan")
    return pearson(rankdata(first), rankdata(second))


def pearson_distance(first: Vector, second: Vector) -> float:
    """`sqrt((1 - corr) / 2)`, between 0 and 1."""
    return float(np.sqrt((1 - pearson(first, second)) / 2))


def starc_distance(first: Vector, second: Vector) -> float:
    """Of two vectors that are canonical: half the distance of their directions. A vector of zeros has none of its own:
    its distance to another is 1/2, and to zeros 0."""
    directions = []
    for vector in (np.asarray(first, np.float64), np.asarray(second, np.float64)):
        norm = np.linalg.norm(vector)
        directions.append(vector / norm if norm > 0 else vector)
    return float(np.linalg.norm(directions[0] - directions[1]) / 2)


def canonical(samples: Samples, rewards: Vector, gamma: float, seed: int = 0) -> np.ndarray:
    """STARC's form of recorded rewards [B]: `r - V(s) + gamma V(s')`, V of the policy that collected them.

    Args:
        samples: where the rewards were given.
        rewards: of these transitions.
        gamma: discount factor, below 1.
        seed: draws the random Fourier features, which V has beside a constant and, if there are enough transitions,
            the observations: at most FEATURES.

    Raises:
        ConfigError: gamma is not in [0, 1).
    """
    require_discount(gamma)
    here, there = _features(samples, seed)
    after = gamma * np.where(samples.terminated[:, None], 0.0, there)
    matrix = here.T @ (here - after)
    scale = np.trace(here.T @ here) / len(matrix)
    steps = discounted_steps(samples, gamma)
    leveled = np.asarray(rewards, np.float64) - steps * (np.sum(rewards) / steps.sum())
    weights = np.linalg.solve(matrix + 1e-9 * scale * np.eye(len(matrix)), here.T @ leveled)
    form = leveled - (here - after) @ weights
    return form if np.linalg.norm(form) > NOTHING * np.linalg.norm(rewards) else np.zeros_like(form)


def starc(samples: Samples, first: Vector, second: Vector, gamma: float, seed: int = 0) -> Estimate:
    """STARC distance of two rewards of the same recorded transitions.

    Raises:
        ConfigError: gamma is not in [0, 1).
        DataError: a reward is not finite.
    """
    c = [canonical(samples, finite(r), gamma, seed=seed) for r in (first, second)]
    return bootstrap(samples.episode, lambda rows: starc_distance(c[0][rows], c[1][rows]), seed)


def epic(
    samples: Samples, first: RewardFunction, second: RewardFunction, gamma: float, pool: int = 64, seed: int = 0
) -> Estimate:
    """EPIC distance of two reward functions on recorded transitions.

    A and S' are drawn, independently of each other, from the recorded actions and next observations.

    Args:
        samples: at most 2,000 of them are used, drawn at random.
        first: a reward function.
        second: another.
        gamma: discount factor, below 1. Nothing is received after an end.
        pool: how many A, S' the expectations are taken over.
        seed: draws samples and pool.

    Raises:
        ConfigError: gamma is not in [0, 1), or the pool is empty.
        DataError: a reward is not finite, or not one number for each transition.
    """
    require_discount(gamma)
    if pool < 1:
        raise ConfigError(f"pool must be at least 1, got {pool}")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(samples.obs))[:2000])
    some = Samples(*(x[rows] for x in samples))
    actions = samples.action[rng.integers(len(samples.obs), size=pool)]
    successors = samples.next_obs[rng.integers(len(samples.obs), size=pool)]
    c = [_epic_canonical(some, r, gamma, (actions, successors), _level(samples, r, seed)) for r in (first, second)]
    return bootstrap(some.episode, lambda rows: pearson_distance(c[0][rows], c[1][rows]), seed)


def bootstrap(
    episode: np.ndarray, statistic: Callable[[np.ndarray], float], seed: int = 0, resamples: int = 200
) -> Estimate:
    """A statistic of transitions (it takes their rows) with its percentile interval when episodes are drawn anew.

    With fewer than three episodes the interval is NaN, and so it is where the statistic is.
    """
    value = statistic(np.arange(len(episode)))
    ids = np.unique(episode)
    if len(ids) < 3 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    rows_of = [np.flatnonzero(episode == i) for i in ids]
    drawn = [
        statistic(np.concatenate([rows_of[i] for i in rng.integers(len(ids), size=len(ids))])) for _ in range(resamples)
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def _epic_canonical(
    samples: Samples, reward: RewardFunction, gamma: float, pool: tuple[np.ndarray, np.ndarray], level: float
) -> np.ndarray:
    given = samples.under(reward) - level * discounted_steps(samples, gamma)
    after = np.where(samples.terminated, 0.0, _mean_from(samples.next_obs, reward, *pool) - level)
    return given + gamma * after - (_mean_from(samples.obs, reward, *pool) - level)


def _level(samples: Samples, reward: RewardFunction, seed: int) -> float:
    """L. S and S' are the same next observations in another order, so that a potential phi adds (gamma - 1) E[phi]."""
    rng, means = np.random.default_rng(seed), []
    size = len(samples.obs)
    for _ in range(-(-LEVEL_ROWS // size)):
        of_s, of_a, of_next = (rng.permutation(size) for _ in range(3))
        asked = samples.next_obs[of_s], samples.action[of_a], samples.next_obs[of_next]
        means.append(rewards_of(reward, *asked, np.zeros(size, bool)).mean())
    return float(np.mean(means))


def _mean_from(obs, reward: RewardFunction, actions, successors) -> np.ndarray:
    """Mean reward of A, S' from each observation [B]."""
    total = np.zeros(len(obs))
    for action, successor in zip(actions, successors, strict=True):
        repeated = np.repeat(np.asarray(action)[None], len(obs), 0), np.repeat(successor[None], len(obs), 0)
        total += rewards_of(reward, obs, *repeated, np.zeros(len(obs), bool))
    return total / len(actions)


def _features(samples: Samples, seed: int) -> Sequence[np.ndarray]:
    """A constant, the standardised observations, and cosines of random projections of them, here and next [B F]."""
    mean, std = samples.obs.mean(0), samples.obs.std(0)
    rng = np.random.default_rng(seed)
    size, most = samples.obs.shape[1], len(samples.obs) // ROWS_PER_FEATURE - 1
    linear = size <= most
    count = max(0, min(FEATURES, most - size * linear))
    frequency, phase = rng.normal(size=(size, count)) / np.sqrt(size), rng.uniform(0, 2 * np.pi, count)
    both = []
    for obs in (samples.obs, samples.next_obs):
        x = np.clip((obs - mean) / np.where(std > 0, std, 1.0), -10, 10)
        parts = [np.ones((len(x), 1)), *([x] if linear else []), np.cos(x @ frequency + phase)]
        both.append(np.concatenate(parts, axis=1))
    return both


def discounted_steps(samples: Samples, gamma: float) -> Vector:
    """How many steps a transition stands for, discounted: itself, and of an end all that follow it."""
    return np.where(samples.terminated, 1 / (1 - gamma), 1.0)


def require_discount(gamma: float) -> None:
    """Refuse a discount factor of endless sums that do not converge. Raises ConfigError."""
    if not 0 <= gamma < 1:
        raise ConfigError(f"gamma must be at least 0 and below 1, got {gamma}")


def _is_flat(x: np.ndarray) -> bool:
    return bool(x.std() <= FLAT * max(np.abs(x).max(), 1e-300))
