"""Checks of whole episodes: returns, lengths, copies, time limits, overlap with other data."""

import hashlib
from collections import Counter

import numpy as np

from imitax.datasets.doctor.report import Finding
from imitax.datasets.episode import Dataset, Episode
from imitax.datasets.faults import ends_at_limit, registered_limit
from imitax.observations import named

OUTLIER = 5.0
"""Deviations (1.48 times the median absolute one) from the median that make an outlier."""
SHOWN = 5


def returns(data: Dataset) -> Finding:
    """Whether all demonstrations are about equally good."""
    if not data.has_rewards:
        return Finding("returns", "unknown", "no rewards are recorded, so nothing says how good the episodes are")
    values = data.returns
    low = [i for i in _outliers(values) if values[i] < np.median(values)]
    text = f"{values.mean():.6g} ± {values.std():.3g} ({values.min():.6g} to {values.max():.6g})"
    if low:
        text += f"; episodes {_list(low)} are far worse than the rest: imitation copies them too, so drop them"
    return Finding("returns", "look" if low else "good", text, {"low": low})


def lengths(data: Dataset) -> Finding:
    """Whether some episodes are much shorter than the rest."""
    values = data.lengths
    odd = [i for i in _outliers(values) if values[i] < np.median(values)]
    tiny = [int(i) for i in np.flatnonzero(values < 5)]
    text = f"{len(values)} episodes of {values.min()} to {values.max()} steps, {values.sum()} in all"
    if odd or tiny:
        text += f"; episodes {_list(sorted({*odd, *tiny}))} are very short: broken recordings?"
    return Finding("lengths", "look" if odd or tiny else "good", text, {"short": sorted({*odd, *tiny})})


def copies(data: Dataset) -> Finding:
    """Episodes that are recorded twice."""
    counts = Counter(_digest(e) for e in data.episodes)
    repeated = sum(n - 1 for n in counts.values())
    if not repeated:
        return Finding("copies", "good", "no episode is recorded twice", {"repeated": 0})
    text = f"{repeated} of {len(data.episodes)} episodes are exact copies of others; they count double, and held-out "
    return Finding("copies", "problem", text + "errors are too good: drop them", {"repeated": repeated})


def time_limits(data: Dataset) -> Finding:
    """Terminations that look like a time limit."""
    at = ends_at_limit(data.episodes, registered_limit(data.env_id))
    terminated = sum(e.terminated for e in data.episodes)
    text = f"{terminated} of {len(data.episodes)} episodes terminated, the others were cut"
    if not at:
        return Finding("time limits", "good", text, {"suspected": 0})
    text += (
        f"; {len(at)} of them after exactly {max(data.lengths)} steps, the most there are: a time limit is no "
        "termination (--repair)"
    )
    return Finding("time limits", "look", text, {"suspected": len(at)})


def leakage(data: Dataset, other: Dataset | None) -> Finding:
    """Episodes and states that two datasets share."""
    if other is None:
        return Finding("leakage", "unknown", "give --against a test set to compare with")
    there = {_digest(e) for e in other.episodes}
    shared = [i for i, e in enumerate(data.episodes) if _digest(e) in there]
    rows = {row for e in other.episodes for row in _rows(e)}
    mine = [row in rows for e in data.episodes for row in _rows(e)[1:]]
    share = float(np.mean(mine))
    values = {"episodes": shared, "share": share}
    if not shared and share < 0.01:
        return Finding("leakage", "good", f"no episode and {share:.1%} of the states are shared", values)
    text = f"{len(shared)} episodes ({_list(shared) or 'none whole'}) and {share:.0%} of the states are in both"
    return Finding("leakage", "problem", text + ": errors on the other data are no test", values)


def _outliers(values: np.ndarray) -> list[int]:
    middle = np.median(values)
    spread = 1.48 * np.median(np.abs(values - middle))
    far = np.abs(values - middle) > np.maximum(OUTLIER * spread, 0.1 * np.abs(middle))
    return [int(i) for i in np.flatnonzero(far)]


def _digest(episode: Episode) -> bytes:
    digest = hashlib.sha256()
    for _, leaf in named(episode.observations):
        digest.update(leaf.tobytes())
    digest.update(b"" if episode.actions is None else episode.actions.tobytes())
    return digest.digest()


def _rows(episode: Episode) -> list[bytes]:
    """The bytes of each observation; images, which are long, by their digest."""
    leaves = [leaf.reshape(len(leaf), -1) for _, leaf in named(episode.observations)]
    rows = [b"".join(leaf[t].tobytes() for leaf in leaves) for t in range(len(episode) + 1)]
    return rows if sum(leaf.shape[1] for leaf in leaves) < 64 else [hashlib.sha256(row).digest() for row in rows]


def _list(places: list[int]) -> str:
    more = len(places) - SHOWN
    return ", ".join(map(str, places[:SHOWN])) + (f" and {more} more" if more > 0 else "")
