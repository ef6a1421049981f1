"""What the files of others may decide: no code that is imported, and no file that is read.

A run's folder says where its environment is registered and which files it was given. Those of a run that was started
on this machine in this folder are its user's own words. A folder that was copied or sent is somebody else's: what it
names is used only if the user says so.
"""

import os
from pathlib import Path
from typing import Any

import gymnasium as gym

from imitax.errors import ConfigError

WORD = "if you know where it comes from, name it yourself"


def mark(folder: Path) -> str:
    """What tells a folder from its copies: device and number in the file system."""
    found = folder.stat()
    return f"{found.st_dev}:{found.st_ino}"


def is_own(folder: Path, config: dict[str, Any]) -> bool:
    """Whether a run's folder is where the run was started, and no copy of it."""
    return config.get("folder_mark") == mark(folder)


def registered(env_id: str) -> bool:
    """Whether an environment can be made without importing the module that its id may name."""
    return env_id.rpartition(":")[2] in gym.registry


def check_env(env_id: str, env_kwargs: dict[str, Any], source: str) -> str:
    """The id under which an environment named by somebody else's file is made.

    Args:
        env_id: as the file has it.
        env_kwargs: keyword arguments, as the file has them.
        source: what names it, for messages.

    Raises:
        ConfigError: using it would import a module, or read a file, that the user has not named.
    """
    if ":" in env_id and not registered(env_id):
        module = env_id.partition(":")[0]
        raise ConfigError(
            f"{source} names the environment {env_id!r}, and to make it would import the module {module!r}, which may "
            f"do anything: {WORD}, with --env {env_id} (env=) or --trust-env (trust_env=True), or import it before"
        )
    for name, value in env_kwargs.items():
        if bad := suspicious(value):
            raise ConfigError(
                f"{source} gives its environment {env_id} the argument {name}={value!r}, {bad}: {WORD}, with "
                "--trust-env (trust_env=True)"
            )
    return env_id.rpartition(":")[2]


def suspicious(value: Any) -> str | None:
    """Why a keyword argument is no plain value; None if it is one."""
    if isinstance(value, dict | list | tuple):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return next((bad for part in parts if (bad := suspicious(part))), None)
    if isinstance(value, str) and (os.sep in value or "\\" in value or Path(value).suffix or Path(value).exists()):
        return "which may be the path of a file"
    return None if value is None or isinstance(value, bool | int | float | str) else "which is no plain value"


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
