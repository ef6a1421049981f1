"""Names of algorithms as the command line takes them, known without importing the algorithms."""

from importlib.metadata import entry_points

from imitax.catalogue import ALIASES, BUILT_IN, GROUP


def algorithm_names() -> list[str]:
    """The algorithms of the package and of installed packages."""
    return list(dict.fromkeys([*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))]))


def algorithms_and_aliases() -> str:
    """Both, as help prints them."""
    return f"{', '.join(algorithm_names())}\npresets with names of their own: {', '.join(ALIASES)}"
