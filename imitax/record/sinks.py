"""Where metrics go besides the run folder's JSON lines: TensorBoard, and Weights & Biases."""

import importlib
import os
import secrets
import time
from collections.abc import Mapping, Sequence
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
    """One Weights & Biases run, in the project WANDB_PROJECT or `imitax`; several seeds get the prefixes `seed-N/`.

    The run's id is kept in `run_dir/wandb-id.txt`, so that a resumed run continues it. Steps are logged as the metric
    `step`, because W&B's own counter cannot go back to a checkpoint. Raises ConfigError without wandb.
    """

    def __init__(self, run_dir: Path | str, seeds: Sequence[int], title: str, config: Mapping[str, Any]):
        wandb = _import("wandb", "wandb")
        id_file = Path(run_dir) / "wandb-id.txt"
        if not id_file.exists():
            write_atomic(id_file, secrets.token_hex(4).encode())
        self.several = len(seeds) > 1
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "imitax"),
            id=id_file.read_text().strip(),
            resume="allow",
            name=title,
            config=plain(config),
            dir=str(run_dir),
        )
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    def write(self, step: int, seed: int, scalars: Mapping[str, float]) -> None:
        """Log the scalars with their step."""
        prefix = f"seed-{seed}/" if self.several else ""
        self.run.log({"step": step} | {prefix + name: value for name, value in scalars.items()})

    def close(self) -> None:
        """Finish the run's upload."""
        self.run.finish()


def _import(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"recording to {extra} needs a package: pip install 'imitax[{extra}]'") from error
