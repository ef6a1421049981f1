"""The training loop."""

import multiprocessing

import pytest
import toy
from interrupted import Interrupted, stop_at

import imitax
from imitax.algorithms import sac
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
