"""The learned models of a run: fitted or loaded for every seed, measured, and written where other runs find them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from imitax import figures, seeding
from imitax.artifacts import DYNAMICS, save_dynamics
from imitax.buffers import Stored
from imitax.choices.dynamics_loss import DynamicsFit
from imitax.datasets import Dataset
from imitax.files import write_json
from imitax.networks import Dynamics
from imitax.seeding import Purpose
from imitax.training.dynamics_errors import episode_numbers, rollout_errors
from imitax.training.dynamics_fit import fit

HORIZON = 40
"""Steps of the rollouts whose error is reported."""


def fit_offline(
    dynamics: Dynamics, data: Dataset, cfg: DynamicsFit, seed: int, folder: Path, about: dict[str, Any]
) -> Dynamics:
    """Fit one seed's model to recorded episodes, and write it with its report: `dynamics.json` and a figure."""
    rng = seeding.generator(seed, Purpose.MODEL)
    fitted, report = fit(dynamics, data.transitions(), cfg, rng, episode_numbers(data))
    unseen = tuple(data.episodes[i] for i in report.episodes)
    errors = rollout_errors(fitted, unseen, HORIZON, rng)
    written = dataclasses.asdict(report) | {"rollout_errors": errors}
    save_dynamics(folder / DYNAMICS, fitted, about)
    write_json(folder / "dynamics.json", written)
    figures.dynamics_figure(written, folder / "figures" / "dynamics.png")
    return fitted


def fit_replay(dynamics: Dynamics, data: Stored, cfg: DynamicsFit, seed: int, step: int) -> tuple[Dynamics, dict]:
    """Fit one seed's model to its replay; also metrics of the fit."""
    fitted, report = fit(dynamics, data, cfg, seeding.generator(seed, Purpose.MODEL, step))
    elite = np.asarray(report.error)[report.elites]
    return fitted, {"model_error": float(elite.mean()), "model_epochs": float(len(report.errors))}
