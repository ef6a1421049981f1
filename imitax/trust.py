"""What the files of others may decide: no code that is imported, and no file that is read.

A run's folder says where its environment is registered and which files it was given. Those of a run that was started
on this machine in this folder are its user's own words. A folder that was copied or sent is somebody else's: what it
names is used only if the user says so.
"""

from pathlib import Path
from typing import Any

from imitax.datasets.environment import from_file
from imitax.errors import ConfigError

WORD = "if you know where it comes from, name it yourself"


def mark(folder: Path) -> str:
    """What tells a folder from its copies: device and number in the file system."""
    found = folder.stat()
    return f"{found.st_dev}:{found.st_ino}"


def is_own(folder: Path, config: dict[str, Any]) -> bool:
    """Whether a run's folder is where the run was started, and no copy of it."""
    return config.get("folder_mark") == mark(folder)


def check_env(env_id: str, env_kwargs: dict[str, Any], source: str) -> str:
    """The id under which an environment named by somebody else's run is made, by the rule for every file (`from_file`).

    Args:
        env_id: as the run has it.
        env_kwargs: keyword arguments, as the run has them.
        source: the run, for messages.

    Raises:
        ConfigError: using it would import a module, or read a file, that the user has not named.
    """
    return from_file(env_id, env_kwargs, source, more=", or --trust-env (trust_env=True)")[0]


def check_files(given: dict[str, Path | str | None], source: str) -> None:
    """Refuse files that somebody else's run names.

    Args:
        given: options, and the paths that the run's config has for them; None without the option.
        source: the run, for messages.

    Raises:
        ConfigError: there is one.
    """
    for option, path in given.items():
        if path is not None:
            flag = "--" + option.replace("_", "-")
            raise ConfigError(
                f"{source} names the file {str(path)!r} as its {flag}. The folder was copied here, so the file is not "
                f"read unasked: {WORD}, with {flag} PATH, or --trust-env (trust_env=True) for all that the run names"
            )
