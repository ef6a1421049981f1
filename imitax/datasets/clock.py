"""What the times of rows say of them: rows that are repeated, and where rows are missing."""

import numpy as np

from imitax.datasets.faults import Mend
from imitax.errors import DataError

FAR = 10.0
"""Usual steps after which any clock has a gap."""
SKIPPED = 1.9
"""Usual steps after which a clock of equal steps has one; a row that is missing makes two of them."""
EQUAL = 1e-3
"""How closely the steps of such a clock agree, relative to them."""
FEW = 3
"""Steps of an episode that say what is usual in it; with fewer, all episodes do."""


def check_times(time: np.ndarray, order: np.ndarray, starts: np.ndarray) -> None:
    """Raise DataError for two rows of one episode at one time.

    Args:
        time: of each row.
        order: of the rows.
        starts: where in it an episode begins.
    """
    same = (np.diff(time[order]) == 0) & ~starts[1:]
    if same.any():
        row, other = order[int(same.argmax()) : int(same.argmax()) + 2]
        raise DataError(
            f"rows {row} and {other} belong to one episode and have the same time ({int(same.sum())} such pairs): drop "
            "repeated rows; give an episode column if another episode begins there; or leave the time out: "
            'columns={"time": None}'
        )


def cut_at_gaps(time: np.ndarray, order: np.ndarray, starts: np.ndarray, name: str, mend: Mend) -> np.ndarray:
    """Where episodes begin, if they are cut where rows are missing; without repairs as before, with a warning.

    Args:
        time, order, starts: as of `check_times`.
        name: of the time, with its unit if that is not as written.
        mend: whether to cut.
    """
    gap, usual = gaps(time[order], starts)
    if not gap.any():
        return starts
    at = int(gap.argmax())
    cut = len(np.unique(np.cumsum(starts)[1:][gap]))
    mend.doubt(
        f"the time {name} grows by {np.diff(time[order])[at]:.6g} from row {order[at]} to row {order[at + 1]} of one "
        f"episode, where its usual step is {usual[at]:.6g} ({int(gap.sum())} such gaps, in {cut} of "
        f"{int(starts.sum())} episodes): rows look missing there, or another recording begins, and the step across is "
        "none of the task. Give every recording its own number in an episode column, or put the missing rows in",
        "cut episodes at these gaps",
    )
    return starts | np.r_[False, gap] if mend.wanted else starts


def gaps(time: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row [N] but the first, whether rows are missing before it; and the usual step of its episode.

    The usual step is the median. A gap is far longer; on a clock of equal steps, as counters and simulations have it,
    two steps are one.
    """
    inside = ~starts[1:]
    steps, episode = np.diff(time), np.cumsum(starts)[1:] - 1
    own, all_one = episode[inside], np.zeros(int(inside.sum()), np.intp)
    counts = np.bincount(own, minlength=int(starts.sum()))
    usual, regular = (
        np.where(counts < FEW, whole, each)
        for each, whole in zip(_clock(steps[inside], own, len(counts)), _clock(steps[inside], all_one, 1), strict=True)
    )
    times = steps / usual[episode]
    return inside & ((times > FAR) | (regular[episode] & (times > SKIPPED))), usual[episode]


def _clock(steps: np.ndarray, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """The median step of each group, the lower one of two, and whether at least half of its steps equal it."""
    counts = np.bincount(group, minlength=groups)
    ranked = steps[np.lexsort((steps, group))]
    middle = np.cumsum(counts) - counts + np.maximum(counts - 1, 0) // 2
    median = np.where(counts > 0, np.r_[ranked, np.inf][np.minimum(middle, len(ranked))], np.inf)
    equal = np.bincount(group[np.abs(steps - median[group]) <= EQUAL * median[group]], minlength=groups)
    return median, 2 * equal >= np.maximum(counts, 1)
