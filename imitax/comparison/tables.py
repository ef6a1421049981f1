"""A comparison as tables for a terminal, and its numbers in words."""

from collections.abc import Callable

import numpy as np
from rich.table import Table
from rich.text import Text

from imitax.comparison.of_runs import Comparison
from imitax.record.scores import format_error, format_return
from imitax.statistics import Estimate


def formatter(found: Comparison) -> Callable[[float], str]:
    """How scores and their differences are written."""
    if found.measure.startswith("error"):
        return format_error
    if found.measure.startswith("share"):
        return lambda x: "not finite" if np.isnan(x) else f"{100 * x:.1f} %"
    return lambda x: "not finite" if np.isnan(x) else format_return(x)


def written(estimate: Estimate | None, form: Callable[[float], str], between: str = " ") -> str:
    """`3,571 [3,564, 3,583]`, without the brackets where there is no interval."""
    if estimate is None:
        return "-"
    ends = "" if np.isnan(estimate.low) else f"{between}[{form(estimate.low)}, {form(estimate.high)}]"
    return form(estimate.value) + ends


def share(value: float) -> str:
    """A probability or a rate."""
    return "not finite" if np.isnan(value) else f"{value:.2f}"


def p_value(value: float) -> str:
    """A p with two digits."""
    return "not finite" if np.isnan(value) else "<0.001" if value < 0.001 else f"{value:.2g}"


def method_table(found: Comparison) -> Table:
    """A row for each method, the best first."""
    title = f"{found.measure} on {', '.join(found.tasks)}, {'higher' if found.higher_is_better else 'lower'} is better"
    table = Table(title=Text(title, style="bold"), title_justify="left")
    table.add_column("method")
    table.add_column("seeds", justify="right")
    table.add_column("IQM [95 %]", justify="right")
    rates = any(method.success for method in found.methods)
    if rates:
        table.add_column("success [95 %]", justify="right")
    form = formatter(found)
    for method in found.methods:
        seeds = " + ".join(str(len(method.seeds[task])) for task in found.tasks)
        success = [Text(written(method.success, share))] if rates else []
        table.add_row(Text(method.label), seeds, Text(written(method.score, form)), *success)
    return table


def pair_table(found: Comparison) -> Table:
    """A row for each pair of methods; differences are positive where the first is better."""
    table = Table(title="differences, positive where the first is better", title_justify="left", title_style="bold")
    table.add_column("methods")
    for column in ("of IQMs\n[95 %]", "same seeds\n[95 %] (n)", "P(first better)\n[95 %]", "p", "better?"):
        table.add_column(column, justify="right")
    form = formatter(found)
    for pair in found.pairs:
        paired = written(pair.paired, form, "\n") + (f" ({pair.shared_seeds})" if pair.paired else "")
        table.add_row(
            Text(f"{pair.a}\n- {pair.b}"),
            Text(written(pair.difference, form, "\n")),
            Text(paired),
            Text(written(pair.improvement, share, "\n")),
            p_value(pair.p),
            "yes" if pair.better else "not shown",
        )
    return table
