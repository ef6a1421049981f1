"""The command line: every flag of `imitax train` comes from the dataclasses that the Python API takes.

One file a command; each is imported when its command is given, and what is heavy when the command is carried out.
"""

import errno
import importlib
import io
import os
import re
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from imitax.errors import ConfigError, ImitaxError, printable, unknown

COMMANDS = {
    "train": "train",
    "eval": "evaluate",
    "collect": "collect",
    "datasets": "datasets",
    "select": "select",
    "reward": "reward",
    "export": "export",
    "video": "video",
    "push": "push",
    "pull": "pull",
    "plot": "plot",
    "compare": "compare",
    "report": "report",
    "completion": "completion",
}
"""Commands, and the module of each."""

REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
}
"""What to do about errors of writing, by their numbers."""

USAGE = """usage: imitax COMMAND ...

commands:
  train ALGORITHM   train a policy
  train --resume    continue an interrupted run, or extend it with --steps
  eval RUN          roll out a run's policies on fresh episodes
  collect RUN       roll out a saved policy into a dataset
  datasets          list, show, validate or examine demonstrations
  select RUN        take one of the policies of a run's evaluations
  reward            judge a learned reward, or train a new policy on it
  export RUN        write a policy for NumPy alone, or as ONNX
  video RUN         film a policy
  push RUN REPO     put a run on the Hugging Face hub
  pull REPO         fetch a run from there
  plot RUN ...      draw learning curves and training metrics
  compare RUN ...   which run is better, and whether the seeds are enough to say so
  report RUN ...    write one HTML page about runs
  completion SHELL  print what completes commands and flags in bash or zsh

algorithms: {algorithms}

imitax COMMAND --help explains the flags; imitax train ALGORITHM --help those that matter for an algorithm, --help-all
all of them.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `imitax`; bad input ends with a message and status 2, without a traceback."""
    args = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.showwarning = _show_warning
    _escape_what_cannot_be_shown()
    try:
        status = dispatch(args)
        sys.stdout.flush()
        sys.exit(status)
    except ImitaxError as e:
        print(f"imitax: {e}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as e:
        print(f"imitax: {str(e) or 'interrupted'}", file=sys.stderr, flush=True)
        if argv is None:  # the process is ours: leave without tearing down what XLA's threads still compile
            os._exit(130)
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as e:  # a full disk, a name too long, a folder without permission
        print(f"imitax: {os_problem(e)}", file=sys.stderr)
        sys.exit(2)


def os_problem(error: OSError) -> str:
    """What the operating system did not do, in one line."""
    where = "" if error.filename is None else f"{printable(str(error.filename))}: "
    remedy = REMEDIES.get(error.errno or 0, "")
    after = "then go on with imitax train --resume; files are written whole or not at all"
    return f"{where}{error.strerror or error}" + (f"; {remedy}, {after}" if remedy else "")


def _escape_what_cannot_be_shown() -> None:
    r"""Let the standard streams write \xe9 where their encoding lacks a character of a path, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _show_warning(message: Warning | str, *where: Any, **_: Any) -> None:
    """One line, without the place in the library's source."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(message))  # Gymnasium's are in colour
    print(f"imitax: warning: {printable(plain)}", file=sys.stderr)


def dispatch(args: list[str]) -> int:
    """Run one command; returns its exit status."""
    if not args or args[0] in ("-h", "--help", "--help-all", "help"):
        from imitax.cli.names import algorithms_and_aliases

        print(USAGE.format(algorithms=algorithms_and_aliases()), end="")
        return 0 if args else 2
    if args[0] == "--version":
        from imitax import __version__

        print(__version__)
        return 0
    command, rest = args[0], args[1:]
    if command not in COMMANDS:
        raise ConfigError(unknown("command", repr(command), COMMANDS))
    _import_from_here(rest)
    return importlib.import_module(f"imitax.cli.{COMMANDS[command]}").run(rest)


def _import_from_here(args: Sequence[str]) -> None:
    """Let `--env module:Name-v0` name a module in the working directory, as `python -m` does; it is searched last."""
    after = [b for a, b in pairwise(args) if a == "--env"]
    given = [*after, *(a.removeprefix("--env=") for a in args if a.startswith("--env="))]
    if any(":" in name for name in given) and not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
