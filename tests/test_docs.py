"""What README and docs show is run, with few steps on toy data, and what they list is compared with the code."""

import ast
import dataclasses
import importlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import imitax
from bench.experiments import demo, expert, medium_replay, tables
from bench.experiments.flags import MARKERS as FLAG_TABLES
from bench.experiments.model_based import ENVIRONMENTS
from bench.experiments.offline import medium_replay as medium_replay_of
from imitax import cli, datasets
from imitax.algorithms import ALGORITHMS
from imitax.cli.collect import Collect
from imitax.cli.compare import Compare
from imitax.cli.datasets import Datasets
from imitax.cli.evaluate import Evaluate
from imitax.cli.export import Export
from imitax.cli.plot import Plot
from imitax.cli.pull import Pull
from imitax.cli.push import Push
from imitax.cli.report import Report
from imitax.cli.resume import Resume
from imitax.cli.reward import RewardEvaluate, RewardRetrain
from imitax.cli.select import Select
from imitax.cli.video import Video
from imitax.config import Training, flatten
from imitax.datasets import collect, loading, save_d4rl
from imitax.envs import make_env

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FEWER = {"30_000": "20", "200_000": "2_050", "300_000": "5_050"}
"""Steps as a reader runs them, and as the test does; warm-up takes 2000 steps, in `sac` 5000."""


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def ids(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.fixture(scope="module")
def toy():
    """A dozen short hops under random actions."""
    rng = np.random.default_rng(0)
    return collect(
        lambda obs, _: rng.uniform(-0.9, 0.9, (len(obs), 3)), lambda: make_env("Hopper-v5", {}), episodes=12, seed=0
    )


@pytest.fixture
def place(toy, tmp_path, monkeypatch):
    """A working directory, toy data under the names of the datasets that the pages use, and an empty Minari store."""
    save_d4rl(toy, tmp_path / "bundled" / "hopper-expert.hdf5")
    monkeypatch.setattr(loading, "BUNDLED", tmp_path / "bundled")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "work").mkdir()
    save_d4rl(toy, tmp_path / "work" / medium_replay_of("hopper"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def names(data):
    """What the snippets do not define: a user's own arrays and episodes."""
    flat = data.transitions()
    timeouts = np.zeros(len(flat.obs), bool)
    timeouts[np.cumsum(data.lengths) - 1] = [episode.truncated for episode in data.episodes]
    return {
        "observations": flat.obs,
        "actions": flat.action,
        "rewards": flat.reward,
        "next_observations": flat.next_obs,
        "terminals": flat.terminated,
        "timeouts": timeouts,
        "recorded": data.episodes,
    }


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
LONG = {
    f"{name}.md"
    for name in (
        *("compare", "f_irl", "history", "ibc", "iq_learn", "ls_iq", "ml_irl", "rambo", "recoil", "recoil_online"),
        *("rewards", "rmirl_implicit", "sac"),
    )
}
"""Pages whose examples take about ten seconds each, and are much like those of another page or of a test."""


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.long] * (p.name in LONG)) for p in WITH_PYTHON],
    ids=ids(WITH_PYTHON),
)
def test_python_runs(page, toy, place, monkeypatch):
    train = imitax.train  # evaluations of twenty episodes each would be most of the time
    monkeypatch.setattr(imitax, "train", lambda *given, **options: train(*given, **{"eval_episodes": 2} | options))
    scope, metrics = names(toy), set()
    for number, block in enumerate(blocks(page, "python")):
        for steps, few in FEWER.items():
            block = re.sub(rf"\b{steps}\b", few, block)
        exec(compile(block, f"{page.name}, block {number}", "exec"), scope)
        if "run" in scope:
            metrics |= {name for line in scope["run"].metrics() for name in line}
    if page.stem in ALGORITHMS:
        assert metrics
        shown = page.read_text() + (ROOT / "docs" / "index.md").read_text()
        known = {"kind", "step", "seed", "wall_s"} | {name for name in metrics if name.startswith("validation_")}
        assert {name for name in metrics - known if f"`{name}`" not in shown} == set()


class ReachedError(Exception):
    """The flags were understood."""


def commands():
    """Every `imitax …` line of the pages."""
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("imitax ")})


@pytest.mark.parametrize("command", commands())
def test_commands_parse(command, place, monkeypatch):
    def reached(*_, **__):
        raise ReachedError

    for module, name in (
        ("hub", "pull"),  # first: it imports another of these
        ("report.content", "gather"),
        ("comparison.methods", "gather"),
        ("comparison.of_runs", "gather"),
        ("training.entry", "train"),
        ("training.resume", "resume"),
        ("run", "Run"),
        ("datasets", "load"),
    ):
        monkeypatch.setattr(importlib.import_module(f"imitax.{module}"), name, reached)
    with pytest.raises((ReachedError, SystemExit)) as end:
        cli.main(shlex.split(command)[1:])
    assert end.type is ReachedError or (command == "imitax datasets list" and end.value.code == 0)


def flags(cfg, prefix="--"):
    """The flags of a configuration, as they are typed."""
    for name, value in flatten(cfg).items():
        flag = prefix + name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            yield from flags(value, f"{flag}.")
        else:
            yield flag
            if isinstance(value, bool):
                first, dot, last = flag.rpartition(".")
                yield f"{first}.no-{last}" if dot else f"--no-{flag[2:]}"


def fields(*classes):
    """The flags of commands without parts."""
    names = [field.name.replace("_", "-") for cls in classes for field in dataclasses.fields(cls)]
    return {f"--{name}" for name in names} | {f"--no-{name}" for name in names}


