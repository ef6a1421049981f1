"""From plain arrays to episodes: what a file, or a user, calls them, and where episodes end."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from imitax.datasets.episode import Episode, located
from imitax.errors import DataError

NAMES = {
    "observations": ("observations", "observation", "obs"),
    "actions": ("actions", "action", "acts"),
    "rewards": ("rewards", "reward", "rews"),
    "next_observations": ("next_observations", "next_observation", "next_obs"),
    "final_observations": ("final_observations",),
    "terminals": ("terminals", "terminal", "terminations", "termination", "terminated"),
    "timeouts": ("timeouts", "timeout", "truncations", "truncation", "truncated"),
}
"""The field in D4RL's words, and what others call it."""

STEP = {"rtol": 1e-5, "atol": 1e-6, "equal_nan": True}
"""How closely next_observations[t] repeats observations[t + 1] within an episode; both may have been rounded."""


def split(fields: Mapping[str, Any]) -> tuple[Episode, ...]:  # over 50 lines: which columns say where episodes end
    """Cut flat arrays of N rows, one for each transition, into episodes.

    Args:
        fields: `observations` [N, O], `terminals` [N] and one of `timeouts` [N] and `next_observations` [N, O];
            optionally `actions` [N, A], `rewards` [N] and, instead of `next_observations`, `final_observations`
            [E, O] with one row for each episode. The other names in `NAMES` will do; other keys are ignored.

    An episode ends at a terminal or a timeout; without `timeouts`, also where next_observations[t] is not
    observations[t + 1]. The rows after the last end are one more, truncated episode. Where no final observation is
    recorded, the last transition of a truncated episode is dropped, because the value of its next observation
    would count, and that of a terminated episode repeats its last observation, because its value does not.

    Raises DataError when fields are missing or differ in length, when nothing is left, when the end of episodes
    cannot be known, or when `timeouts` are given and next_observations[t] is not observations[t + 1] without an end.
    """
    arrays = _canonical(fields)
    observations = _matrix(arrays, "observations")
    rows = len(observations)
    if rows == 0:
        raise DataError("the arrays are empty: they have no rows")
    for key in arrays.keys() - {"final_observations"}:
        if (length := len(arrays[key])) != rows:
            raise DataError(f"lengths differ: {rows} observations, {length} {key}")
    if "terminals" not in arrays:
        raise _missing("terminals", fields)
    terminals = _column(arrays, "terminals").astype(bool)
    timeouts = _column(arrays, "timeouts").astype(bool) if "timeouts" in arrays else np.zeros(rows, bool)
    ends = terminals | timeouts
    final = None
    if "next_observations" in arrays:
        following = _matrix(arrays, "next_observations")
        if following.shape != observations.shape:
            raise DataError(f"next_observations have shape {following.shape}, observations {observations.shape}")
        jumps = ~np.isclose(following[:-1], observations[1:], **STEP).all(axis=1) & ~ends[:-1]
        if "timeouts" in arrays and jumps.any():
            row = int(jumps.argmax())
            raise DataError(
                f"row {row}: next_observations[{row}] is not observations[{row + 1}], yet neither terminals nor "
                f"timeouts end an episode there ({jumps.sum()} such rows); the file is corrupt, or its timeouts are "
                "incomplete: leave timeouts out to cut episodes at these rows"
            )
        ends[:-1] |= jumps
        final = following[_last_rows(ends)]
    elif "timeouts" not in arrays and "final_observations" not in arrays:
        raise DataError(
            "neither timeouts nor next_observations are given, so it cannot be known where a time limit cut an "
            "episode; pass timeouts (all False if there was no time limit)"
        )
    elif "final_observations" in arrays:
        final = _matrix(arrays, "final_observations")
    last = _last_rows(ends)
    if final is not None and final.shape != (len(last), observations.shape[1]):
        raise DataError(
            f"final_observations must have shape {(len(last), observations.shape[1])}, one row for each episode, "
            f"got {final.shape}"
        )
    episodes = []
    for index, (first, end) in enumerate(zip(np.r_[0, last[:-1] + 1], last, strict=True)):
        # without a final observation: the last row again when the MDP ended there, else nothing
        tail = observations[end : end + terminals[end]] if final is None else final[index : index + 1]
        stop = end + len(tail)
        if stop == first:
            continue  # a lone truncated row without its next observation holds no transition
        with located(f"episode {index} (rows {first} to {end})"):
            episodes.append(
                Episode(
                    observations=np.concatenate([observations[first : end + 1], tail]),
                    actions=arrays["actions"][first:stop] if "actions" in arrays else None,
                    rewards=_column(arrays, "rewards")[first:stop] if "rewards" in arrays else None,
                    terminated=bool(terminals[end]),
                    truncated=bool(timeouts[end]),
                )
            )
    if not episodes:
        raise DataError("the dataset is empty: no transition has a known next observation; record next_observations")
    return tuple(episodes)


