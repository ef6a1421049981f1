"""Where a run stands: metrics since the last line, best evaluations, seconds."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from imitax.artifacts import save_policy, save_reward
from imitax.checkpoint import Checkpoint
from imitax.errors import CheckpointError
from imitax.files import read_json, read_lines
from imitax.record import METRICS, Recorder, SinkName, seed_folder
from imitax.selection import kept
from imitax.stacking import unstack
from imitax.training.setup import Setup
from imitax.types import Metrics

SUMMARY = "summary.json"
"""In the folder of a finished run."""


@dataclass
class Progress:
    """The parts of a run that are neither its state nor its data."""

    step: int
    best: list[dict[str, Any]]
    """Step and mean return of each seed's best evaluation; without an environment its error."""
    wall_before: float = 0.0
    """Seconds of earlier sessions."""
    started: float = field(default_factory=time.monotonic)
    window: list[Metrics] = field(default_factory=list)
    """Metrics of the chunks since they were last written, [S] each."""
    lost: list[int] = field(default_factory=list)
    """Seeds whose networks are not numbers any more."""

    @classmethod
    def begin(cls, seeds: Sequence[int], checkpoint: Checkpoint | None) -> "Progress":
        """Before the first step, or where a checkpoint stands."""
        nothing = {"step": 0, "return_mean": -np.inf}
        if checkpoint is None:
            return cls(0, [dict(nothing) for _ in seeds])
        best = [b if b["return_mean"] is not None else b | {"return_mean": -np.inf} for b in checkpoint.extra["best"]]
        return cls(checkpoint.step, best, checkpoint.extra["wall_s"])

    @property
    def wall_s(self) -> float:
        """Seconds of training over all sessions."""
        return self.wall_before + time.monotonic() - self.started

    def means(self) -> Metrics:
        """Means of the metrics in the window, which begins anew."""
        window, self.window = self.window, []
        return jax.tree.map(lambda *x: np.mean(np.stack(x), 0), *window)


def recorder(setup: Setup, progress: Progress) -> Recorder:
    """What writes the run's metrics; records, policies and a selection of steps that are trained again are removed.

    So is the summary of a run that goes on: it has not finished until it has another one. Earlier records that are gone
    are told.

    Raises:
        CheckpointError: records are damaged, or there is no evaluation of the last step, which is trained.
    """
    options = setup.training
    folders = [seed_folder(setup.folder, options.seeds, seed) for seed in options.seeds]
    check_records(setup, progress, folders)
    (setup.folder / SUMMARY).unlink(missing_ok=True)
    kept.begin(setup.folder, folders, progress.step)
    wanted: dict[SinkName, bool] = {"tensorboard": options.tensorboard, "wandb": options.wandb}
    return Recorder(
        setup.folder,
        [name for name, on in wanted.items() if on],
        options.seeds,
        options.steps,
        options.quiet,
        f"{setup.algorithm.name} {setup.task.label}",
        read_json(setup.folder / "config.json"),
        resumed_at=progress.step or -1,  # a run killed before its first checkpoint starts again, and so do its records
        unit="steps" if setup.needs.env else "updates",
    )


def check_records(setup: Setup, progress: Progress, folders: Sequence[Path]) -> None:
    """Say which records of the steps before a checkpoint are gone, as of a file that was removed.

    Raises:
        CheckpointError: no step is left to train, and the last one's evaluation is gone.
    """
    for folder, best in zip(folders, progress.best, strict=True):
        path, known = folder / METRICS, set[int]()
        if path.exists():
            known = {line["step"] for line in read_lines(path) if line["kind"] == "eval"}
        if progress.step == setup.training.steps and progress.step not in known:
            raise CheckpointError(
                f"{path} has no evaluation of step {progress.step:,}, the last one: put the file back, or evaluate the "
                "policy: imitax eval RUN"
            )
        if best["step"] and best["step"] not in known and not setup.training.quiet:
            print(
                f"imitax: {path} has lost evaluations, such as the best one, of step {best['step']:,}: curves and "
                "errors leave them out",
                file=sys.stderr,
            )


def save(setup: Setup, state: Any, index: int, step: int, folder: Path, suffix: str = "") -> None:
    """Write one seed's policy, and the reward that it learned where the algorithm learns one."""
    about, policy = setup.about(index, step), unstack(setup.algorithm.policy(state), index)
    save_policy(folder / f"policy{suffix}.safetensors", policy, about)
    if setup.algorithm.reward is not None:
        reward = setup.algorithm.reward(unstack(state, index), setup.cfg)
        save_reward(folder / f"reward{suffix}.safetensors", reward, about)


def keep(setup: Setup, state: Any, index: int, step: int, folder: Path) -> None:
    """Keep one seed's policy of an evaluation, where the options want it."""
    policy, options = unstack(setup.algorithm.policy(state), index), setup.training
    if kept.keeps(options.keep_policies, options.select or "last", policy):
        save_policy(kept.path_of(folder, step), policy, setup.about(index, step))
