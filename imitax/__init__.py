"""imitax: deep imitation learning and inverse reinforcement learning on JAX."""

from imitax.config import Training
from imitax.datasets import load, select
from imitax.envs import Task
from imitax.errors import CheckpointError, ConfigError, DataError, ImitaxError
from imitax.run import Run
from imitax.train import preset_config, resume, train

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ImitaxError",
    "Run",
    "Task",
    "Training",
    "load",
    "preset_config",
    "resume",
    "select",
    "train",
]
