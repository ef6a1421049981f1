import dataclasses

import pytest
import toy

import imitax
from bench.experiments import selection
from bench.experiments.sections.selection import selection_section
from imitax.algorithms import bc
from imitax.files import read_lines
from imitax.learner import OptimizerConfig

LINE = {
    "algorithm": "bc",
    "preset": "default",
    "env": "Hopper-v5",
    "steps": 60000,
    "evaluations": 12,
    "seed": 0,
    "rule": "best",
    "return_mean": 3000.0,
    "share": 1.0,
    "rollouts": 10,
    "fresh_episodes": 50,
    "commit": "a523fd6" + "0" * 33,
}


def of(seed, rule, share, **changes):
    return LINE | {"seed": seed, "rule": rule, "share": share} | changes


def rows(section):
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_no_measurement():
    assert selection_section([]) == "Not measured yet:\n`python -m bench.experiments.selection`."


def test_a_row_for_each_method_and_task_and_one_over_all():
    lines = [LINE, of(1, "best", 1.0, return_mean=2000.0), of(0, "last", 0.1), of(0, "last", 0.9), of(1, "last", 1.02)]
    lines += [of(0, "agreement", 0.95), of(1, "agreement", 0.97)]
    lines += [of(0, "best", 1.0, env="Ant-v5"), of(0, "last", 0.6, env="Ant-v5")]
    lines += [of(0, "validation", None, env="Ant-v5")]
    section = selection_section(lines)
    assert rows(section) == [
        ["`bc`", "Ant-v5", "60,000", "1", "3000", "0.60 (1)", "-", "-", "-", "-"],
        [
            "`bc`",
            "Hopper-v5",
            "60,000",
            "2",
            "2000 to 3000",
            "0.96 [0.90, 1.02] (2)",
            "-",
            "-",
            "-",
            "0.96 [0.95, 0.97] (2)",
        ],
        ["all", "", "", "", "", "0.84 [0.60, 1.02] (3)", "-", "-", "-", "0.96 [0.95, 0.97] (2)"],
    ]
    assert "12 evaluations, with 10 episodes of each policy" in section
    assert "commit a523fd6" in section


def test_the_runs_keep_their_policies_and_hold_episodes_out():
    made = selection.rows()
    assert len(made) == 6
    assert all(row.seeds == 3 and "--keep-policies" in row.args and "--validation-episodes" in row.args for row in made)


@pytest.mark.long
def test_a_run_is_measured_once(tmp_path, no_figures):
    from imitax.datasets import save_d4rl

    save_d4rl(toy.demonstrations(6), tmp_path / "toy.hdf5")
    options = {"chunk": 20, "steps": 60, "eval_every": 20, "checkpoint_every": 60, "eval_episodes": 2, "quiet": True}
    options["select"] = "last"  # so that a selection at the end would be the measurement's
    cfg = dataclasses.replace(toy.shrink(bc.Config()), optimizer=OptimizerConfig(lr=0.02))
    run = imitax.train(
        cfg, env=toy.ENV, demos=tmp_path / "toy.hdf5", validation_episodes=2, out=tmp_path / "run", **options
    )
    for _ in range(2):
        selection.measure_all([run.folder], tmp_path / "lines.jsonl", rollouts=2, fresh=3)
    lines = {line["rule"]: line for line in read_lines(tmp_path / "lines.jsonl")}
    assert list(lines) == ["last", "best", "validation", "validation_error", "agreement"]
    assert lines["best"]["share"] == 1
    assert lines["last"]["step"] == 60
    expected = run.evaluate(3)["return_mean"]
    assert lines["last"]["return_mean"] == pytest.approx(expected)
    assert lines["last"]["share"] == pytest.approx(expected / lines["best"]["return_mean"])
    assert run.selection is None
