"""Seeds whose networks are no longer numbers."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import toy

import imitax
from imitax.algorithms import bc
from imitax.choices.temperature import LogScalar
from imitax.errors import TrainingError, TrainingWarning
from imitax.learner import OptimizerConfig
from imitax.stacking import stack
from imitax.training.nan import are_nan, check_networks
from imitax.training.progress import Progress

pytestmark = pytest.mark.usefixtures("no_figures")


def test_a_run_ends_where_no_seed_can_go_on(tmp_path, demos):
    """No checkpoint is written of it."""
    cfg = toy.shrink(bc.Config())
    cfg = replace(cfg, optimizer=OptimizerConfig(lr=1e38))
    options = {"env": toy.ENV, "chunk": 2, "eval_every": 20, "checkpoint_every": 20, "eval_episodes": 2, "quiet": True}
    with pytest.raises(TrainingError, match="the networks of seed 0 are not numbers any more by step 20: smaller lear"):
        imitax.train(cfg, demos=demos, out=tmp_path / "run", steps=40, **options)
    assert not (tmp_path / "run" / "summary.json").exists()
    assert not list((tmp_path / "run").rglob("step-*"))


def test_one_of_two_seeds_is_told_of_once():
    learners = [LogScalar.learner(1.0, 0.1), LogScalar.learner(float("nan"), 0.1)]
    state = {"temperature": stack(learners), "data": jnp.full((2, 3), jnp.nan)}
    assert are_nan(state, 2) == [False, True]
    progress, run = Progress(50, []), ((3, 4), Path("run"))
    progress.window.append({"loss": np.array([1.0, 2.0])})
    check_networks(state, progress, *run)  # the metrics are those of a sound run
    progress.window.append({"loss": np.array([1.0, np.nan])})
    with pytest.warns(TrainingWarning, match="the networks of seed 4 are not numbers any more by step 50"):
        check_networks(state, progress, *run)
    check_networks(state, progress, *run)
    assert progress.lost == [4]
