"""Tests of bench.experiments.time_to_expert."""

import toy

from bench.experiments import few_runs, time_to_expert
from imitax.training.loop import Event


def test_a_run_ends_where_it_is_at_the_level(tmp_path):
    for fractions, goes_on in (((0.94,), True), ((0.95,), False), ((1.0, 0.2), True)):
        records = {seed: {"expert_fraction": x} for seed, x in enumerate(fractions)}
        assert time_to_expert.there(Event(1, records, tmp_path)) is goes_on


def test_a_small_run(tmp_path, monkeypatch, demos):
    given = {}

    def finished(name, cfg, args, steps, **setting):
        given.update(setting, name=name)
        settings = {"env": toy.ENV, "demos": demos, "eval_every": 2, "callbacks": setting["callbacks"]}
        return few_runs.finished(name, toy.shrink(cfg, warmup_steps=2), args, 6, chunk=2, **settings)

    monkeypatch.setattr(time_to_expert, "finished", finished)
    results = tmp_path / "lines.jsonl"
    flags = ["--out", str(tmp_path), "--results", str(results), "--tasks", "ant", "--eval-episodes", "2"]
    for _ in range(2):  # nothing is trained or written again
        (line,) = time_to_expert.main(flags)
        assert len(results.read_text().splitlines()) == 1
    assert (given["name"], given["env"]) == ("adversarial-ant", "Ant-v5")
    assert given["env_kwargs"] == {"include_cfrc_ext_in_observation": False}
    assert (line["algorithm"], line["eval_episodes"]) == ("adversarial", 2)
    assert (line["seconds"] is None) == (line["expert_fraction"] < time_to_expert.SHARE)
