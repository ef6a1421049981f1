"""The tables of flags on the algorithms' pages and in docs/settings.md, generated from the configuration dataclasses.

A page docs/NAME.md takes part if it has the markers `flags:begin` and `flags:end` as HTML comments. It lists the flags
that only this algorithm has. Parts that several algorithms share (networks, optimisers, rollouts) have one table each
in docs/settings.md; the algorithm's page links to them and gives the defaults that differ. Defaults are those of the
preset `default`. `python -m bench.experiments.tables` writes these tables too.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.experiments.pages import Markers
from bench.experiments.sections.markdown import table
from imitax.algorithms import ALGORITHMS
from imitax.cli.config_fields import Part, read
from imitax.config import Training

MARKERS = Markers("flags")
SHARED_PAGE = "settings.md"
NOTE = f"""\
The flags of these parts are explained in [settings]({SHARED_PAGE}). The third column has the defaults that differ from
those there."""


def update(root: Path, *, write: bool) -> list[Path]:
    """The pages under `root` whose flag tables do not match the code; `write` brings them up to date.

    Raises DataError if a page has one marker without the other.
    """
    docs = root / "docs"
    defaults = {name: ALGORITHMS[name].PRESETS["default"] for name in ALGORITHMS if (docs / f"{name}.md").exists()}
    found = {docs / page: section for page, section in sections(Training(), defaults).items()}
    return MARKERS.update({page: section for page, section in found.items() if MARKERS.on(page)}, root, write=write)


def sections(training: Any, defaults: Mapping[str, Any]) -> dict[str, str]:
    """The generated section of every page.

    Args:
        training: run options, which all algorithms share.
        defaults: the default configuration of each algorithm.
    """
    configs = {name: read(config) for name, config in defaults.items()}
    shared = shared_classes(list(configs.values()))
    pages = {f"{name}.md": algorithm_section(config, shared) for name, config in configs.items()}
    return {SHARED_PAGE: shared_section(read(training), list(configs.values()), shared)} | pages


def shared_classes(configs: Sequence[Part]) -> list[type]:
    """The classes of parts that at least two algorithms have, in the order in which the algorithms have them."""
    users = Counter(cls for config in configs for cls in dict.fromkeys(part.cls for part in config.walk()))
    return [cls for cls, count in users.items() if count > 1]


def algorithm_section(config: Part, shared: Collection[type]) -> str:
    """One table of the algorithm's own flags, and one of the parts that it shares with others."""
    own = [row for part in config.walk() if part.cls not in shared for row in _flag_rows(part)]
    parts = [_part_row(part) for part in config.walk() if part.cls in shared and part.flags]
    texts = [_flag_table(own)] if own else []
    if parts:
        texts += [NOTE, table(["part", "flags", "other defaults", "meaning"], parts, left=4)]
    return "\n\n".join(texts)


def shared_section(training: Part, configs: Sequence[Part], shared: Sequence[type]) -> str:
    """One table for the run options and one for each shared part, with the prefixes of its flags."""
    texts = [f"## {training.cls.__name__}", training.about, _flag_table(_flag_rows(training))]
    for cls in shared:
        uses = [part for config in configs for part in config.walk() if part.cls is cls]
        prefixes = list(dict.fromkeys(part.prefix for part in uses))
        texts += [f"## {cls.__name__}", uses[0].about]
        if len(prefixes) > 1:
            texts.append("As " + ", ".join(f"`{prefix}*`" for prefix in prefixes) + ".")
        rows = _flag_rows(uses[0], prefixes[0] if len(prefixes) == 1 else "--….", of_class=True)
        texts.append(_flag_table(rows))
    return "\n\n".join(filter(None, texts))


def _flag_table(rows: Sequence[Sequence[str]]) -> str:
    return table(["flag", "default", "type", "meaning"], rows, left=4) if rows else ""


def _flag_rows(part: Part, prefix: str | None = None, *, of_class: bool = False) -> list[list[str]]:
    """A row for each flag of a part, with the default of its configuration or that of its class."""
    prefix = part.prefix if prefix is None else prefix
    return [
        [f"`{prefix}{flag.name}`", (flag.class_default or "") if of_class else flag.default, flag.type, flag.meaning]
        for flag in part.flags
    ]


def _part_row(part: Part) -> list[str]:
    """A shared part: a link to its table, its flags, and the defaults that differ from those of its class."""
    link = f"[{part.cls.__name__}]({SHARED_PAGE}#{part.cls.__name__.lower()})"
    names = [f"`--{flag.name}`" for flag in part.flags] if part.prefix == "--" else [f"`{part.prefix}*`"]
    changed = [flag for flag in part.flags if flag.default != flag.class_default]
    defaults = [f"`{part.prefix}{flag.name} {flag.default}`" for flag in changed]
    return [link, ", ".join(names), ", ".join(defaults), part.meaning or part.about]
