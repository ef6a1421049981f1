"""The recipe of expert and medium sets."""

import shlex
from dataclasses import replace

import numpy as np
import pytest
import toy
import tyro

import imitax
from bench.experiments import expert, expert_scores

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe at toy size; its training is SAC with tiny networks."""
    train = imitax.train

    def small(cfg, **options):
        assert cfg == imitax.preset_config("sac", gamma=0.9)
        return train(toy.shrink(cfg), **options, chunk=5, checkpoint_every=10, quiet=True)

    monkeypatch.setattr(imitax, "train", small)
    out = tmp_path / "out"
    return expert.Recipe(
        env=toy.ENV,
        env_kwargs='{"dims": 2}',
        settings='{"gamma": 0.9}',
        name="set",
        run=tmp_path / "run",
        steps=40,
        eval_every=10,
        eval_episodes=2,
        episodes=3,
        min_mean_return=-1.0,
        out=out,
    )


def test_a_medium_set_comes_from_a_training_that_stopped(recipe):
    expert.main(replace(recipe, stop_at=-1.0, full_length_only=False))
    assert imitax.Run(recipe.run).summary["steps"] == 10
    data = imitax.load(recipe.out / "set.hdf5")
    assert (len(data.episodes), data.env_kwargs) == (3, {"dims": 2})
    python, _, module, *flags = shlex.split(data.attributes["recipe"])
    assert (python, module) == ("python", "bench.experiments.expert")
    again = tyro.cli(expert.Recipe, args=flags)
    assert replace(again, run=recipe.run, out=recipe.out) == replace(recipe, stop_at=-1.0, full_length_only=False)
    line = expert_scores.score(recipe.out / "set.policy.safetensors", 3)
    known = imitax.Run(recipe.run).evaluate(3, which="best")
    assert line["return_mean"] == pytest.approx(known["per_seed"][0]["return_mean"], abs=0.01)
    assert (line["set"], line["data_hash"], line["episodes"]) == ("set", data.hash(), 3)
    assert line["full_length"] == np.mean(np.array(known["per_seed"][0]["lengths"]) == 20)


def test_what_is_too_bad_is_not_written(recipe):
    with pytest.raises(SystemExit, match=r"mean return .* is below 1,000: not written"):
        expert.main(replace(recipe, stop_at=100.0, full_length_only=False, min_mean_return=1000.0))
    assert imitax.Run(recipe.run).summary["steps"] == 40
    assert not recipe.out.exists()


def test_a_set_of_an_experts_best_episodes_alone_is_not_written(recipe):
    every = replace(recipe, stop_at=-1.0, full_length_only=False, max_discarded=0.0)
    expert.main(every)
    mean = float(imitax.load(recipe.out / "set.hdf5").returns.mean())
    (recipe.out / "set.hdf5").unlink()
    with pytest.raises(SystemExit, match=r"\d+ of \d+ episodes discarded, over 0%: not written"):
        expert.main(replace(every, min_return=mean))
    assert not (recipe.out / "set.hdf5").exists()
