"""The house's order: what may import what, read from the sources."""

import ast
from pathlib import Path

import pytest

from imitax.algorithms import ALGORITHMS

ROOT = Path(__file__).parent.parent / "imitax"
FILES = {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text()) for p in ROOT.rglob("*.py")}

FORBIDDEN = {
    "types.py": {""},
    "errors.py": {""},
    "networks/": {
        "algorithms",
        "choices",
        "sources",
        "datasets",
        "loop",
        "train",
        "run",
        "learner",
        "envs",
        "evaluate",
    },
    "choices/": {"algorithms", "sources", "datasets", "loop", "train", "run", "envs", "evaluate", "record"},
    "algorithms/": {"sources", "datasets", "loop", "train", "run", "evaluate", "record", "checkpoint", "envs"},
    "learner.py": {"algorithms", "choices", "sources", "datasets", "loop", "train", "run"},
    "sources/": {"algorithms", "choices", "loop", "train", "run", "evaluate", "learner"},
    "datasets/": {"algorithms", "choices", "sources", "networks", "loop", "train", "run", "learner", "evaluate"},
    "tabular/": {
        "algorithms",
        "networks",
        "learner",
        "sources",
        "datasets",
        "loop",
        "train",
        "run",
        "envs",
        "evaluate",
        "record",
        "checkpoint",
    },
    "loop.py": {"algorithms", "train", "run", "cli"},
    "evaluate.py": {"algorithms", "loop", "train", "run", "learner", "sources"},
}
"""Rooms and what they must not know; "" is everything in imitax."""

READS_TERMINATED = {"choices/terminal.py", "types.py", "envs.py", "evaluate.py", "loop.py"}
READS_TERMINATED |= {"networks/dynamics.py", "choices/imagination.py", "choices/dynamics_loss.py"}
"""Beside sources and datasets. Rollouts report it, the loop records it; models learn it, and imagine until then."""


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "imitax":
            parts = node.module.split(".")[1:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from [
                a.name.split(".")[1] if "." in a.name else "" for a in node.names if a.name.split(".")[0] == "imitax"
            ]


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_point_one_way(room):
    files = [f for f in FILES if f == room or (room.endswith("/") and f.startswith(room))]
    assert files
    for file in files:
        known = set(imports(FILES[file]))
        assert not (known & FORBIDDEN[room]), f"{file} imports {known & FORBIDDEN[room]}"
        if "" in FORBIDDEN[room]:
            assert not known, f"{file} imports {known}"


def test_algorithms_do_not_know_each_other():
    for file, tree in FILES.items():
        if file.startswith("algorithms/") and not file.endswith("__init__.py"):
            assert "algorithms" not in set(imports(tree)), file


def test_terminated_is_read_in_one_place():
    allowed = (*READS_TERMINATED, "sources/", "datasets/")
    for file, tree in FILES.items():
        if file.startswith(allowed):
            continue
        handed = set()  # `terminal.next_value(v, batch.terminated)` passes it on, which is how a loss should
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "next_value":
                handed |= {id(a) for a in ast.walk(node)}
        reads = [
            n.lineno
            for n in ast.walk(tree)
            if isinstance(n, ast.Attribute) and n.attr == "terminated" and id(n) not in handed
        ]
        assert not reads, f"{file} reads `terminated` in lines {reads}"


def test_gradient_steps_are_taken_in_one_place():
    for file, tree in FILES.items():
        names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        if file not in ("learner.py", "dynamics_fit.py"):
            assert not names & {"apply_updates", "scale_by_adam"}, file


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithms_declare_what_the_house_asks(name):
    module = ALGORITHMS[name]
    for attribute in ("Config", "State", "PRESETS", "init", "update", "policy"):
        assert hasattr(module, attribute), attribute
    for cfg in module.PRESETS.values():
        assert {"expert", "offline data", "env", "model"} >= cfg.needs
        assert cfg.needs
    assert "default" in module.PRESETS
    assert all(isinstance(cfg, module.Config) for cfg in module.PRESETS.values())
    assert module.PRESETS["default"] == module.Config()
    assert "Differs from the" in module.__doc__


def test_every_algorithm_is_registered():
    files = {Path(f).stem for f in FILES if f.startswith("algorithms/")} - {"__init__"}
    assert files == set(ALGORITHMS)


def is_kind(node):
    """The kind of a choice, such as the policy update `sac`."""
    return isinstance(node, ast.Attribute) and node.attr == "kind"


def test_no_code_branches_on_an_algorithm():
    for file, tree in FILES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and file != "cli.py" and not is_kind(node.left):
                words = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
                assert not words & set(ALGORITHMS), f"{file}:{node.lineno}"
