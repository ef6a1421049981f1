"""Whose fault an error of an environment is."""

import traceback


def own_place(error: Exception) -> str | None:
    """File and line of the environment's own code that raised an error; None where the call itself failed, or one of
    Gymnasium's checks of its interface."""
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    module = str(frame.f_globals.get("__name__", ""))
    if module.startswith(("gymnasium.core", "gymnasium.utils", "gymnasium.wrappers", "imitax.")):
        return None
    return f"{frame.f_code.co_filename}, line {line}"
