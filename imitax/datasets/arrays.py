"""From plain arrays to episodes: what a file, or a user, calls them, and where episodes end."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from imitax.datasets.episode import Episode, located
from imitax.datasets.faults import Mend
from imitax.datasets.flags import flags, numbers
from imitax.datasets.grouping import by_episode, raw, vector
from imitax.datasets.leaves import as_observations, check_alike, check_final, check_known, grouped, is_pytree, same_rows
from imitax.datasets.names import EPISODES, NAMES, OBSERVED, warn_unread
from imitax.errors import DataError
from imitax.observations import count, joined, rows


def split(
    fields: Mapping[str, Any], mend: Mend | None = None
) -> tuple[Episode, ...]:  # over 50 lines: which columns say where episodes end
    """Cut flat arrays of N rows, one for each transition, into episodes.

    Args:
        fields: `observations` [N, O], `terminals` [N] and one of `timeouts` [N] and `next_observations` [N, O];
            optionally `actions` [N, A], `rewards` [N] and, instead of `next_observations`, `final_observations`
            [E, O] with one row for each episode. Observations may be dicts and tuples of arrays, also under names such
            as `observations/pixels`. Instead of the flags, a name of `EPISODES` will do: rows of one episode need not
            be adjacent then, and all episodes are truncated. The other names in `NAMES` will do; other keys are
            ignored.
        mend: cuts episodes where the next observation is another, whatever `timeouts` say, if repairs are wanted.

    An episode ends at a terminal or a timeout; without `timeouts`, also where next_observations[t] is not
    observations[t + 1]. The rows after the last end are one more, truncated episode. Where no final observation is
    recorded, the last transition of a truncated episode is dropped, because the value of its next observation
    would count, and that of a terminated episode repeats its last observation, because its value does not.

    Raises DataError when fields are missing or differ in length, when nothing is left, when the end of episodes
    cannot be known, or when `timeouts` are given and next_observations[t] is not observations[t + 1] without an end.
    """
    arrays = _canonical(fields)
    observations = _seen(arrays, "observations")
    total = count(observations)
    if total == 0:
        raise DataError("the arrays are empty: they have no rows")
    for key in arrays.keys() - {"final_observations"}:
        if (length := count(arrays[key])) != total:
            raise DataError(f"lengths differ: {total} observations, {length} {key}")
    order = np.arange(total)
    if "terminals" not in arrays:
        columns = [name for name in EPISODES if fields.get(name) is not None]
        if "timeouts" in arrays or not columns:
            raise _missing("terminals", fields)
        arrays, order = by_episode(arrays, fields[columns[0]], columns[0])
        observations = arrays["observations"]
    terminals, timeouts = (
        flags(_column(arrays, key), key) if key in arrays else np.zeros(total, bool)
        for key in ("terminals", "timeouts")
    )
    ends = terminals | timeouts
    final = None
    if "next_observations" in arrays:
        following = _seen(arrays, "next_observations")
        check_alike(observations, following)
        jumps = ~same_rows(rows(following, np.s_[:-1]), rows(observations, np.s_[1:])) & ~ends[:-1]
        if "timeouts" in arrays and jumps.any():
            check_known(observations, following, jumps, order)
            row, after = order[int(jumps.argmax()) : int(jumps.argmax()) + 2]
            (mend or Mend()).fault(
                f"row {row}: next_observations[{row}] is not observations[{after}], yet neither terminals nor "
                f"timeouts end an episode there ({jumps.sum()} such rows); the file is corrupt, or its timeouts are "
                "incomplete: leave timeouts out to cut episodes at these rows",
                "cut them there too",
            )
        ends[:-1] |= jumps
        final = rows(following, _last_rows(ends))
    elif "timeouts" not in arrays and "final_observations" not in arrays:
        raise DataError(
            "neither timeouts nor next_observations are given, so it cannot be known where a time limit cut an "
            "episode; pass timeouts (all False if there was no time limit)"
        )
    elif "final_observations" in arrays:
        final = _seen(arrays, "final_observations")
    last = _last_rows(ends)
    if final is not None:
        check_final(observations, final, len(last))
    episodes = []
    for index, (first, end) in enumerate(zip(np.r_[0, last[:-1] + 1], last, strict=True)):
        # without a final observation: the last row again when the MDP ended there, else nothing
        tail = rows(observations, np.s_[end : end + terminals[end]])
        if final is not None:
            tail = rows(final, np.s_[index : index + 1])
        stop = end + count(tail)
        if stop == first:
            continue  # a lone truncated row without its next observation holds no transition
        with located(f"episode {index} (rows {first} to {end})"):
            episodes.append(
                Episode(
                    observations=joined(rows(observations, np.s_[first : end + 1]), tail),
                    actions=_vectors(arrays["actions"])[first:stop] if "actions" in arrays else None,
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
            will do, and dicts and tuples as there. T observations without their next ones are treated as in `split`.

    Raises DataError when observations or `terminated` are missing, when a flag is set before the last row,
    or when lengths differ.
    """
    arrays = _canonical(fields)
    observations = _seen(arrays, "observations")
    per_step = (count(arrays[key]) for key in ("actions", "rewards", "next_observations") if key in arrays)
    steps = next(per_step, count(observations) - 1)
    if "terminals" not in arrays:
        raise _missing("terminals", fields)
    terminated, truncated = (_end_flag(arrays, key, steps) for key in ("terminals", "timeouts"))
    actions = _vectors(arrays["actions"]) if "actions" in arrays else None
    if count(observations) == steps > 0:  # the final observation is not among them
        at_end = np.arange(steps) == steps - 1
        (whole,) = split(arrays | {"terminals": at_end & terminated, "timeouts": at_end & truncated})
        return whole
    rewards = _column(arrays, "rewards") if "rewards" in arrays else None
    return Episode(observations, actions, rewards, terminated, truncated)


