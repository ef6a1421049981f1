"""Comparisons of runs: who wins, who does not, and what cannot be compared."""

import json

import numpy as np
import pytest
from written_runs import write_run

import imitax
from imitax import cli
from imitax.errors import CheckpointError, ConfigError
from imitax.files import append_line, read_json, write_json
from imitax.statistics import interval


def seeds(*values):
    return {i: [50.0, float(v)] for i, v in enumerate(values)}


@pytest.fixture
def folders(tmp_path):
    high = write_run(tmp_path / "high", seeds(90, 91, 92, 93, 94), algorithm="ibc")
    low = write_run(tmp_path / "low", seeds(70, 71, 72, 73, 74))
    near = write_run(tmp_path / "near", seeds(89, 92, 91, 93, 90), algorithm="sac")
    return high, low, near


def test_a_clear_winner(folders):
    high, low, _ = folders
    found = imitax.compare([low, high])
    assert [m.label for m in found.methods] == ["ibc", "bc"]
    assert (found.measure, found.higher_is_better, found.winner) == ("return", True, "ibc")
    assert found.verdict == "ibc wins: it is better than the other one by the rule."
    (pair,) = found.pairs
    assert (pair.difference.value, pair.paired.value, pair.shared_seeds, pair.improvement.value) == (20, 20, 5, 1)
    assert pair.p == pytest.approx(2 / 252)
    assert found.methods[0].seeds == {"Toy-v0": {0: 90, 1: 91, 2: 92, 3: 93, 4: 94}}


def test_no_winner_where_there_is_none(folders):
    found = imitax.compare(list(folders))
    assert found.winner is None
    assert found.verdict.startswith("No winner: ibc has the best score, but is not told apart from sac (p ")
    assert [(p.a, p.b, p.better) for p in found.pairs] == [
        ("ibc", "sac", False),
        ("ibc", "bc", True),
        ("sac", "bc", True),
    ]


def test_three_seeds_are_too_few(tmp_path):
    a, b = write_run(tmp_path / "a", seeds(90, 91, 92), algorithm="ibc"), write_run(tmp_path / "b", seeds(1, 2, 3))
    found = imitax.compare([a, b])
    assert found.winner is None
    assert "with so few seeds no result could tell ibc from bc (the smallest possible p is 0.1)" in found.verdict


def test_errors_are_better_when_low(tmp_path):
    a = write_run(tmp_path / "a", seeds(0.10, 0.11, 0.12, 0.13, 0.14), env=None, algorithm="ibc")
    b = write_run(tmp_path / "b", seeds(0.3, 0.31, 0.32, 0.33, 0.34), env=None)
    found = imitax.compare([b, a])
    assert (found.measure, found.higher_is_better, found.winner) == ("error on held-out episodes", False, "ibc")
    assert found.pairs[0].difference.value == pytest.approx(0.2)
    c = write_run(tmp_path / "c", seeds(1, 2))
    with pytest.raises(ConfigError, match="compare one or the other"):
        imitax.compare([a, c])


def test_seeds_of_several_folders_are_one_method(tmp_path):
    for seed in range(3):
        write_run(tmp_path / f"bc{seed}", {seed: [10.0 + seed]})
        write_run(tmp_path / f"wide{seed}", {seed: [20.0 + seed]}, config={"batch_size": 512})
    found = imitax.compare([*sorted(tmp_path.glob("bc*")), *sorted(tmp_path.glob("wide*"))])
    assert {m.label: list(m.seeds["Toy-v0"].values()) for m in found.methods} == {
        "wide0": [20, 21, 22],
        "bc0": [10, 11, 12],
    }
    again = imitax.compare([tmp_path / "bc0", tmp_path / "bc0"])
    assert len(again.methods) == 2  # one seed twice is no second seed
    given = imitax.compare({"a": [tmp_path / "bc0", tmp_path / "bc1"], "b": tmp_path / "wide2"})
    assert {m.label: len(m.folders) for m in given.methods} == {"a": 2, "b": 1}
    with pytest.raises(ConfigError, match="a has seed 0 of Toy-v0 twice"):
        imitax.compare({"a": [tmp_path / "bc0", tmp_path / "wide0"]})


