"""Whose fault an error of an environment is."""

import re
import sysconfig
import traceback
from typing import Any

CHECKERS = ("gymnasium.utils.passive_env_checker", "gymnasium.utils.env_checker")
"""Gymnasium's checks of its interface."""
INTERFACE = re.compile(r"unexpected keyword argument '(seed|options)'|values to unpack")
"""What Python says where another interface is called, also within a wrapper of the user's own."""


def advice(error: Exception, wanted: str) -> str:
    """What to do about an error in the first use of an environment.

    Args:
        error: that a reset or a step raised.
        wanted: what to do where the interface is another one.
    """
    place = own_place(error)
    if place is None:
        return wanted
    if INTERFACE.search(str(error)):
        return f"{wanted}; raised at {place}"
    return f"raised by the environment's own code, {place}"


def own_place(error: Exception) -> str | None:
    """File and line of the environment's code from which an error came; None where the call itself failed, or one of
    Gymnasium's checks."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if _module(frames[-1][0]) in CHECKERS:
        return None
    others = [x for x in frames if not _module(x[0]).startswith(("gymnasium.core", "gymnasium.wrappers", "imitax."))]
    own = [x for x in others if not _is_installed(x[0].f_code.co_filename)]
    found = next(reversed(own or others), None)
    return None if found is None else f"{found[0].f_code.co_filename}, line {found[1]}"


def _module(frame: Any) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_installed(file: str) -> bool:
    """Whether a file is of the standard library or an installed package."""
    return any(file.startswith(folder) for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")))
