"""The training loop."""

import multiprocessing

import pytest
import toy
from interrupted import Interrupted, stop_at

import imitax
from imitax.algorithms import bc, sac
from imitax.training import begin

OPTIONS = {"env": toy.ENV, "chunk": 2, "steps": 20, "eval_every": 10, "checkpoint_every": 20, "eval_episodes": 2}
SAC = toy.shrink(sac.Config(), buffer_size=30)


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
