"""The training loop."""

import multiprocessing
import os
import signal

import numpy as np
import pytest
import toy
from interrupted import Interrupted, stop_at

import imitax
from imitax import compiled
from imitax.algorithm import Algorithm
from imitax.algorithms import bc, sac
from imitax.config import override
from imitax.errors import ConfigError
from imitax.training import begin, loop

OPTIONS = {"env": toy.ENV, "chunk": 2, "steps": 20, "eval_every": 10, "checkpoint_every": 20, "eval_episodes": 2}
SAC = toy.shrink(sac.Config(), buffer_size=30)


@pytest.mark.parametrize("answer", [False, np.bool_(False)])
def test_a_callback_ends_the_run(answer, tmp_path, demos, monkeypatch):
    """Given alone, not in a list; and wherever the callback goes, the run stays."""
    monkeypatch.chdir(tmp_path)

    def callback(event):
        os.chdir(tmp_path.anchor)
        return answer if event.step == 20 else None

    options = {"env": toy.ENV, "chunk": 2, "eval_every": 10, "checkpoint_every": 10, "eval_episodes": 2, "quiet": True}
    run = imitax.train(toy.shrink(bc.Config()), demos=demos, out="run", steps=60, callbacks=callback, **options)
    assert (run.folder, run.summary["steps"]) == (tmp_path / "run", 20)
    assert len(run.metrics()) > 2


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("step", [10, 20])
def test_a_signal_ends_the_program_even_in_the_last_evaluation(step, tmp_path, demos, capsys):
    def callback(event):
        if event.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit, match="143"):
        imitax.train(toy.shrink(bc.Config()), demos=demos, out=tmp_path / "run", callbacks=callback, **OPTIONS)
    assert (tmp_path / "run" / "summary.json").exists() == (step == 20)
    where = "when the run had finished" if step == 20 else "at step 10, after a checkpoint"
    assert f"interrupted {where}" in capsys.readouterr().err
    assert imitax.resume(tmp_path / "run", demos=demos).summary["steps"] == 20


@pytest.mark.usefixtures("no_figures")
def test_runs_of_one_process_share_their_programs(tmp_path, demos, monkeypatch):
    """A second run of the same settings traces no update, whatever its seed and data; one of other settings does."""
    traced, updated = [], Algorithm.updated
    monkeypatch.setattr(Algorithm, "updated", lambda self, *args: (traced.append(self.name), updated(self, *args))[1])
    options, cfg = OPTIONS | {"demos": demos, "quiet": True}, toy.shrink(bc.Config())
    imitax.train(cfg, out=tmp_path / "first", seeds=[0], **options)
    once = len(traced)
    assert once > 0
    second = imitax.train(cfg, out=tmp_path / "second", seeds=[3], **options)
    assert len(traced) == once
    imitax.train(override(cfg, **{"optimizer.lr": 0.1}), out=tmp_path / "third", seeds=[3], **options)
    assert len(traced) > once
    compiled.programs.cache_clear()
    alone = imitax.train(cfg, out=tmp_path / "alone", seeds=[3], **options)
    lines, expected = ([line | {"wall_s": 0} for line in run.metrics()] for run in (second, alone))
    assert lines == expected


@pytest.mark.parametrize("wrong", [3, "save", [print, "save"]])
def test_what_is_no_callback(wrong):
    assert loop.several(None) == ()
    assert loop.several(print) == loop.several([print]) == (print,)
    with pytest.raises(ConfigError, match="a callback is a function of an event"):
        loop.several(wrong)


@pytest.mark.parametrize("where", ["callback", "first episodes"])
def test_worker_processes_end_where_training_fails(where, tmp_path, monkeypatch):
    def fail(*_):
        assert len(multiprocessing.active_children()) == 1
        raise Interrupted

    if where == "first episodes":
        monkeypatch.setattr(begin, "OnlineSource", fail)
    # the exception holds all objects, so that nothing is closed because it is forgotten
    with pytest.raises(Interrupted) as _:
        imitax.train(
            SAC, out=tmp_path / "run", env_workers=1, seeds=(0, 1), quiet=True, callbacks=[stop_at(10)], **OPTIONS
        )
    assert multiprocessing.active_children() == []


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
def test_curves_begin_before_the_first_update(tmp_path, demos):
    """At step 0 there is a record, which is no candidate for the best policy, and no callback."""
    steps = []
    options = OPTIONS | {"seeds": (0, 1), "out": tmp_path / "run", "quiet": True}
    with pytest.raises(Interrupted):
        imitax.train(
            toy.shrink(bc.Config()), demos=demos, callbacks=[stop_at(10)], **options
        )  # before the first checkpoint: it starts again
    run = imitax.resume(tmp_path / "run", demos=demos, callbacks=[lambda event: steps.append(event.step)], quiet=True)
    for seed in (0, 1):
        assert [line["step"] for line in run.metrics(seed) if line["kind"] == "eval"] == [0, 10, 20]
    assert steps == [10, 20]
    assert set(run.summary["best_steps"].values()) <= {10, 20}