COMMANDS = fields(
    *(Resume, Evaluate, Collect, Select, Datasets, Plot, Compare, Report),
    *(Export, Video, Push, Pull, RewardEvaluate, RewardRetrain),
    *(expert.Recipe, medium_replay.Recipe),
)
COMMANDS |= {
    "--preset",
    "--out",
    "--overwrite",
    "--help",
    "--help-all",
    "--version",
    "--halfcheetah",
    "--flag",
    "--no-flag",
}
"""Beside those of configurations; the last two are how a page says that there are two forms."""
FLAGS = COMMANDS | set(flags(Training())) | {f for a in ALGORITHMS.values() for f in flags(a.PRESETS["default"])}


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_every_flag_that_a_page_names_exists(page):
    named = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", page.read_text()))
    assert {f for f in named - FLAGS if not any(known.startswith(f"{f}.") for known in FLAGS)} == set()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_has_its_page(name):
    page = (ROOT / "docs" / f"{name}.md").read_text()
    assert page.count(FLAG_TABLES.begin) == page.count(FLAG_TABLES.end) == 1  # generated: tests/bench/test_flags.py
    assert page.count(tables.MARKERS.begin) == page.count(tables.MARKERS.end) == 1
    by_hand = page.partition(FLAG_TABLES.begin)[0] + page.partition(FLAG_TABLES.end)[2]
    assert re.findall(r"^\| `--.*", by_hand, re.MULTILINE) == []
    for preset in ALGORITHMS[name].PRESETS:
        assert f"- `{preset}`" in page
    assert f"`{name}`" in (ROOT / "README.md").read_text()


def text_in_code():
    """Every string of the package, but of what only reads metrics."""
    readers = ("figures", "report")
    trees = [ast.parse(p.read_text()) for p in (ROOT / "imitax").rglob("*.py") if p.parent.name not in readers]
    constants = [n.value for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    return {value for value in constants if isinstance(value, str)}


def test_every_metric_that_a_page_explains_is_written():
    known, explained = text_in_code(), {}
    for name in ALGORITHMS:
        page = (ROOT / "docs" / f"{name}.md").read_text()
        section = page.partition("\n## Metrics\n")[2].partition("\n## ")[0]
        cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
        explained[name] = {metric for cell in cells for metric in re.findall(r"`(\w+)`", cell)}
        assert explained[name]
    # the rewards of the parts of a batch are named after them: f"reward_{part}"
    unknown = {
        (name, m) for name, metrics in explained.items() for m in metrics if not {m, m.removeprefix("reward_")} & known
    }
    assert unknown == set()


def anchors(page):
    """What headings are called in links: their words, in lower case, without marks, joined by hyphens."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), flags=re.M)
    words = [re.sub(r"\]\([^)]*\)", "", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in words}


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        found = page.parent / target if target else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_files_that_a_page_names_are_there(page):
    for file in re.findall(r"`((?:bench|examples|imitax|tests)/[a-z0-9_/]+\.\w+)`", page.read_text()):
        assert (ROOT / file).exists(), file


def test_tables_are_up_to_date():
    assert tables.update(ROOT, write=False) == []
    assert (ROOT / "docs" / "results.md").read_text().count(tables.MARKERS.begin) == 1
    assert tables.MARKERS.begin not in (ROOT / "README.md").read_text()


def test_experiments_are_listed():
    folder = ROOT / "docs" / "experiments"
    index = (folder / "index.md").read_text()
    pages = {page.name for page in folder.glob("*.md")} - {"index.md"}
    assert pages
    assert {name for name in pages if f"({name})" not in index} == set()


def test_field_names_in_the_data_page_are_known():
    page = (ROOT / "docs" / "data.md").read_text()
    known = {name for group in datasets.names.NAMES.values() for name in group}
    assert {"obs", "acts", "rews", "next_obs", "terminations", "truncations"} <= known
    assert all(f"`{name}`" in page for name in ("obs", "acts", "rews", "next_obs", "terminations", "truncations"))


@pytest.mark.parametrize("task", ENVIRONMENTS)
def test_the_data_page_describes_the_medium_replay_sets(task):
    page = (ROOT / "docs" / "data.md").read_text()
    data, expert = imitax.load(ROOT / medium_replay_of(task)), imitax.load(f"{task}-expert")
    assert data.env_id == expert.env_id == ENVIRONMENTS[task]
    assert data.transition_count == 100_000
    above = (data.returns > 0.6 * expert.returns.mean()).mean()
    assert float(data.attributes["share_above_60_percent"]) == pytest.approx(above, abs=1e-4)
    assert above < 0.01
    assert float(data.attributes["expert_return"]) == pytest.approx(expert.returns.mean(), abs=0.1)
    assert all(f"`{name}`" in page for name in data.attributes)


def test_the_demo_runs_and_never_overwrites(place):
    (place / "runs" / "demo").mkdir(parents=True)
    small = {"episodes": 4, "seeds": (0, 1), "eval_episodes": 2}
    run = demo.demo(steps=20, console=Console(file=(output := io.StringIO()), width=120), quiet=True, **small)
    assert run.folder == place / "runs" / "demo-2"
    assert [row["label"] for row in demo.score_rows(run)] == ["last", "last", "best", "best"]
    shown = output.getvalue()
    assert "runs/demo exists" in shown
    assert "imitax eval runs/demo-2" in shown
    for path in re.findall(r"runs/demo-2/\S+", shown):
        assert Path(path).exists()
    assert not list((place / "runs" / "demo").iterdir())
    assert imitax.Run(run.folder).summary["steps"] == 20
