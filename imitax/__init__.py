"""imitax: deep imitation learning and inverse reinforcement learning on JAX."""

from imitax.algorithm import Algorithm, Needs, Schedule, register
from imitax.config import Training
from imitax.datasets import load, select
from imitax.envs import Task
from imitax.errors import CheckpointError, ConfigError, DataError, ImitaxError
from imitax.run import Run
from imitax.training.entry import preset_config, train
from imitax.training.resume import resume

__version__ = "0.2.0"

__all__ = [
    "Algorithm",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ImitaxError",
    "Needs",
    "Run",
    "Schedule",
    "Task",
    "Training",
    "load",
    "preset_config",
    "register",
    "resume",
    "select",
    "train",
]