def episode(fields: Mapping[str, Any]) -> Episode:
    """One episode from named arrays.

    Args:
        fields: `observations` [T+1, O], or [T, O] beside `next_observations` [T, O]; `terminated`, a bool or
            flags [T]; optionally `truncated` alike, `actions` [T, A] and `rewards` [T]. The other names in `NAMES`
            will do. T observations without their next ones are treated as in `split`.

    Raises DataError when observations or `terminated` are missing, when a flag is set before the last row,
    or when lengths differ.
    """
    arrays = _canonical(fields)
    observations = _matrix(arrays, "observations")
    per_step = (len(arrays[key]) for key in ("actions", "rewards", "next_observations") if key in arrays)
    steps = next(per_step, len(observations) - 1)
    if "terminals" not in arrays:
        raise _missing("terminals", fields)
    terminated, truncated = (_end_flag(arrays, key, steps) for key in ("terminals", "timeouts"))
    if len(observations) == steps > 0:  # the final observation is not among them
        at_end = np.arange(steps) == steps - 1
        (whole,) = split(arrays | {"terminals": at_end & terminated, "timeouts": at_end & truncated})
        return whole
    return Episode(observations, arrays.get("actions"), arrays.get("rewards"), terminated, truncated)


def _canonical(fields: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The known fields as arrays, under their names in D4RL."""
    arrays = {}
    for key, names in NAMES.items():
        given = [name for name in names if fields.get(name) is not None]
        if len(given) > 1:
            raise DataError(f"{' and '.join(given)} are the same field; give one")
        for name in given:
            if isinstance(fields[name], Mapping):
                raise DataError(f"{name} is a dict; concatenate its parts into one array [time, size]")
            try:
                arrays[key] = np.asarray(fields[name])
            except ValueError as error:  # ragged
                raise DataError(f"{name} are not an array of numbers: {error}") from error
            if arrays[key].ndim == 0:
                if key not in ("terminals", "timeouts"):
                    raise DataError(f"{name} must be an array, got {fields[name]!r}")
                arrays[key] = arrays[key][None]
    return arrays


def _missing(key: str, fields: Mapping[str, Any]) -> DataError:
    meaning = ""
    if key == "terminals":
        meaning = (
            " (did the MDP end, other than by a time limit? `dones` mix both: split them into terminals and timeouts)"
        )
    return DataError(f"no {key}{meaning} among {', '.join(sorted(map(str, fields))) or 'no fields at all'}")


def _matrix(arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    if key not in arrays:
        raise _missing(key, arrays)
    if arrays[key].ndim != 2 or arrays[key].dtype.kind not in "fiub":
        raise DataError(f"{key} must be numbers of shape [time, size], got {arrays[key].dtype} {arrays[key].shape}")
    return arrays[key]


def _column(arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    """[N] from [N], or from the [N, 1] of some older D4RL files."""
    array = arrays[key]
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim != 1:
        raise DataError(f"{key} must have shape [time], got {array.shape}")
    return array


def _last_rows(ends: np.ndarray) -> np.ndarray:
    """The last row of each episode; the rows after the last flagged end are an episode too."""
    return np.union1d(np.flatnonzero(ends), len(ends) - 1)


def _end_flag(arrays: Mapping[str, np.ndarray], key: str, steps: int) -> bool:
    """Whether an episode ends with this flag, from one bool or from one for each step; False where it is missing."""
    flags = _column(arrays, key).astype(bool) if key in arrays else np.zeros(1, bool)
    if len(flags) == 1:
        return bool(flags[0])
    if len(flags) != steps:
        raise DataError(f"lengths differ: {steps} steps, {len(flags)} {key}")
    if flags[:-1].any():
        raise DataError(
            f"{key} is set at row {int(flags.argmax())}, before the last row {steps - 1}: split the episode there"
        )
    return bool(flags[-1])
