"""The contract over spaces: every algorithm on every kind of space learns, is resumed, saved and loaded, or is refused.

Two updates and what is saved of them run always; whole runs, interrupted and resumed, run in `make test-long`. What is
refused is what the tables of README and docs/spaces.md say (bench/experiments/algorithm_tables.py).
"""

import dataclasses
from functools import cache
from pathlib import Path

import gymnasium as gym
import pictured
import pytest
import toy
from interrupted import Interrupted, assert_equal_runs, stop_at
from two_updates import check_saved, check_two_updates, initial_state

import imitax
from bench.experiments import algorithm_tables
from imitax.algorithms import ALGORITHMS
from imitax.config import Training, override
from imitax.datasets import collect
from imitax.envs import Task
from imitax.errors import ConfigError
from imitax.training.action_check import check_actions
from imitax.training.observed import check_observations

ROOT = Path(__file__).parents[2]
KINDS = {
    "flat": ("box", toy.ENV, {}),
    "dict": ("images", pictured.ENVS["dict"], {}),
    "discrete": ("discrete", toy.STEPS, {"kind": "discrete"}),
    "multi": ("factors", toy.STEPS, {"kind": "multi"}),
    "history": ("box", toy.ENV, {}),
}
"""What `algorithm_tables.takes` calls a kind of space, an environment with it, and its arguments."""
UPDATED_ELSEWHERE = {"flat": "tests/test_algorithm.py", "multi": "tests/test_finite_actions.py"}
"""Where two updates on a kind of space are run for all that learn from it, so that they are not run twice."""
HISTORY = {"history": 3}
"""Options of a run whose networks see the last three observations."""
REASONS = "learns a model that predicts the next observation|cannot learn the actions of .*, because "
CELLS = [(name, kind) for name in algorithm_tables.TITLES for kind in KINDS]


def learns(name, kind):
    return bool(algorithm_tables.takes(algorithm_tables.default_needs(ALGORITHMS[name]))[KINDS[kind][0]])


def shallow(cfg):
    """A configuration at toy size, with one hidden layer in every network: what takes time here is compiling them."""

    def change(part):
        if not dataclasses.is_dataclass(part):
            return part
        values = {f.name: change(getattr(part, f.name)) for f in dataclasses.fields(part)}
        return dataclasses.replace(part, **values | ({"hidden": (8,)} if "hidden" in values else {}))

    return change(pictured.tiny(cfg))


@cache
def recorded(kind):
    """The task and its demonstrations."""
    _, env, kwargs = KINDS[kind]
    if kind == "dict":
        demos = pictured.demonstrations("dict")
    elif kwargs:
        demos = toy.stepped(kwargs["kind"], episodes=4)
    else:
        demos = collect(toy.expert, lambda: gym.make(env), episodes=4, seed=0, name="flat")
    return Task.create(env, kwargs), demos


def test_every_algorithm_has_its_cells():
    assert set(algorithm_tables.TITLES) == set(ALGORITHMS)


@pytest.mark.parametrize(("name", "kind"), [cell for cell in CELLS if cell[1] != "history"])
def test_two_updates_or_a_reason(name, kind, tmp_path):
    algorithm, (task, demos) = ALGORITHMS[name], recorded(kind)
    cfg = shallow(algorithm.PRESETS["default"])

    def check():
        check_observations(name, algorithm.needs(cfg), cfg, Training(), task.spec.observation)
        check_actions(algorithm, cfg, task)

    if not learns(name, kind):
        with pytest.raises(ConfigError, match=f"^{name} ({REASONS})"):
            check()
        return
    check()
    if kind in UPDATED_ELSEWHERE:
        check_saved(name, initial_state(name, cfg, task, demos), cfg, task, demos, tmp_path)
    else:
        check_two_updates(name, cfg, task, demos, tmp_path)


def run_of(name, kind, folder, **options):
    """A run of 20 steps, of which 10 are updates."""
    _, env, kwargs = KINDS[kind]
    _, demos = recorded(kind)
    cfg = shallow(ALGORITHMS[name].PRESETS["default"])
    needs = ALGORITHMS[name].needs(cfg)
    if needs.model is not None:
        cfg = override(cfg, **{"dynamics.termination": "learned"})
    given = {"demos": demos} if needs.expert else {}
    given |= {"offline_data": dataclasses.replace(demos, name="other")} if needs.offline else {}
    length = {"steps": 24, "chunk": 4, "eval_every": 8, "checkpoint_every": 8, "eval_episodes": 1, "quiet": True}
    past = HISTORY if kind == "history" else {}
    return imitax.train(cfg, env=env, env_kwargs=kwargs, out=folder, **given, **length, **past, **options)


def resumed(name, kind, folder):
    needs, (_, demos) = ALGORITHMS[name].needs(ALGORITHMS[name].PRESETS["default"]), recorded(kind)
    offline = dataclasses.replace(demos, name="other") if needs.offline else None
    return imitax.resume(folder, demos=demos if needs.expert else None, offline_data=offline)


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_a_run_resumes_bit_for_bit_or_is_refused(name, kind, tmp_path):
    if not learns(name, kind):
        with pytest.raises(ConfigError, match=f"^{name} ({REASONS})"):
            run_of(name, kind, tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return
    whole = run_of(name, kind, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_of(name, kind, tmp_path / "run", callbacks=[stop_at(16)])
    run = resumed(name, kind, tmp_path / "run")
    assert_equal_runs(whole.folder, run.folder)
    assert imitax.load_policy(run.folder) is not None


@pytest.mark.usefixtures("no_figures")
def test_a_run_with_a_history(tmp_path):
    run = run_of("bc", "history", tmp_path / "run")
    assert run.summary["steps"] == 24


def test_the_tables_are_current():
    assert algorithm_tables.update(ROOT, write=False) == []
    pages = [(ROOT / name).read_text() for name in ("README.md", "docs/spaces.md")]
    for marker, page in zip(("algorithms", "actions", "states"), (pages[0], pages[1], pages[1]), strict=True):
        assert page.count(f"<!-- {marker}:begin -->") == 1


def test_the_tables_by_hand(tmp_path):
    some = {name: ALGORITHMS[name] for name in ("bc", "f_irl", "rmirl", "sac")}
    rows = algorithm_tables.algorithms_table(some).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[1:5] for row in cells] == [
        ["offline", "vector, image, dict, tuple", "continuous, discrete", "demonstrations"],
        ["online", "vector, image, dict, tuple", "continuous, discrete", "demonstrations, states only"],
        ["offline, model-based", "vector", "continuous", "demonstrations, other data"],
        ["online", "vector, image, dict, tuple", "continuous, discrete", "rewards"],
    ]
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("<!-- algorithms:begin -->\nold\n<!-- algorithms:end -->\n")
    (tmp_path / "docs" / "spaces.md").write_text("without markers")
    assert algorithm_tables.update(tmp_path, write=True) == [tmp_path / "README.md"]
    assert algorithm_tables.update(tmp_path, write=False) == []
    assert "old" not in (tmp_path / "README.md").read_text()
