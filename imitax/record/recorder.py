"""The recorder, which the training loop calls between chunks with metrics that are already on the host."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from imitax.files import append_line, line, plain, read_lines, write_atomic
from imitax.record.display import Display
from imitax.record.sinks import Sink, SinkName, TensorBoard, WandB

METRICS = "metrics.jsonl"
"""In the folder of a seed."""


class Recorder:
    """Writes what a run reports. As a context manager it closes the terminal display and the sinks on exit.

    `run_dir` gets `metrics.jsonl`, or one `seed-N/metrics.jsonl` for each of several `seeds`, with the lines
    `{"kind": "train", "step", "seed", "wall_s", ...metrics}` and `{"kind": "eval", ..., ...record}`. `wall_s` is in
    seconds, and values that are not finite are written as null. `total_steps` counts in `unit` (environment steps
    online, updates offline). `resumed_at` is the step of the checkpoint that the run continues from, or None for a new
    run; later records of the interrupted run are removed, so that no step is recorded twice.

    A terminal shows a progress bar; any other output gets one line per evaluation; `quiet` prints nothing.
    Raises ConfigError if a sink's package is missing.
    """

    # More than six parameters: they are independent facts about the run, and the training loop is the only caller.
    def __init__(
        self,
        run_dir: Path | str,
        sinks: Sequence[SinkName],
        seeds: Sequence[int],
        total_steps: int,
        quiet: bool,
        title: str,
        config: Mapping[str, Any],
        *,
        resumed_at: int | None = None,
        unit: str = "steps",
        console: Console | None = None,
    ):  # what all sinks and the display are made from
        self.seeds = list(seeds)
        self.folders = {seed: seed_folder(run_dir, seeds, seed) for seed in seeds}
        self.sinks: list[Sink] = [
            TensorBoard(self.folders, resumed_at) if sink == "tensorboard" else WandB(self.folders, title, config)
            for sink in sinks
        ]
        if resumed_at is not None:
            for folder in self.folders.values():
                truncate_metrics(folder / METRICS, resumed_at)
        self.evaluated: dict[int, Mapping[str, Any]] = {}  # records of an evaluation that some seeds have yet to report
        console = Console(quiet=True) if quiet else console or Console()
        self.display = Display(title, max(resumed_at or 0, 0), total_steps, unit, console)

    def training(self, step: int, metrics: Mapping[str, Any], wall_s: float) -> None:
        """Record the metrics of a chunk that ended at `step`.

        Each metric is an array [S] with one value per seed in the order of `seeds`, or one scalar for all of them.
        Raises ValueError for an array of another length.
        """
        by_seed = {name: np.broadcast_to(np.asarray(value), len(self.seeds)) for name, value in metrics.items()}
        for index, seed in enumerate(self.seeds):
            self._write("train", step, seed, wall_s, {name: values[index] for name, values in by_seed.items()})
        self.reached(step)

    def reached(self, step: int) -> None:
        """Show that training has reached `step`."""
        self.display.advance(step)

    def evaluation(self, step: int, seed: int, record: Mapping[str, Any], wall_s: float) -> None:
        """Record one seed's evaluation at `step`.

        `record` holds `return_mean` and whatever else is known: `returns` and `lengths` by episode, `expert_fraction`,
        `d4rl`; where `return_mean` is None, `validation_error` or `train_error`, and `log_likelihood` with the same
        prefix, and `error_of`, what the error is a share of. The terminal shows the mean over seeds once all seeds
        have reported.
        """
        self._write("eval", step, seed, wall_s, record)
        self.evaluated[seed] = record
        if len(self.evaluated) == len(self.seeds):
            self.display.score(step, list(self.evaluated.values()))
            self.evaluated = {}

    def message(self, text: str) -> None:
        """Print one line, above the progress bar if there is one."""
        self.display.message(text)

    def close(self) -> None:
        """End the terminal display and flush the sinks. Closing again has no effect."""
        self.display.close()
        while self.sinks:
            self.sinks.pop().close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, kind: str, step: int, seed: int, wall_s: float, values: Mapping[str, Any]) -> None:
        values = plain(values)
        head = {"kind": kind, "step": step, "seed": seed, "wall_s": round(wall_s, 3)}
        record = {**head, **values, **head}  # head first, and not replaced by a metric of the same name
        append_line(self.folders[seed] / METRICS, record)
        scalars = {f"{kind}/{name}": float(value) for name, value in values.items() if isinstance(value, (int, float))}
        for sink in self.sinks:
            sink.write(step, seed, scalars)


def seed_folder(run_dir: Path | str, seeds: Sequence[int], seed: int) -> Path:
    """Folder of a seed's files: `run_dir` if it is the only seed, else `run_dir/seed-N`."""
    return Path(run_dir) if len(seeds) == 1 else Path(run_dir) / f"seed-{seed}"


def truncate_metrics(path: Path | str, last_step: int) -> None:
    """Remove the lines after `last_step`, and an incomplete last line, in one atomic rewrite, if the file exists.

    Raises CheckpointError if the file is damaged elsewhere.
    """
    if Path(path).exists():
        write_atomic(path, b"".join(line(record) for record in read_lines(path) if record["step"] <= last_step))
