"""Which of several runs is better, by how much, and whether the seeds are enough to say so."""

from typing import TYPE_CHECKING

from imitax.catalogue import lazy

if TYPE_CHECKING:
    from imitax.comparison.estimates import wilson
    from imitax.comparison.methods import Entry, gather
    from imitax.comparison.of_runs import Comparison, Method, Pair, compare

__all__ = ["Comparison", "Entry", "Method", "Pair", "compare", "gather", "wilson"]

__getattr__ = lazy(
    __name__,
    {
        "of_runs": ("Comparison", "Method", "Pair", "compare"),
        "estimates": ("wilson",),
        "methods": ("Entry", "gather"),
    },
)
