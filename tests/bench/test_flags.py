"""The tables of flags: against small configurations by hand, and against the command line of every algorithm."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import tyro

from bench.experiments import flags, tables
from imitax.algorithms import ALGORITHMS
from imitax.cli.config_fields import read, type_name
from imitax.errors import DataError

ROOT = Path(__file__).parents[2]
WITHOUT_PREFIX = tyro.conf.arg(name="")
Positive = Annotated[float, "above 0"]


@dataclass(frozen=True)
class Net:
    """A network.

    With details.
    """

    hidden: tuple[int, ...] = (8, 4)
    """Units of the
    hidden layers."""
    layer_norm: bool = False
    """Normalise | them."""


@dataclass(frozen=True)
class Step:
    """A part without a default."""

    size: Positive
    """Of a step."""


@dataclass(frozen=True)
class Agent:
    """An agent."""

    gamma: float = 0.99
    """Discount factor."""
    critic: Net = Net(layer_norm=True)
    """Network of Q."""
    tune: Annotated[Step, WITHOUT_PREFIX] = Step(0.1)


@dataclass(frozen=True)
class Base:
    """What is inherited."""

    clip: float | None = None
    """Largest norm."""


@dataclass(frozen=True)
class First(Base):
    """The first algorithm."""

    clip: float | None = 1e-5
    agent: Annotated[Agent, WITHOUT_PREFIX] = field(default_factory=lambda: Agent(0.9))
    actor: Net = field(default_factory=Net)
    kind: Literal["a", "b"] = "b"
    """One of two."""
    count: int = field(default=0, init=False)


@dataclass(frozen=True)
class Other:
    """The second algorithm."""

    agent: Annotated[Agent, WITHOUT_PREFIX] = field(default_factory=Agent)


@dataclass(frozen=True)
class Options:
    """Options of a run."""

    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Of the environment."""


SECTIONS = flags.sections(Options(), {"first": First(), "other": Other()})


def test_own_flags_come_first_and_then_the_shared_parts_with_the_defaults_that_differ():
    assert SECTIONS["first.md"].splitlines() == [
        "| flag | default | type | meaning |",
        "| --- | --- | --- | --- |",
        "| `--clip` | 1e-05 | float or None | Largest norm. |",
        "| `--kind` | b | a, b | One of two. |",
        "",
        *flags.NOTE.splitlines(),
        "",
        "| part | flags | other defaults | meaning |",
        "| --- | --- | --- | --- |",
        "| [Agent](settings.md#agent) | `--gamma` | `--gamma 0.9` | An agent. |",
        "| [Net](settings.md#net) | `--critic.*` | `--critic.layer-norm True` | Network of Q. |",
        "| [Step](settings.md#step) | `--size` | `--size 0.1` | A part without a default. |",
        "| [Net](settings.md#net) | `--actor.*` |  | A network. |",
    ]
    assert SECTIONS["other.md"].startswith(flags.NOTE)  # it has no flag of its own


def test_shared_parts_have_one_table_with_the_defaults_of_their_class():
    assert SECTIONS["settings.md"].split("\n\n") == [
        "## Options",
        "Options of a run.",
        "| flag | default | type | meaning |\n| --- | --- | --- | --- |\n"
        "| `--env-kwargs` | {} | JSON | Of the environment. |",
        "## Agent",
        "An agent.",
        "| flag | default | type | meaning |\n| --- | --- | --- | --- |\n"
        "| `--gamma` | 0.99 | float | Discount factor. |",
        "## Net",
        "A network.",
        "As `--critic.*`, `--actor.*`.",
        "| flag | default | type | meaning |\n| --- | --- | --- | --- |\n"
        "| `--….hidden` | 8 4 | int ... | Units of the hidden layers. |\n"
        "| `--….layer-norm` | False | bool | Normalise \\| them. |",
        "## Step",
        "A part without a default.",
        "| flag | default | type | meaning |\n| --- | --- | --- | --- |\n| `--size` |  | float | Of a step. |",
    ]


def test_a_part_that_one_algorithm_has_is_its_own():
    section = flags.sections(Options(), {"first": First()})["first.md"]
    assert [line.split("`")[1] for line in section.splitlines()[2:]] == [
        "--clip",
        "--kind",
        "--gamma",
        "--critic.hidden",
        "--critic.layer-norm",
        "--size",
        "--actor.hidden",
        "--actor.layer-norm",
    ]


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        (Path | None, "path or None"),
        (tuple[int, float], "int float"),
        (Annotated[int, "above 0"] | None, "int or None"),
        (str, "text"),
    ],
)
def test_types_are_those_of_the_command_line(hint, name):
    assert type_name(hint) == name


@pytest.mark.parametrize("config", [First(), *(a.PRESETS["default"] for a in ALGORITHMS.values())])
def test_the_command_line_has_these_flags_and_reads_these_defaults(config):
    args = []
    for part in read(config).walk():
        for flag in part.flags:
            assert flag.meaning, flag.name
            switch = flag.type == "bool" and flag.default == "False"
            args.append(part.prefix + "no-" * switch + flag.name)
            args += [] if flag.type == "bool" else flag.default.split(" ")
    assert tyro.cli(type(config), args=args) == config


def test_pages_are_stale_until_written(tmp_path):
    empty = f"{flags.MARKERS.begin}\n{flags.MARKERS.end}\n"
    pages = [tmp_path / "docs" / name for name in ("settings.md", "bc.md", "sac.md")]
    pages[0].parent.mkdir()
    pages[2].write_text("no markers")
    assert flags.update(tmp_path, write=True) == []
    for page in pages[:2]:
        page.write_text(empty)
    assert flags.update(tmp_path, write=False) == pages[:2]
    assert pages[1].read_text() == empty
    assert flags.update(tmp_path, write=True) == pages[:2]
    assert flags.update(tmp_path, write=False) == []
    assert "| `--batch-size` | 256 |" in pages[1].read_text()
    assert pages[2].read_text() == "no markers"
    pages[1].write_text(pages[1].read_text().replace("256", "255"))
    assert flags.update(tmp_path, write=False) == pages[1:2]
    pages[2].write_text(flags.MARKERS.begin)
    with pytest.raises(DataError, match=r"docs/sac\.md must hold"):
        flags.update(tmp_path, write=False)


def test_the_command_also_writes_flags(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"{tables.MARKERS.begin}\n{tables.MARKERS.end}\n")
    (tmp_path / "docs" / "settings.md").write_text(f"{flags.MARKERS.begin}\n{flags.MARKERS.end}\n")
    for arguments, status in ((["--check"], 1), ([], 0), (["--check"], 0)):
        with pytest.raises(SystemExit) as end:
            tables.main(arguments)
        assert end.value.code == status
    assert "docs/settings.md: stale" in capsys.readouterr().out


def test_the_repository_is_up_to_date():
    assert flags.update(ROOT, write=False) == []
