"""Demonstrations: load, check, select, describe, collect and write them."""

from imitax.datasets.collect import collect
from imitax.datasets.d4rl import save_d4rl
from imitax.datasets.episode import Dataset, Episode
from imitax.datasets.loading import Source, list_bundled, load
from imitax.datasets.minari_io import save_minari
from imitax.datasets.selection import Selection, pool, select
from imitax.datasets.statistics import normalization, summary
from imitax.datasets.validation import validate

__all__ = [
    "Dataset",
    "Episode",
    "Selection",
    "Source",
    "collect",
    "list_bundled",
    "load",
    "normalization",
    "pool",
    "save_d4rl",
    "save_minari",
    "select",
    "summary",
    "validate",
]
