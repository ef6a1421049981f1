"""The errors that imitax raises: each says what is wrong and what to do about it."""


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
