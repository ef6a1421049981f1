from types import SimpleNamespace

import pytest

from bench.experiments import judging
from bench.experiments.sections.judging import judging_section
from imitax.errors import ConfigError
from imitax.files import read_lines
from imitax.rewards import Estimate

LINE = {
    "algorithm": "f_irl",
    "preset": "default",
    "env": "Hopper-v5",
    "episodes": 10,
    "steps": 60_000,
    "seed": 0,
    "expert_fraction": 0.5,
    "pearson": [0.5, 0.25, 0.75],
    "spearman": [-0.001, -0.5, 0.5],
    "starc": [0.5, 0.5, 0.5],
    "kendall": [0.1, 0.0, 0.2],
    "kendall_mixed": [0.9, 0.8, 1.0],
    "run_commit": "a523fd6" + "0" * 33,
    "fresh_episodes": 20,
}


def test_no_measurement():
    assert judging_section([]) == "Not measured yet:\n`python -m bench.experiments.judging`."


def test_a_row_for_each_run_the_later_line_counts():
    other = LINE | {"algorithm": "adversarial", "preset": "airl", "expert_fraction": None}
    section = judging_section([LINE | {"pearson": [0.0, 0.0, 0.0]}, LINE, other])
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `adversarial` airl | Hopper-v5 | 10 | 60,000 | 0 | - | 0.50 [0.25, 0.75] | 0.00 [-0.50, 0.50] | "
        "0.50 [0.50, 0.50] | 0.10 [0.00, 0.20] | 0.90 [0.80, 1.00] |",
        "| `f_irl` | Hopper-v5 | 10 | 60,000 | 0 | 0.50 | 0.50 [0.25, 0.75] | 0.00 [-0.50, 0.50] | "
        "0.50 [0.50, 0.50] | 0.10 [0.00, 0.20] | 0.90 [0.80, 1.00] |",
    ]
    assert "20 fresh episodes" in section
    assert "(commit a523fd6)" in section


def stand_in(env):
    """A finished run of two seeds."""
    per_seed = [{"seed": seed, "expert_fraction": seed / 2} for seed in (0, 1)]
    data = {"name": "x", "data_hash": "y", "hash": "z", "train_episodes": {"0": [1, 2], "1": [3]}}
    config = {"algorithm": "f_irl", "preset": "default", "env": {"id": env}, "data": data, "commit": "c"}
    return SimpleNamespace(config=config, summary={"last": {"per_seed": per_seed}, "steps": 60}, seeds=(0, 1))


def test_a_run_is_judged_once_a_line_for_each_seed(tmp_path, monkeypatch):
    asked = []

    def judge(_, data, *, episodes, seed):
        asked.append((data[0].name, episodes, seed))
        own = dict.fromkeys(judging.MEASURES, Estimate(seed + 0.5, 0.0, 1.0))
        return {"all": own, "sets": {"mixed": {"kendall": Estimate(0.25, 0.0, 0.5)}}}

    monkeypatch.setattr(judging, "Run", lambda *_, **__: stand_in("Walker2d-v5"))
    monkeypatch.setattr(judging, "load", lambda path: SimpleNamespace(name="mixed", path=path))
    monkeypatch.setattr(judging, "evaluate_reward", judge)
    for _ in range(2):
        judging.judge_all([tmp_path / "a"], tmp_path / "out.jsonl", 3)
    assert asked == [("mixed", 3, 0), ("mixed", 3, 1)]
    lines = read_lines(tmp_path / "out.jsonl")
    assert [(x["seed"], x["episodes"], x["expert_fraction"], x["pearson"][0]) for x in lines] == [
        (0, 2, 0.0, 0.5),
        (1, 1, 0.5, 1.5),
    ]
    assert all(x["kendall_mixed"] == [0.25, 0.0, 0.5] for x in lines)


def test_a_task_without_recorded_data_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "Run", lambda *_, **__: stand_in("Pendulum-v1"))
    with pytest.raises(ConfigError, match="has no medium-replay data"):
        judging.judged(tmp_path, 3)


def test_every_method_with_a_reward_is_there():
    from imitax.algorithms import ALGORITHMS

    learn = {name for name, algorithm in ALGORITHMS.items() if algorithm.reward is not None}
    assert {row.args[0] for row in judging.rows()} == learn
