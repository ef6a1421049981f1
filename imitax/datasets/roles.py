"""Which column is what: roles, and the names that columns have in them."""

import fnmatch
import re
from collections.abc import Mapping, Sequence

from imitax.datasets.limits import short
from imitax.datasets.names import NAMES
from imitax.errors import DataError

Columns = Mapping[str, str | Sequence[str] | None]
"""Which columns are what: a name, a pattern such as "obs_*", or several; by the names of `ROLES`."""

INDEX = r"([_.\s\[(\-/].*|\d*)$"
ROLES = {
    "observations": rf"((obs|observations?|states?){INDEX}|[sox][_.\[]?\d+\]?$)",
    "next_observations": rf"(next[_.](obs|observations?|states?){INDEX}|next[_.]?[sox][_.\[]?\d+\]?$)",
    "actions": rf"((acts?|actions?|controls?){INDEX}|[au][_.\[]?\d+\]?$)",
    "rewards": r"(next[_.])?(rewards?|rews?|r)$",
    "terminals": r"(next[_.])?(terminals?|terminations?|terminated)$",
    "timeouts": r"(next[_.])?(timeouts?|truncations?|truncated)$",
    "episode": r"(episodes?|ep|eps|traj|trajectory|trajectories|demos?|rollouts?|trials?)"
    r"([_.\s]?(id|ids|idx|index|no|nr|num|number))?$",
    "time": r"(t|time|time[_.\s]?steps?|steps?|timestamps?|frames?|frame[_.\s]?index|"
    r"time[_.\s(\[]*(s|sec|seconds|ms|us|ns)\W*)$",
}
"""What a column is called that nobody assigned, in lower case."""
SINGLE = ("rewards", "terminals", "timeouts", "episode", "time")
"""What one column holds."""


def assign(names: Sequence[str], columns: Columns | None = None) -> dict[str, list[str]]:
    """The columns of each role, numbered ones in the order of their numbers."""
    named = given(columns or {})
    roles: dict[str, list[str]] = {}
    taken: set[str] = set()
    for role, wanted in named.items():
        roles[role] = [name for pattern in wanted for name in match(names, pattern, role)]
        taken |= set(roles[role])
    for role, pattern in ROLES.items():
        if role in named:
            continue
        found = [n for n in names if n not in taken and re.match(pattern, n.strip().lower())]
        if role in SINGLE and len(found) > 1:
            raise DataError(
                f"the columns {listed(found)} could each be the {role}; say which: columns={{{role!r}: {found[0]!r}}}"
            )
        roles[role] = _numbered(found)
        taken |= set(found)
    return roles


def given(columns: Columns) -> dict[str, list[str]]:
    """Patterns by role, from whatever names of the field were used."""
    aliases = {alias: key for key, names in NAMES.items() for alias in names}
    found = {}
    for role, wanted in columns.items():
        key = aliases.get(role, role)
        if key not in ROLES:
            raise DataError(f"columns has no {role!r}; it takes {', '.join(ROLES)}")
        found[key] = [] if wanted is None else [wanted] if isinstance(wanted, str) else list(map(str, wanted))
    return found


def match(names: Sequence[str], pattern: str, role: str) -> list[str]:
    """The columns with this name, or of this pattern. Raises DataError where there are none."""
    if pattern in names:
        return [pattern]
    if found := fnmatch.filter(names, pattern):
        return _numbered(found)
    raise DataError(f"columns: no column {pattern!r} for the {role} among {listed(names)}")


def _numbered(names: list[str]) -> list[str]:
    """In the order of the numbers at their ends, if all have one; else as they are."""
    ends = [re.search(r"(\d+)\D?$", name) for name in names]
    stems = {name[: end.start()] for name, end in zip(names, ends, strict=True) if end}
    if all(ends) and len(stems) == 1:
        return [name for _, name in sorted((int(end[1]), name) for end, name in zip(ends, names, strict=True) if end)]
    return names


def listed(names: Sequence[str]) -> str:
    """Names of columns in a message."""
    return short(", ".join(map(str, names)), 400) or "no columns"
