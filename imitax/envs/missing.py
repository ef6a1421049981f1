"""What to install where an environment's package is missing."""

OURS = {"mujoco": "mujoco", "gymnasium[mujoco]": "mujoco"}
"""Extras of imitax, by the module that is missing, or by what Gymnasium says to install."""


def missing(error: Exception) -> str:
    """What is missing, and what to do, from the error of an import or of Gymnasium.

    Gymnasium's own errors say what to install (`gymnasium[box2d]`). Those of imports name a module, which need not be
    called as its package is.
    """
    said, module = " ".join(str(error).split()), error.name if isinstance(error, ImportError) else None
    for name, extra in OURS.items():
        if module == name or name in said:
            return f"{said}; pip install 'imitax[{extra}]'"
    if module:
        return f"{said}; install the package that brings {module}, or run where it can be imported"
    return said
