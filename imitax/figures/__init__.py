"""Figures of runs: learning curves across seeds, and the metrics of training, evaluations and fitted models.

They are plain Matplotlib figures without pyplot's global state. The colours are those of Okabe and Ito (2008), which
colour-blind readers can distinguish.

Matplotlib is imported with the first of them that is used.
"""

from typing import TYPE_CHECKING

from imitax.catalogue import lazy

if TYPE_CHECKING:
    from imitax.figures.curves import align, draw_learning_curve, error_curve, learning_curve, seed_curves
    from imitax.figures.metrics import compare, dynamics_figure, training_figure
    from imitax.figures.style import COLOURS, SMALL, STYLE, thousands

__all__ = [
    "COLOURS",
    "SMALL",
    "STYLE",
    "align",
    "compare",
    "draw_learning_curve",
    "dynamics_figure",
    "error_curve",
    "learning_curve",
    "seed_curves",
    "thousands",
    "training_figure",
]

__getattr__ = lazy(
    __name__,
    {
        "curves": ("align", "draw_learning_curve", "error_curve", "learning_curve", "seed_curves"),
        "metrics": ("compare", "dynamics_figure", "training_figure"),
        "style": ("COLOURS", "SMALL", "STYLE", "thousands"),
    },
)
