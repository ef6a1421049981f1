"""The errors that imitax raises: each says what is wrong and what to do about it."""

from typing import Any


class ImitaxError(ValueError):
    """Base of every error that imitax raises on bad input; the command line prints it without a traceback."""


class DataError(ImitaxError):
    """A dataset cannot be read, is inconsistent, or does not fit the environment."""


class ConfigError(ImitaxError):
    """A configuration is unknown, contradictory, or does not fit the task."""


class CheckpointError(ImitaxError):
    """A run folder, policy file or checkpoint is missing, damaged, or of another run."""


def require_positive(config: Any, *names: str, of: str = "") -> None:
    """Refuse a configuration some of whose counts are below 1.

    Args:
        names: of the counts.
        of: of the configuration within a larger one, as the message has it.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise ConfigError(f"{of}{'.' * bool(of)}{name} must be at least 1, got {getattr(config, name)}")


def require_not_negative(config: Any, *names: str, of: str = "") -> None:
    """Refuse a configuration some of whose numbers are below 0; arguments as of `require_positive`."""
    for name in names:
        if getattr(config, name) < 0:
            raise ConfigError(f"{of}{'.' * bool(of)}{name} must not be negative, got {getattr(config, name)}")