def changed_run(folder, seed, part, **changes):
    """A run of one seed, with changes in a part of its config."""
    config = read_json(write_run(folder, {seed: [float(seed)]}) / "config.json")
    write_json(folder / "config.json", config | {part: config[part] | changes})
    return folder


@pytest.mark.parametrize("option", [{"variant": "wide"}, {"init_from": "runs/a"}, {"reward": "runs/a"}])
def test_what_is_another_method(tmp_path, option):
    options = {"a": {}, "b": option, "c": {}, "d": option}
    runs = [changed_run(tmp_path / name, i, "training", **given) for i, (name, given) in enumerate(options.items())]
    found = imitax.compare(runs)
    assert sorted(list(m.seeds["Toy-v0"]) for m in found.methods) == [[0, 2], [1, 3]]
    if "variant" in option:
        assert sorted(m.label for m in found.methods) == ["bc default", "bc default wide"]
    else:  # which file it is may differ from seed to seed
        other = changed_run(tmp_path / "e", 5, "training", **dict.fromkeys(option, "runs/b"))
        assert [list(m.seeds["Toy-v0"]) for m in imitax.compare([runs[1], other]).methods] == [[1, 5]]


def test_other_arguments_of_an_environment_are_another_task(tmp_path):
    plain = [write_run(tmp_path / f"a{i}", {i: [10.0]}) for i in range(2)]
    other = [changed_run(tmp_path / f"b{i}", i, "env", kwargs={"mass": 2.0}) for i in (20, 30)]
    (method,) = imitax.compare([*plain, *other]).methods
    assert method.seeds == {"Toy-v0": {0: 0.1, 1: 0.1}, 'Toy-v0 {"mass": 2.0}': {20: 0.2, 30: 0.3}}
    assert imitax.compare(other).tasks == ["Toy-v0"]
    with pytest.raises(ConfigError, match="no task in common"):
        imitax.compare({"a": plain, "b": other})


def test_what_the_data_decided_makes_no_other_method(tmp_path):
    """Runs with a gamma for short episodes, and with the given one where they are longer."""
    runs = [write_run(tmp_path / env, seeds(90, 91), env=env) for env in ("X-v0", "Y-v0")]
    for decided, tasks in ({}, []), ({"gamma": 0.99}, ["X-v0", "Y-v0"]):
        for folder, gamma, given in ((runs[0], 0.99, {}), (runs[1], 0.9, decided)):
            config = read_json(folder / "config.json")
            config["config"] |= {"gamma": gamma}
            write_json(folder / "config.json", config | {"decided": given})
        if tasks:
            assert imitax.compare(runs).tasks == tasks
        else:
            with pytest.raises(ConfigError, match="no task in common"):
                imitax.compare(runs)
    write_json(runs[0] / "config.json", config | {"decided": ["gamma"]})
    with pytest.raises(CheckpointError, match="damaged: decided is"):
        imitax.compare(runs)


def test_several_tasks_are_compared_by_shares(tmp_path):
    one = [write_run(tmp_path / f"a{env}", seeds(90, 91, 92), env=env, algorithm="ibc") for env in ("X-v0", "Y-v0")]
    two = [write_run(tmp_path / f"b{env}", seeds(50, 51, 52), env=env) for env in ("X-v0", "Y-v0")]
    found = imitax.compare([*one, *two])
    assert (found.measure, found.tasks, found.winner) == (
        "share of the demonstrations' return",
        ["X-v0", "Y-v0"],
        "ibc",
    )
    assert found.methods[0].score.value == pytest.approx(0.91)
    with pytest.raises(ConfigError, match="no task in common"):
        imitax.compare([one[0], two[1]])
    for folder in (one[0], two[0]):
        for path in folder.rglob("metrics.jsonl"):
            path.write_text(path.read_text().replace('"expert_fraction": 0.', '"expert_fraction": null, "x": 0.'))
    with pytest.raises(ConfigError, match="have no common scale"):
        imitax.compare([*one, *two])