def _canonical(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The known fields as arrays, under their names in D4RL; observations may be pytrees of arrays."""
    arrays = {}
    fields = grouped(fields)
    for key, names in NAMES.items():
        given = [name for name in names if fields.get(name) is not None]
        if len(given) > 1:
            raise DataError(f"{' and '.join(given)} are the same field; give one")
        for name in given:
            if key in OBSERVED and is_pytree(fields[name]):
                arrays[key] = as_observations(fields[name])
                continue
            if isinstance(fields[name], Mapping):
                raise DataError(f"{name} is a dict; only observations may be dicts")
            flag = key in ("terminals", "timeouts")
            arrays[key] = raw(fields[name], name) if flag else _array(fields[name], name)
            if arrays[key].ndim == 0 and not flag:
                raise DataError(f"{name} must be an array, got {fields[name]!r} (in lists, items are episodes)")
            arrays[key] = np.atleast_1d(arrays[key])
    if "observations" not in arrays:
        raise _missing("observations", fields)
    if "actions" not in arrays:
        warn_unread("actions", fields)
    return arrays


def _array(value: Any, name: str) -> np.ndarray:
    """Numbers, or what is refused with its shape later on."""
    if isinstance(value, str | bytes | int | float):
        return np.asarray(value)
    return numbers(value, name)


def _vectors(actions: np.ndarray) -> np.ndarray:
    """[T, A] from [T, A], or [T, 1] from [T]."""
    return actions[:, None] if actions.ndim == 1 else actions


def _missing(key: str, fields: Mapping[str, Any]) -> DataError:
    meaning = advice = ""
    if key == "terminals":
        meaning = (
            " (did the MDP end, other than by a time limit? `dones` mix both: split them into terminals and timeouts)"
        )
    if key == "observations" and fields:
        advice = '; say which they are: columns={"observations": NAMES, "actions": NAMES}, or rename them'
    return DataError(f"no {key}{meaning} among {', '.join(sorted(map(str, fields))) or 'no fields at all'}{advice}")


def _seen(arrays: Mapping[str, Any], key: str) -> Any:
    """Observations: a pytree, numbers [time, ...], or classes [time]."""
    array = arrays[key]
    if isinstance(array, np.ndarray):
        classes = array.ndim == 1 and array.dtype.kind in "iu"
        if (array.ndim < 2 and not classes) or array.dtype.kind not in "fiub":
            advice = "; one number a step is [time, 1], classes are integers" if array.ndim == 1 else ""
            raise DataError(f"{key} must be numbers of shape [time, size], got {array.dtype} {array.shape}{advice}")
    return array


def _column(arrays: Mapping[str, Any], key: str) -> np.ndarray:
    return vector(arrays[key], key)


def _last_rows(ends: np.ndarray) -> np.ndarray:
    """The last row of each episode; the rows after the last flagged end are an episode too."""
    return np.union1d(np.flatnonzero(ends), len(ends) - 1)


def _end_flag(arrays: Mapping[str, Any], key: str, steps: int) -> bool:
    """Whether an episode ends with this flag, from one bool or from one for each step; False where it is missing."""
    set_at = flags(_column(arrays, key), key) if key in arrays else np.zeros(1, bool)
    if len(set_at) == 1:
        return bool(set_at[0])
    if len(set_at) != steps:
        raise DataError(f"lengths differ: {steps} steps, {len(set_at)} {key}")
    if not steps:
        return False
    if set_at[:-1].any():
        raise DataError(
            f"{key} is set at row {int(set_at.argmax())}, before the last row {steps - 1}: split the episode there"
        )
    return bool(set_at[-1])
