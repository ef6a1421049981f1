"""`imitax train`."""

from collections.abc import Sequence
from dataclasses import field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from imitax.catalogue import split_alias
from imitax.cli.names import algorithms_and_aliases
from imitax.cli.parsing import HELP, parse
from imitax.errors import ConfigError
from imitax.files import from_here

HELP_ALL = "--help-all"

USAGE = """usage: imitax train ALGORITHM [flags]
       imitax train --resume RUN [--steps N] [--demos FILE]

algorithms: {algorithms}

imitax train ALGORITHM --help explains the flags that matter for an algorithm, --help-all every flag;
imitax train --resume --help those of a resumption.
"""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    if any(a == "--resume" or a.startswith("--resume=") for a in args):
        from imitax.cli.resume import run as resume

        return resume(args)
    if not args or args[0] in (*HELP, HELP_ALL):
        print(USAGE.format(algorithms=algorithms_and_aliases()), end="")
        return 0 if args else 2
    if args[0].startswith("-"):
        raise ConfigError(f"imitax train takes the algorithm first: imitax train ALGORITHM {args[0]} ...")
    return start(args[0], list(args[1:]))


def start(given: str, args: list[str]) -> int:
    """Train with an algorithm, or an alias of one of its presets, under the flags in `args`."""
    name, alias = split_alias(given)
    from imitax.training.entry import find, preset_config, train

    algorithm = find(name)
    _refuse_renamed(args, algorithm.Config)
    preset = _preset(args, given, alias)
    cfg = preset_config(algorithm.name, preset)
    if any(a in HELP for a in args):
        from imitax.cli.short_help import short_help

        print(short_help(given, algorithm, preset, cfg))
        return 0
    job = job_class(algorithm, preset, cfg)
    arguments = ["--help" if a == HELP_ALL else a for a in args]
    order: Any = parse(job, arguments, f"imitax train {given}")
    if alias is not None and order.preset != alias:
        raise ConfigError(f"{given} is the preset {alias} of {name}: leave --preset out, or train {name}")
    options = {f.name: getattr(order.training, f.name) for f in fields(order.training)}
    env, demos = options.pop("env"), options.pop("demos")
    result = train(
        order.cfg, env=env, demos=demos, out=order.out, preset=order.preset, overwrite=order.overwrite, **options
    )
    if not order.training.quiet:
        from imitax.cli.scores import print_scores, print_selection

        print_scores(result.summary)
        print_selection(result.selection)
        print(f"run: {from_here(result.folder)}")
    return 0


def job_class(algorithm: Any, preset: str, cfg: Any) -> type:
    """The dataclass whose fields are all flags of an algorithm."""
    from imitax.config import Training

    job = make_dataclass(
        "Job",
        [
            ("preset", str, field(default=preset)),
            ("out", Path | None, field(default=None)),
            ("overwrite", bool, field(default=False)),
            ("training", Annotated[Training, tyro.conf.arg(name="")], field(default_factory=Training)),
            ("cfg", Annotated[algorithm.Config, tyro.conf.arg(name="")], field(default=cfg)),
        ],
        frozen=True,
    )
    job.__doc__ = f"""{algorithm.Config.__doc__}

    Args:
        preset: Named configuration whose values are the defaults below: {", ".join(algorithm.PRESETS)}.
        out: Folder of the run; runs/ALGORITHM-ENV-TIME when not given.
        overwrite: Delete the run that is in the folder.
    """
    return job


def _refuse_renamed(args: list[str], cls: type) -> None:
    """Name the present flag where an argument is one of imitax 0.1; `cls` is the algorithm's configuration."""
    from imitax.config import renamed, setting_names

    known = setting_names(cls)
    for flag in (arg.partition("=")[0] for arg in args if arg.startswith("--")):
        name = flag[2:].replace("-", "_")
        now = renamed(name)
        if now != name and now.partition(".")[0] in known:
            raise ConfigError(f"{flag} is called --{now.replace('_', '-')} now")


def _preset(args: list[str], given: str, alias: str | None) -> str:
    """The preset's name has to be known before the flags are parsed, since it decides their defaults."""
    for i, arg in enumerate(args):
        found = args[i + 1] if arg == "--preset" and i + 1 < len(args) else None
        found = arg.partition("=")[2] if arg.startswith("--preset=") else found
        if found is not None and alias not in (None, found):
            raise ConfigError(f"{given} is the preset {alias} of another algorithm: leave --preset out")
        if found is not None:
            return found
    return alias or "default"
