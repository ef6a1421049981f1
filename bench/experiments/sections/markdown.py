"""How cells and tables are written."""

from collections.abc import Sequence

import numpy as np

from imitax.statistics import interval, iqm


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """A Markdown table whose first `left` columns are aligned to the left and the others to the right."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (escaped[0], rule, *escaped[1:]))


def score(values: Sequence[float | None], form: str, unknown: str = "-") -> str:
    """IQM and interval of one value per seed; `unknown` if no seed has one, "not finite" if only some have."""
    if all(value is None for value in values):
        return unknown
    numbers = [number(value) for value in values]
    if not np.isfinite(numbers).all():
        return "not finite"
    low, high = interval(numbers)
    return form.format(iqm(numbers)) + ("" if np.isnan(low) else f" [{form.format(low)}, {form.format(high)}]")


def span(values: Sequence[float | None], decimals: int) -> str:
    """Lowest to highest value, or one number if both round to it; "not finite" if one is not."""
    numbers = np.array([number(value) for value in values])
    if not np.isfinite(numbers).all():
        return "not finite"
    low, high = (f"{round(float(x), decimals) + 0.0:.{decimals}f}" for x in (numbers.min(), numbers.max()))  # no -0
    return low if low == high else f"{low} to {high}"


def number(value: float | None) -> float:
    """A score of a result file, where null stands for one that was not finite."""
    return float("nan") if value is None else float(value)


def short_commit(commit: str) -> str:
    """The first seven digits, with `-dirty` if it has it; the version of an installed package stays whole."""
    if commit.startswith("v"):
        return commit
    return commit[:7] + "-dirty" * commit.endswith("-dirty")
