"""One self-contained HTML page about runs: what was run, how it went, which is better, and what looks wrong."""

from typing import TYPE_CHECKING

from imitax.catalogue import lazy

if TYPE_CHECKING:
    from imitax.report.page import write

__all__ = ["write"]

__getattr__ = lazy(__name__, {"page": ("write",)})
