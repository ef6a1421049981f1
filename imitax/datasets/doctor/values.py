"""Checks of numbers: dimensions that say nothing, saturated actions, jumps, standing still, coverage."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from imitax.datasets.doctor.report import Finding
from imitax.datasets.doctor.samples import Rows
from imitax.datasets.episode import Dataset
from imitax.spaces import LARGEST_BOUND

CONSTANT = 1e-6
"""Range of a constant dimension, as a share of its largest value."""
SAME = 1 - 1e-6
"""Correlation of two dimensions that say the same."""
SATURATED = 0.01
"""Distance from a bound, as a share of the range, that counts as at the bound."""
RARE = 0.01
"""Share below which an action of a finite set is rare."""
JUMP = 20.0
"""Times the usual step of a dimension (its 90th percentile) that make a jump."""
STILL = 1e-3
"""Size of a step, as a share of the usual one, below which nothing moved."""
FAR = 20.0
"""Steps between a state and its neighbour in other episodes, above which they share no region."""
PROBES = 1000
SHOWN = 5


def constant(rows: Rows) -> Finding:
    """Dimensions that never change."""
    found = {what: _constant(array) for what, array in rows.named().items()}
    names = {"observations": rows.obs_column, "actions": str}
    said = [f"{what} {_list([names[what](d) for d in dims])}" for what, dims in found.items() if dims]
    if not said:
        return Finding("constant", "good", "every dimension varies", found)
    text = f"{'; '.join(said)} never change: nothing is learned from them, and at test time they are unknown ground"
    return Finding("constant", "look", text, found)


def duplicated(rows: Rows) -> Finding:
    """Dimensions that are multiples of each other, and observations that hold the action."""
    obs = [d for d in range(rows.obs.shape[1]) if d not in _constant(rows.obs)]
    actions = [d for d in range(rows.action.shape[1]) if d not in _constant(rows.action)]
    columns = np.concatenate([rows.obs[:, obs], rows.action[:, actions]], axis=1)
    if columns.shape[1] < 2 or len(columns) < 10:
        return Finding("duplicated", "unknown", "too few dimensions or rows to compare")
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    alike = np.argwhere(np.triu(np.abs(scaled.T @ scaled / len(scaled)) > SAME, 1))
    names = [f"obs {rows.obs_column(d)}" for d in obs] + [f"action {d}" for d in actions]
    pairs = [(names[i], names[j]) for i, j in alike]
    leaks = [pair for pair in pairs if pair[0][0] != pair[1][0]]
    if not pairs:
        return Finding("duplicated", "good", "no two dimensions say the same", {"pairs": []})
    text = "; ".join(f"{a} and {b}" for a, b in pairs[:SHOWN]) + " are the same up to scale"
    if leaks:
        text += ": the observation holds the action that is to be predicted, so a policy learns nothing else"
    return Finding("duplicated", "problem" if leaks else "look", text, {"pairs": pairs})


def saturated(data: Dataset, rows: Rows) -> Finding:
    """Actions at their limits."""
    if not data.has_actions:
        return Finding("saturation", "unknown", "no actions are recorded")
    named = data.action_low is not None and data.action_high is not None
    limits = np.array([data.action_low, data.action_high] if named else np.inf, np.float64)
    given = bool((np.abs(limits) < LARGEST_BOUND).all())
    low, high = limits if given else np.array([rows.action.min(axis=0), rows.action.max(axis=0)], np.float64)
    margin = SATURATED * (high - low)
    at = (rows.action <= low + margin) | (rows.action >= high - margin)
    share = np.where(high > low, at.mean(axis=0), 0.0)
    worst = int(share.argmax())
    whose = "the limits" if given else "the extremes of the data (no limits are given)"
    text = f"{share.mean():.0%} of action values are at {whose}, most in dimension {worst} ({share[worst]:.0%})"
    if share[worst] <= 0.2:
        return Finding("saturation", "good", text, {"share": share.tolist()})
    return Finding(
        "saturation", "look", text + ": clipped on recording, or bang-bang control", {"share": share.tolist()}
    )


def counts(data: Dataset) -> Finding:
    """How often each action of a finite set is taken."""
    actions, parts, rare = data.actions, [], []
    shares: list[dict[int, float]] = []
    for dim, column in enumerate(actions.T):
        known, number = np.unique(column, return_counts=True)
        share = {int(value): float(n / len(column)) for value, n in zip(known, number, strict=True)}
        shares.append(share)
        which = f"action {dim}: " if actions.shape[1] > 1 else ""
        parts.append(which + ", ".join(f"{value} in {s:.1%}" for value, s in list(share.items())[:10]))
        rare += [value for value, s in share.items() if s < RARE]
    text = "; ".join(parts[:SHOWN]) + (f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else "")
    if any(len(share) == 1 for share in shares):
        return Finding("actions", "look", text + ": one that never changes teaches nothing", {"share": shares})
    if rare:
        return Finding("actions", "look", text + f": less than {RARE:.0%} is little to learn from", {"share": shares})
    return Finding("actions", "good", text, {"share": shares})


def jumps(data: Dataset, rows: Rows) -> Finding:
    """Steps within an episode that are far larger than usual."""
    change = np.abs(rows.next_obs - rows.obs)
    usual = np.quantile(change, 0.9, axis=0)
    usual = np.where(usual > 0, usual, np.inf)  # a dimension that seldom changes does so by switching
    far = (change > JUMP * usual).any(axis=1)
    places = [f"episode {rows.episode[i]} row {rows.step[i]}" for i in np.flatnonzero(far)[:SHOWN]]
    if not places:
        return Finding("jumps", "good", "no step within an episode is far larger than the others", {"count": 0})
    text = f"{far.sum()} steps are over {JUMP:g} times the usual one: {', '.join(places)}; a lost packet, a wrapped "
    return Finding("jumps", "look", text + "angle, a reset within an episode?", {"count": int(far.sum())})


def still(rows: Rows) -> Finding:
    """Share of steps in which nothing moved."""
    scale = rows.obs.std(axis=0)
    size = np.linalg.norm((rows.next_obs - rows.obs) / np.where(scale > 0, scale, 1.0), axis=1)
    moving = size[size > 0]
    share = float((size <= STILL * np.median(moving)).mean()) if len(moving) else 1.0
    text = f"{share:.0%} of the steps change nothing"
    if share > 0.2:
        text += ": a policy that copies them waits for ever; trim pauses before and after the task"
    return Finding("standing still", "look" if share > 0.2 else "good", text, {"share": share})


def coverage(data: Dataset, rows: Rows) -> Finding:
    """Whether the states of one episode are near those of others."""
    spread = rows.scaled_obs()
    variance = np.linalg.eigvalsh(np.cov(spread.T).reshape(spread.shape[1], -1))
    effective = float(variance.sum() ** 2 / max((variance**2).sum(), 1e-12))
    text = f"states vary in {effective:.1f} of {spread.shape[1]} directions"
    if len(data.episodes) < 2:
        return Finding("coverage", "unknown", text + "; one episode says nothing about others", {"ratio": None})
    probes = np.linspace(0, len(spread) - 1, min(PROBES, len(spread))).astype(int)
    half = rows.episode % 2 == 1
    trees = (KDTree(spread[~half]), KDTree(spread[half]))
    away = np.zeros(len(probes))
    for side in (0, 1):
        mine = half[probes] == bool(side)
        if mine.any() and trees[1 - side].n:
            away[mine] = trees[1 - side].query(spread[probes[mine]])[0]
    following = np.linalg.norm(rows.scaled(rows.next_obs) - spread, axis=1)
    ratio = float(np.median(away) / max(np.median(following), 1e-12))
    text += f"; the nearest state in other episodes is {min(ratio, 9999):.2g} steps away"
    if ratio > FAR:
        text += ": episodes visit regions of their own, so each is learned from little"
    return Finding("coverage", "look" if ratio > FAR else "good", text, {"ratio": ratio, "directions": effective})


def _constant(array: np.ndarray) -> list[int]:
    if not len(array):
        return []
    size = np.maximum(np.abs(array).max(axis=0), 1e-12)
    return [int(d) for d in np.flatnonzero(np.ptp(array, axis=0) <= CONSTANT * size)]


def _list(dims: Sequence[str]) -> str:
    more = len(dims) - 10
    return ", ".join(dims[:10]) + (f" and {more} more" if more > 0 else "")
