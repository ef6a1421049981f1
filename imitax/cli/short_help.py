"""The short help of `imitax train ALGORITHM`: the flags that matter for it."""

import re
import shutil
import textwrap
from typing import Any

from imitax.algorithm import Algorithm, Needs
from imitax.cli.config_fields import Flag, read
from imitax.config import Training

COLUMN = 28
"""Where explanations begin."""

OWN = ("preset", "out", "overwrite")
ALWAYS = ("env", "steps", "seeds", "eval-every", "eval-episodes", "quiet")


def matters(name: str, needs: Needs, algorithm: Algorithm) -> bool:
    """Whether a run option, by the name of its flag, changes anything that a beginner of this algorithm wants."""
    by_need = {
        "demos": needs.expert,
        "episodes": needs.expert,
        "validation-episodes": needs.expert and not needs.env,
        "offline-data": needs.offline,
        "reward": algorithm.with_reward is not None,
        "model-from": needs.model is not None and not needs.env,
        "num-envs": needs.env,
        "action-low": not needs.env,
        "action-high": not needs.env,
    }
    return name in ALWAYS or by_need.get(name, False)


def short_help(given: str, algorithm: Algorithm, preset: str, cfg: Any) -> str:
    """The help's text.

    Args:
        given: what was typed for the algorithm.
        algorithm: that it names.
        preset: whose values are the defaults.
        cfg: the preset's configuration.
    """
    needs, width = algorithm.needs(cfg), min(shutil.get_terminal_size().columns, 100)
    training, own = read(Training()), read(cfg)
    given_data = ["--demos FILE"] * needs.expert + ["--offline-data FILE"] * needs.offline
    words = ["--env ID", *given_data] if needs.env else [*given_data, "[--env ID]"]
    lines = [f"usage: imitax train {given} {' '.join(words)} [flags]", ""]
    lines += textwrap.wrap(" ".join((algorithm.Config.__doc__ or "").split()), width)
    lines += ["", "run:"]
    for flag in training.flags:
        if matters(flag.name, needs, algorithm):
            lines += _flag("--", flag, width)
    presets = ", ".join(algorithm.PRESETS)
    lines += _entry("--preset NAME", f"Named configuration: {presets}. (default: {preset})", width)
    lines += _entry("--out FOLDER", "Folder of the run; runs/ALGORITHM-ENV-TIME when not given.", width)
    lines += _entry("--overwrite", "Delete the run that is in the folder.", width)
    lines += ["", f"{algorithm.name}:"]
    own_parts = [part for part in own.walk() if part.prefix == "--"]
    for flag in (flag for part in own_parts for flag in part.flags):
        lines += _flag("--", flag, width)
    nested = [part for part in own.walk() if part.prefix != "--" and part.prefix.count(".") == 1]
    if nested:
        lines += ["", "parts, whose flags --help-all explains:"]
        for part in nested:
            lines += _entry(f"{part.prefix}*", _first_sentence(part.meaning or part.about), width)
    total = sum(len(part.flags) for whole in (training, own) for part in whole.walk()) + len(OWN)
    lines += ["", f"imitax train {given} --help-all explains all {total} flags."]
    return "\n".join(lines)


def _flag(prefix: str, flag: Flag, width: int) -> list[str]:
    choices = flag.type.split(", ")
    kind = f"{{{','.join(choices)}}}" if len(choices) > 1 else flag.type.upper().removesuffix(" OR NONE")
    name = f"{prefix}{flag.name}" + ("" if flag.type == "bool" else f" {kind}")
    if flag.type == "bool" and flag.default == "True":
        name = f"{prefix}no-{flag.name}"
    shown = flag.default not in ("None", "", "{}") and flag.type != "bool"
    return _entry(name, _first_sentence(flag.meaning) + (f" (default: {flag.default})" if shown else ""), width)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.) (?=[A-Z0-9])", text.replace("et al. ", "et al.\N{NO-BREAK SPACE}"))[0]


def _entry(name: str, text: str, width: int) -> list[str]:
    body = textwrap.wrap(text, width - COLUMN, break_long_words=False, break_on_hyphens=False) or [""]
    if len(name) > COLUMN - 4:
        return [f"  {name}", *(" " * COLUMN + line for line in body)]
    return [f"  {name}".ljust(COLUMN) + body[0], *(" " * COLUMN + line for line in body[1:])]
