"""One paper, one file."""

from importlib import import_module

from imitax.catalogue import BUILT_IN
from imitax.registry import ALGORITHMS, algorithm_of, find, register

__all__ = ["ALGORITHMS", "algorithm_of", "find"]

for name in BUILT_IN:
    register(import_module(f"imitax.algorithms.{name}"))
