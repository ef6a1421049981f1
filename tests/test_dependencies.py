"""The order of the package, read from its sources: what may import what, where things happen, and how long they are."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from imitax.algorithms import ALGORITHMS

ROOT = Path(__file__).parent.parent
SOURCES = {
    p.relative_to(ROOT).as_posix(): p.read_text()
    for d in ("imitax", "bench", "examples")
    for p in (ROOT / d).rglob("*.py")
}
FILES = {f.removeprefix("imitax/"): ast.parse(text) for f, text in SOURCES.items() if f.startswith("imitax/")}

VALUES = {"catalogue", "errors", "types", "settings", "spaces"}
NETWORKS = VALUES | {"networks", "learner", "compiled", "kernels"}
"""What a network and its gradient step are made of."""
CHOICES = NETWORKS | {"choices"}
AGENTS = CHOICES | {"agents", "buffers"}
ALGORITHM = AGENTS | {"algorithm"}
HOST = VALUES | {"files", "seeding", "statistics", "envs", "vector_envs", "observations", "observation_spaces"}
HOST |= {"history"}
"""What runs without networks."""
DATASETS = HOST | {"datasets", "notebooks"}
SOURCE = DATASETS | AGENTS | {"sources", "stacking"}

ALLOWED = {
    "errors.py": set(),
    "catalogue.py": set(),
    "processes.py": {"errors"},
    "notebooks.py": set(),
    "trust.py": {"datasets", "errors"},
    "types.py": set(),
    "settings.py": {"errors"},
    "action_box.py": {"errors"},
    "action_spaces.py": {"action_box", "errors"},
    "spaces.py": {"action_spaces", "errors", "types"},
    "observations.py": {"spaces"},
    "observation_spaces.py": {"errors", "observations", "spaces"},
    "history.py": {"errors", "observations", "spaces"},
    "execution.py": {"errors", "history", "networks", "observations", "spaces"},
    "config.py": {"errors", "settings"},
    "files.py": {"errors"},
    "statistics.py": {"errors"},
    "seeding.py": {"settings"},
    "stacking.py": {"errors", "processes"},
    "compiled.py": {"errors", "kernels", "processes"},
    "kernels/": {"kernels", "learner", "networks"},
    "learner.py": VALUES | {"kernels"},
    "networks/": NETWORKS - {"learner"},
    "choices/": CHOICES,
    "buffers.py": {"spaces", "types"},
    "agents/": AGENTS,
    "algorithm.py": AGENTS,
    "registry.py": {"algorithm", "catalogue", "errors"},
    "algorithms/": ALGORITHM,
    "envs/": {"envs", "errors", "history", "observations", "observation_spaces", "spaces"},
    "acting.py": NETWORKS - {"learner"} | {"execution", "observations", "observation_spaces"},
    "vector_envs.py": {"envs", "errors", "observations"},
    "datasets/": DATASETS,
    "sources/": SOURCE,
    "checkpoint.py": {"errors", "files", "types"},
    "artifacts.py": CHOICES | {"checkpoint", "config", "files", "history"},
    "export/": NETWORKS - {"learner"} | {"execution", "export", "files", "history", "observations"},
    "video.py": {"envs", "errors"},
    "hub/": {"datasets", "errors", "files", "hub", "record", "run"},
    "record/": HOST | {"record"},
    "figures/": HOST | {"figures"},
    "evaluate.py": HOST | {"execution", "networks", "compiled", "stacking"},
    "held_out.py": DATASETS | {"networks", "compiled", "trust"},
    "run_config.py": {"envs", "errors", "files", "record", "spaces"},
    "selection/": SOURCE | {"acting", "artifacts", "config", "evaluate", "held_out", "record", "selection"},
    "run.py": SOURCE
    | {"acting", "artifacts", "evaluate", "export", "held_out", "record", "run_config", "selection", "trust", "video"},
    "comparison/": DATASETS | {"comparison", "compiled", "record", "run", "run_config"},
    "report/": CHOICES
    | DATASETS
    | {"comparison", "figures", "held_out", "record", "report", "rewards", "run", "run_config", "trust"},
    "training/": SOURCE
    | {
        "algorithm",
        "algorithms",
        "artifacts",
        "checkpoint",
        "config",
        "evaluate",
        "figures",
        "held_out",
        "processes",
        "record",
        "registry",
        "run",
        "run_config",
        "selection",
        "training",
        "trust",
    },
    "estimators.py": SOURCE | {"acting", "artifacts", "evaluate", "run", "training"},
    "cli/": SOURCE
    | {"__version__", "algorithm", "cli", "comparison", "config", "export", "figures", "hub", "record", "report"}
    | {"rewards", "run", "training"},
    "rewards/": DATASETS | {"config", "networks", "rewards", "run", "training"},
    "tabular/": CHOICES | {"tabular"},
}
"""Files and folders, and what they may import of the package."""

KNOW_ALGORITHMS = {"algorithms/__init__.py", "training/entry.py"}
"""Where the algorithms of the package are registered."""

READS_TERMINATED = {
    "choices/terminal.py": "says what it means",
    "choices/dynamics_loss.py": "models learn it",
    "networks/dynamics.py": "models predict it",
    "agents/model_rollouts.py": "a rollout ends there",
    "buffers.py": "stored, and counted for absorbing transitions",
    "training/evaluation.py": "reported",
    "training/decided.py": "tasks that end are told from those that a time limit cuts",
    "training/begin.py": "a given reward is asked about it",
    "training/dynamics_errors.py": "models are fitted to it",
    "rewards/distances.py": "there is no value after the end",
    "rewards/samples.py": "rewards are functions of it",
    "rewards/judging.py": "episodes that end are told from those that are cut",
    "rewards/views.py": "a learned reward wants it",
    "rewards/ranking.py": "rewards see the end there, not the action",
    "selection/occupancy.py": "what follows an end counts",
    "selection/scores.py": "a learned reward wants it",
}
"""As an attribute, beside sources and datasets, and why."""

PROBE = ("hasattr", "getattr")
PROBES = {
    ("config.py", "getattr"),  # of an annotation
    *(("envs/" + file, "getattr") for file in ("guard.py", "limits.py", "making.py", "rendering.py", "running.py")),
    *(("envs/" + file, "hasattr") for file in ("making.py", "running.py")),  # users' environments
    ("processes.py", "hasattr"),  # of the operating system
    ("files.py", "getattr"),  # arrays of NumPy and JAX
    ("datasets/objects.py", "getattr"),  # demonstrations as other libraries keep them
    ("datasets/objects.py", "hasattr"),
}
"""Where code asks whether an attribute is there; never one of an algorithm, a configuration or a state."""

LONG_FILES = {
    "imitax/algorithms/adversarial.py",
    "imitax/algorithms/f_irl.py",
    "imitax/algorithms/ibc.py",
    "imitax/algorithms/iq_learn.py",
    "imitax/algorithms/rmirl.py",
    "imitax/export/imitax_policy.py",
    "imitax/run.py",
}
LONG_FUNCTIONS = {
    "imitax/datasets/arrays.py:split",
    "imitax/datasets/collect.py:collect",
    "imitax/rewards/judging.py:judge",
    "imitax/rewards/of_runs.py:retrain",
    "imitax/tabular/implicit.py:recoil",
    "imitax/training/dynamics_fit.py:fit",
    "imitax/training/entry.py:train",
    "imitax/training/resume.py:resume",
}
MANY_PARAMETERS = {
    "imitax/datasets/collect.py:collect",
    "imitax/datasets/validation.py:validate",
    "imitax/networks/mlp.py:__init__",
    "imitax/networks/reward.py:__init__",
    "imitax/record/recorder.py:__init__",
    "imitax/run.py:evaluate",
    "imitax/run.py:export",
    "imitax/tabular/implicit.py:iq_learn",
    "imitax/tabular/implicit.py:iq_learn_on_policy",
    "imitax/tabular/implicit.py:recoil",
    "imitax/tabular/recovery.py:ml_irl",
    "imitax/training/entry.py:train",
    "imitax/training/resume.py:resume",
}
"""Exceptions to the limits of size; a comment at each says why."""


def imports(tree):
    """First names below `imitax` of everything that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "imitax":
            parts = node.module.split(".")[1:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from [
                a.name.split(".")[1] if "." in a.name else "imitax"
                for a in node.names
                if a.name.split(".")[0] == "imitax"
            ]


def room(file):
    return file.split("/")[0] + "/" if "/" in file else file


def test_every_file_has_its_place():
    placed = {room(f) for f in FILES} - {"__init__.py"}
    assert placed == set(ALLOWED)


@pytest.mark.parametrize("file", sorted(FILES))
def test_imports_point_one_way(file):
    known = set(imports(FILES[file])) - {file.removesuffix(".py")}
    if room(file) in ALLOWED:
        own = {"algorithms", "registry"} if file in KNOW_ALGORITHMS else set()
        assert not known - ALLOWED[room(file)] - own
    else:
        assert file == "__init__.py"
    assert "cli" not in known or file.startswith("cli/")  # nothing else imports the command line
    assert "imitax" not in known


def test_only_networks_and_compilation_know_the_kernels():
    known = {room(file) for file, tree in FILES.items() if "kernels" in set(imports(tree))}
    assert known == {"kernels/", "networks/", "learner.py", "compiled.py"}


def test_algorithms_do_not_know_each_other():
    for file, tree in FILES.items():
        if "algorithms" in set(imports(tree)):
            assert file in KNOW_ALGORITHMS


def test_terminated_is_read_in_few_places():
    found = set()
    for file, tree in FILES.items():
        if file.startswith(("sources/", "datasets/")):
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
        assert not reads or file in READS_TERMINATED, f"{file} reads `terminated` in lines {reads}"
        found |= {file} if reads else set()
    assert found == READS_TERMINATED.keys()


def test_gradient_steps_are_taken_in_one_place():
    steps = {"apply_updates", "scale_by_adam", "filter_value_and_grad", "filter_grad"}
    found = {file for file, tree in FILES.items() if attributes(tree) & steps}
    assert found == {"learner.py"}


def attributes(tree):
    return {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}


def test_nothing_is_probed():
    found = set()
    for file, tree in FILES.items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("hasattr", "getattr")
            ):
                constant = isinstance(node.args[1], ast.Constant)  # else the fields of a dataclass, one by one
                if node.func.id == "hasattr" or len(node.args) == 3 or constant:
                    found.add((file, node.func.id))
    assert found == PROBES


