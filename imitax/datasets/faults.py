"""Faults of recording that make wrong transitions of right numbers: found, counted, explained, mended on request."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import gymnasium as gym
import numpy as np

from imitax.datasets.episode import Episode
from imitax.datasets.jumps import FEW, Episodes, Jumps, jumps_of
from imitax.errors import DataError, DataWarning
from imitax.observations import joined, occupied, rows

LIMITED = 3
"""Episodes that end at one and the same length before a time limit is suspected."""


@dataclass
class Mend:
    """Whether to mend what is found, and what was."""

    wanted: bool = False
    said: list[str] = field(default_factory=list)

    def fault(self, found: str, mending: str) -> None:
        """Something that is wrong: refused, or noted as mended. `mending` says how, in the infinitive."""
        if not self.wanted:
            raise DataError(f"{found}; repair=True, --repair on the command line, will {mending}")
        self.said.append(f"{found}: repaired, to {mending}")

    def doubt(self, found: str, mending: str) -> None:
        """Something that looks wrong: a warning, or noted as mended."""
        if self.wanted:
            self.said.append(f"{found}: repaired, to {mending}")
        else:
            warnings.warn(DataWarning(f"{found}; if so, repair=True (--repair) will {mending}"), stacklevel=2)


def mended(episodes: Episodes, mend: Mend, limit: int | None = None) -> Episodes:
    """The episodes without what recorders are known to get wrong.

    Args:
        episodes: in the order of recording.
        mend: whether to mend.
        limit: time limit of the task, where it is known.

    Raises DataError for a fault that is not to be mended; doubts are warnings.
    """
    filled = _some(_zero_ends(_some(_padding(episodes, mend)), mend))
    jumps = jumps_of(filled)
    episodes = _some(_resets(filled, jumps, mend))
    if episodes is not filled:
        jumps = jumps_of(episodes)
    episodes = _some(_next_episodes(episodes, jumps, mend))
    return _time_limits(episodes, mend, limit)


def _some(episodes: Episodes) -> Episodes:
    if not episodes:
        raise DataError("no transition is left after the repair")
    return episodes


def registered_limit(env_id: str | None) -> int | None:
    """Time limit of an environment that is registered; nothing is imported."""
    spec = gym.registry.get(env_id) if env_id is not None else None
    return None if spec is None else spec.max_episode_steps


def ends_at_limit(episodes: Sequence[Episode], limit: int | None = None) -> tuple[int, ...]:
    """Indices of episodes whose end looks like a time limit that is flagged as a termination.

    These are all episodes of the greatest length, if they all terminated and none of them is truncated.
    """
    longest = max(map(len, episodes))
    at = tuple(i for i, e in enumerate(episodes) if len(e) == longest)
    certain = longest == limit
    enough = len(at) >= (1 if certain else LIMITED) and longest >= (1 if certain else FEW)
    return at if enough and all(episodes[i].terminated and not episodes[i].truncated for i in at) else ()


def _padding(episodes: Episodes, mend: Mend) -> Episodes:
    """Rows of zeros after the end of an episode, as arrays of one fixed length have them."""
    tails = [_zero_tail(episode) for episode in episodes]
    padded = [i for i, tail in enumerate(tails) if tail > 1]
    if not padded or not any(occupied(e.observations).any() for e in episodes):
        return episodes
    rewarded = [e.rewards[: len(e) - t] for e, t in zip(episodes, tails, strict=True) if e.rewards is not None]
    sure = bool(rewarded) and bool(np.concatenate(rewarded).all())
    say = mend.fault if sure else mend.doubt
    say(
        f"{len(padded)} of {len(episodes)} episodes, first episode {padded[0]}, end with rows of zeros in observations "
        f"and actions ({sum(tails[i] for i in padded)} rows): these look like memory that was never filled",
        "drop these rows",
    )
    if not mend.wanted:
        return episodes
    return _without(episodes, {i: (0, tails[i]) for i in padded})


def _zero_tail(episode: Episode) -> int:
    """Transitions at the end whose observations, actions and rewards are zero; 0 if zero is also met before."""
    used = occupied(episode.observations)
    filled = int(np.flatnonzero(used)[-1]) + 1 if used.any() else 0
    if not used[:filled].all() or filled == len(used):
        return 0
    # the row before the zeros has a true action, and leads to a zero that is none
    arrays = [a[filled:] for a in (episode.actions, episode.rewards) if a is not None]
    return 0 if any(a.any() for a in arrays) else min(len(episode), len(episode) - filled + 1)


def _zero_ends(episodes: Episodes, mend: Mend) -> Episodes:
    """Final observations overwritten with zeros; `validate` refuses them."""
    zeroed = zeroed_ends(episodes) if mend.wanted else ()
    if not zeroed:
        return episodes
    mend.fault(f"{len(zeroed)} of {len(episodes)} final observations are all zero", "take them as unknown")
    return _unknown_ends(episodes, zeroed)


def zeroed_ends(episodes: Sequence[Episode]) -> tuple[int, ...]:
    """Episodes whose final observation is zero, where zero is met nowhere else: there it would be a state."""
    used = [occupied(episode.observations) for episode in episodes]
    return () if any(not u[:-1].all() for u in used) else tuple(i for i, u in enumerate(used) if not u[-1])


def _resets(episodes: Episodes, jumps: Jumps | None, mend: Mend) -> Episodes:
    """Rows that lead from the end of one episode to the start of the next."""
    if jumps is None:
        return episodes
    repeats = (jumps.gap == 0) & (jumps.first > jumps.usual) & (jumps.first > jumps.last)
    continued = (jumps.gap <= 1.5 * jumps.usual) & (jumps.first > 3 * jumps.usual) & _unrewarded(episodes[1:])
    if jumps.recorder(repeats, jumps.first):
        follows = repeats
    elif continued.sum() >= max(3, 0.8 * len(continued)):
        follows = continued
    else:
        return episodes
    found = np.flatnonzero(follows) + 1
    mend.fault(
        f"{len(found)} of {len(episodes)} episodes, first episode {found[0]}, begin with the end of the episode before "
        "and a jump to the true start: their first row is the reset of a vector environment, no step of the task",
        "drop these rows",
    )
    return _without(episodes, {int(i): (1, 0) for i in found})


def _next_episodes(episodes: Episodes, jumps: Jumps | None, mend: Mend) -> Episodes:
    """Final observations that are the first of the next episode."""
    if jumps is None:
        return episodes
    wrong = (jumps.gap == 0) & (jumps.last > jumps.usual) & (jumps.last >= jumps.first)
    if not jumps.recorder(wrong, jumps.last):
        return episodes
    found = np.flatnonzero(wrong)
    mend.fault(
        f"{len(found)} of {len(episodes)} episodes, first episode {found[0]}, end with the first observation of the "
        "next episode: the recorder read it after the environment had been reset",
        "take these final observations as unknown, which drops the last transition of truncated episodes",
    )
    return _unknown_ends(episodes, tuple(map(int, found)))


def _time_limits(episodes: Episodes, mend: Mend, limit: int | None) -> Episodes:
    at = ends_at_limit(episodes, limit)
    if not at:
        return episodes
    steps = len(episodes[at[0]])
    reason = "the task's time limit" if steps == limit else "the length of the longest, as a time limit leaves them"
    mend.doubt(
        f"{len(at)} of {len(episodes)} episodes are flagged as terminated after {steps} steps, {reason}; a time limit "
        "is no termination",
        "flag them as truncated",
    )
    if not mend.wanted:
        return episodes
    return tuple(replace(e, terminated=False, truncated=True) if i in at else e for i, e in enumerate(episodes))


def _unrewarded(episodes: Episodes) -> np.ndarray:
    return np.array([e.rewards is None or e.rewards[0] == 0 for e in episodes])


def _unknown_ends(episodes: Episodes, indices: Sequence[int]) -> Episodes:
    """Episodes without their final observations, as where none are recorded (see `arrays.split`)."""
    kept = []
    for i, e in enumerate(episodes):
        if i in indices and e.terminated:
            obs = joined(rows(e.observations, np.s_[:-1]), rows(e.observations, np.s_[-2:-1]))
            kept.append(replace(e, observations=obs))
        elif i in indices:
            kept.extend(_without((e,), {0: (0, 1)}))
        else:
            kept.append(e)
    return tuple(kept)


def _without(episodes: Episodes, cut: dict[int, tuple[int, int]]) -> Episodes:
    """Episodes without some transitions at their start and end; those left empty are dropped."""
    kept = []
    for i, e in enumerate(episodes):
        start, end = cut.get(i, (0, 0))
        stop = len(e) - end
        if stop <= start:
            continue
        parts = {k: None if (a := getattr(e, k)) is None else a[start:stop] for k in ("actions", "rewards")}
        kept.append(replace(e, observations=rows(e.observations, np.s_[start : stop + 1]), **parts))
    return tuple(kept)
