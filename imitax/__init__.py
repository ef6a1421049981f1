"""imitax: deep imitation learning and inverse reinforcement learning on JAX.

Public names are imported when they are first used (PEP 562), so that `import imitax` and short commands start at once.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from imitax import processes as processes  # registers what notices a fork
from imitax.catalogue import CLASSES, lazy

if TYPE_CHECKING:
    from imitax.algorithm import Algorithm, Needs, Schedule
    from imitax.comparison import compare
    from imitax.config import Training
    from imitax.datasets import load, select
    from imitax.envs import Task
    from imitax.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        EnvError,
        EnvWarning,
        ImitaxError,
        TrainingError,
        TrainingWarning,
    )
    from imitax.estimators import Estimator, LoadedPolicy, estimator, load_policy
    from imitax.registry import register
    from imitax.run import Run
    from imitax.training.entry import preset_config, train
    from imitax.training.resume import resume

__version__ = "0.2.0"

__all__ = [
    "Algorithm",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EnvError",
    "EnvWarning",
    "Estimator",
    "ImitaxError",
    "LoadedPolicy",
    "Needs",
    "Run",
    "Schedule",
    "Task",
    "Training",
    "TrainingError",
    "TrainingWarning",
    "compare",
    "estimator",
    "load",
    "load_policy",
    "preset_config",
    "register",
    "resume",
    "select",
    "train",
]

_HOMES = {
    "algorithm": ("Algorithm", "Needs", "Schedule"),
    "comparison": ("compare",),
    "config": ("Training",),
    "datasets": ("load", "select"),
    "envs": ("Task",),
    "errors": (
        "CheckpointError",
        "ConfigError",
        "DataError",
        "EnvError",
        "EnvWarning",
        "ImitaxError",
        "TrainingError",
        "TrainingWarning",
    ),
    "estimators": ("Estimator", "LoadedPolicy", "estimator", "load_policy"),
    "registry": ("register",),
    "run": ("Run",),
    "training.entry": ("preset_config", "train"),
    "training.resume": ("resume",),
}
"""Modules, and the public names that they define."""
_public = lazy(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    """A public name, an algorithm's class such as `BC`, or a module of the package."""
    if name in __all__:
        value = _public(name)
    elif name in CLASSES:
        value = _public("estimator")(CLASSES[name], name)
    elif not name.startswith("_") and importlib.util.find_spec(f"imitax.{name}") is not None:
        return importlib.import_module(f"imitax.{name}")
    else:
        raise AttributeError(f"module 'imitax' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *CLASSES})