def test_every_algorithm_is_registered():
    files = {Path(f).stem for f in FILES if f.startswith("algorithms/")} - {"__init__"}
    assert files == set(ALGORITHMS)


def is_kind(node):
    """The kind of a choice, such as the policy update `sac`."""
    return isinstance(node, ast.Attribute) and node.attr == "kind"


def is_name_of_an_algorithm(node):
    """`algorithm.name`, `setup.algorithm.name`."""
    owner = node.value if isinstance(node, ast.Attribute) and node.attr == "name" else None
    return getattr(owner, "id", getattr(owner, "attr", None)) == "algorithm"


def test_no_code_branches_on_an_algorithm():
    for file, tree in FILES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and not is_kind(node.left):
                words = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
                assert not words & set(ALGORITHMS), f"{file}:{node.lineno}"
                assert not any(is_name_of_an_algorithm(n) for n in ast.walk(node)), f"{file}:{node.lineno}"
            if isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
                assert node.value.value not in ALGORITHMS, f"{file}:{node.lineno}"


def commented(text, first, last):
    """Whether there is a comment, other than one for a tool, in some lines."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [t for t in tokens if t.type == tokenize.COMMENT and first <= t.start[0] <= last]
    return any(not re.match(r"# (noqa|type:|pyright:)", t.string) for t in comments)


def beginning(body):
    """Line of the first statement that is no docstring."""
    first = body[0]
    docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1].lineno if docstring and len(body) > 1 else first.lineno


def parameters(function):
    a = function.args
    named = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return len(named) + (a.vararg is not None) + (a.kwarg is not None) - (named[:1] in (["self"], ["cls"]))


def functions(which):
    """Names of functions that are so, and whether a comment says why."""
    return {
        f"{file}:{node.name}": commented(text, node.lineno, beginning(node.body) - 1)
        for file, text in SOURCES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and which(node)
    }


def test_functions_are_short_or_say_why():
    long = functions(lambda node: node.end_lineno - node.lineno + 1 > 50)
    assert set(long) == LONG_FUNCTIONS
    assert {name for name, why in long.items() if not why} == set()


def test_functions_have_few_parameters_or_say_why():
    many = functions(lambda node: parameters(node) > 6)
    assert set(many) == MANY_PARAMETERS
    assert {name for name, why in many.items() if not why} == set()


def test_files_are_short_or_say_why():
    long = {file: text for file, text in SOURCES.items() if text.count("\n") > 250}
    assert set(long) == LONG_FILES
    assert {f for f, text in long.items() if not commented(text, 1, beginning(ast.parse(text).body) - 1)} == set()