def test_success_rates(tmp_path):
    a = write_run(tmp_path / "a", seeds(90, 60), algorithm="ibc")  # episodes 89, 91, 59, 61
    found = imitax.compare([a], success=60)
    rate = found.methods[0].success
    assert (rate.value, found.methods[0].episodes) == (0.75, 4)
    assert (rate.low, rate.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert any("Success rates" in note for note in found.notes)
    assert imitax.compare([a]).methods[0].success is None


def test_what_weakens_a_comparison_is_said(tmp_path):
    a = write_run(tmp_path / "a", {0: [1.0, 2.0], 1: [1.0, None]}, algorithm="ibc")
    b = write_run(tmp_path / "b", {0: [1.0], 1: [2.0]}, data={"name": "other", "hash": "1"})
    notes = " ".join(imitax.compare([a, b], which="best").notes)
    for part in (
        "flatters",
        "Budgets differ: ibc 200, bc 100",
        "same demonstrations",
        "Unfinished: a, b",
        "need 3 seeds",
    ):
        assert part in notes
    found = imitax.compare([a, b])
    assert "A score is not finite: ibc." in found.notes
    assert np.isnan(found.pairs[0].p)
    assert found.winner is None


def test_other_demonstrations_of_the_same_file_are_said(tmp_path):
    a = write_run(tmp_path / "a", seeds(1, 2), algorithm="ibc")
    b = write_run(tmp_path / "b", seeds(1, 2))
    config = read_json(b / "config.json")
    config["data"]["train_episodes"] = {"0": [0, 1, 3], "1": [0]}
    write_json(b / "config.json", config | {"offline_data": {"name": "other", "hash": "1"}})
    notes = imitax.compare([a, b]).notes
    assert "Numbers of demonstrations learned from differ: ibc 2, bc 1 or 3." in notes
    assert "The methods did not learn from the same offline data." in notes
    assert not any("demonstrations" in note for note in imitax.compare([a]).notes)
    found = imitax.compare({"x": [b], "y": [write_run(tmp_path / "c", seeds(1, 2), data={"hash": "0" * 64})]})
    assert "Numbers of demonstrations learned from differ: x 1 or 3." in found.notes  # the other one does not say


def test_refused(tmp_path, folders):
    with pytest.raises(ConfigError, match="late has no runs"):
        imitax.compare({"early": folders[0], "late": []})
    with pytest.raises(ConfigError, match="success must be a return"):
        imitax.compare([folders[0]], success=float("nan"))
    with pytest.raises(ConfigError, match="which is last or best"):
        imitax.compare([folders[0]], which="first")
    with pytest.raises(ConfigError, match="at least one run"):
        imitax.compare([])
    with pytest.raises(CheckpointError, match="is not a run"):
        imitax.compare([tmp_path])
    new = write_run(tmp_path / "new", {0: []}, steps=[100], lines=[{"kind": "train", "step": 1}])
    with pytest.raises(CheckpointError, match="no evaluation yet"):
        imitax.compare([new])
    append_line(new / "metrics.jsonl", {"kind": "eval", "step": 1, "return_mean": "ten"})
    with pytest.raises(CheckpointError, match="damaged"):
        imitax.compare([new])


def test_on_the_command_line(folders, capsys):
    high, low, near = map(str, folders)
    assert cli.dispatch(["compare", high, f"[red]slow={low}", near]) == 0
    text = capsys.readouterr().out
    assert "[red]slow" in text
    assert "No winner" in text
    assert max(map(len, text.splitlines())) <= 80
    assert cli.dispatch(["compare", high, low, "--json", "--success", "90.5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["winner"] == "ibc"
    low, high = interval([90, 91, 92, 93, 94])
    assert found["methods"][0]["score"] == {"value": 92, "low": pytest.approx(low), "high": pytest.approx(high)}
    assert found["methods"][0]["success"]["value"] == 0.8
