"""The errors that imitax raises: each says what is wrong and what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches


def printable(text: object, keep: str = "") -> str:
    r"""Text from a file or a user as it may be shown: what a terminal would act on is written as \x1b or \u202e.

    Args:
        text: anything; its `str`.
        keep: characters that stay although they are not printable, such as newlines.
    """
    text = str(text)
    if text.isprintable():
        return text
    shown = (c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


class ImitaxError(ValueError):
    """Base of every error that imitax raises on bad input; the command line prints it without a traceback."""

    def __init__(self, *args: object):
        super().__init__(*(printable(a, keep="\n") if isinstance(a, str) else a for a in args))


class DataError(ImitaxError):
    """A dataset cannot be read, is inconsistent, or does not fit the environment."""


class ConfigError(ImitaxError):
    """A configuration is unknown, contradictory, or does not fit the task."""


class CheckpointError(ImitaxError):
    """A run folder, policy file or checkpoint is missing, damaged, or of another run."""


class EnvError(ConfigError):
    """An environment does not do what Gymnasium's interface says."""


class TrainingError(ImitaxError):
    """A training that cannot go on: its networks are not numbers any more."""


class TrainingWarning(UserWarning):
    """Something about a training that a user should know before they trust its results."""


class EnvWarning(UserWarning):
    """Something about an environment that a user should know before they trust the scores."""


def unknown(what: str, given: str, known: Iterable[str]) -> str:
    """What to say of a name that does not exist: those that do, and the nearest of them."""
    names = list(known)
    near = get_close_matches(given.strip("'"), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown {what} {given}; there are {', '.join(names)}{hint}"


class DataWarning(UserWarning):
    """Something in a dataset looks wrong, or was mended; it can be used as it is."""

    def __init__(self, *args: object):
        super().__init__(*(printable(a, keep="\n") if isinstance(a, str) else a for a in args))
