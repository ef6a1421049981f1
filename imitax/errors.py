"""The errors that imitax raises: each says what is wrong and what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches


class ImitaxError(ValueError):
    """Base of every error that imitax raises on bad input; the command line prints it without a traceback."""


class DataError(ImitaxError):
    """A dataset cannot be read, is inconsistent, or does not fit the environment."""


class ConfigError(ImitaxError):
    """A configuration is unknown, contradictory, or does not fit the task."""


class CheckpointError(ImitaxError):
    """A run folder, policy file or checkpoint is missing, damaged, or of another run."""


class EnvError(ConfigError):
    """An environment does not do what Gymnasium's interface says."""


class EnvWarning(UserWarning):
    """Something about an environment that a user should know before they trust the scores."""


def unknown(what: str, given: str, known: Iterable[str]) -> str:
    """What to say of a name that does not exist: those that do, and the nearest of them."""
    names = list(known)
    near = get_close_matches(given.strip("'"), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown {what} {given}; there are {', '.join(names)}{hint}"
