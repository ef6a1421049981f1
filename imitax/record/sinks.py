"""Where metrics go besides the run folder's JSON lines: TensorBoard, and Weights & Biases."""

import importlib
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from imitax.errors import ConfigError
from imitax.files import plain, write_atomic

SinkName = Literal["tensorboard", "wandb"]


class Sink(Protocol):
    """A destination of scalar metrics."""

    def write(self, step: int, seed: int, scalars: Mapping[str, float]) -> None:
        """Write one seed's scalars at a step."""
        ...

    def close(self) -> None:
        """Flush and close."""
        ...


class TensorBoard:
    """Event files in a `tensorboard` folder for each seed, so that TensorBoard shows seeds as separate runs.

    `resumed_at` hides the events that an interrupted run wrote after it. Raises ConfigError without tensorboardX.
    """

    def __init__(self, folders: Mapping[int, Path], resumed_at: int | None):
        writer = _import("tensorboardX", "tensorboard").SummaryWriter
        purge = None if resumed_at is None else resumed_at + 1
        suffix = f".{time.time_ns()}"  # a run resumed within a second would overwrite the interrupted one's file
        self.writers = {
            seed: writer(str(folder / "tensorboard"), purge_step=purge, filename_suffix=suffix)
            for seed, folder in folders.items()
        }

    def write(self, step: int, seed: int, scalars: Mapping[str, float]) -> None:
        """Add the scalars to the seed's event file."""
        for name, value in scalars.items():
            self.writers[seed].add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the event files."""
        for writer in self.writers.values():
            writer.close()


class WandB:
    """A Weights & Biases run for each seed, in a group, in the project WANDB_PROJECT or `imitax`.

    A run's id is kept in the seed's `wandb-id.txt`, so that a resumed run continues it. Steps are logged as the metric
    `step`, because W&B's own counter cannot go back to a checkpoint. Raises ConfigError without wandb.
    """

    def __init__(self, folders: Mapping[int, Path], title: str, config: Mapping[str, Any]):
        wandb = _import("wandb", "wandb")
        several = len(folders) > 1
        first = next(iter(folders.values()))
        run_dir = first.parent if several else first
        self.runs: dict[int, Any] = {}
        for seed, folder in folders.items():
            id_file = folder / "wandb-id.txt"
            if not id_file.exists():
                write_atomic(id_file, secrets.token_hex(4).encode())
            own: dict[str, Any] = {"reinit": "create_new"} if several else {}  # beside the runs of the other seeds
            self.runs[seed] = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "imitax"),
                id=id_file.read_text().strip(),
                resume="allow",
                group=run_dir.resolve().name,
                name=f"{title} seed {seed}" if several else title,
                config=plain(config) | {"seed": seed},
                dir=str(folder),
                **own,
            )
            self.runs[seed].define_metric("step")
            self.runs[seed].define_metric("*", step_metric="step")

    def write(self, step: int, seed: int, scalars: Mapping[str, float]) -> None:
        """Log the scalars to the seed's run, with their step."""
        self.runs[seed].log({"step": step} | dict(scalars))

    def close(self) -> None:
        """Finish the uploads."""
        for run in self.runs.values():
            run.finish()


def require(sink: SinkName) -> None:
    """Raise ConfigError if a sink's package is missing."""
    _import("tensorboardX" if sink == "tensorboard" else "wandb", sink)


def _import(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"recording to {extra} needs a package: pip install 'imitax[{extra}]'") from error
