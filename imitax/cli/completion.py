"""`imitax completion`: what completes commands, algorithms and flags in a shell."""

import importlib
from collections.abc import Sequence

from imitax.catalogue import ALIASES, bundled
from imitax.cli.names import algorithm_names
from imitax.errors import ConfigError

BASH = """_imitax() {
  COMPREPLY=($(compgen -W "$(imitax completion words -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" \\
    -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _imitax imitax
"""

CLASSES = {
    "eval": ("evaluate", "Evaluate"),
    "collect": ("collect", "Collect"),
    "export": ("export", "Export"),
    "video": ("video", "Video"),
    "push": ("push", "Push"),
    "pull": ("pull", "Pull"),
    "plot": ("plot", "Plot"),
    "compare": ("compare", "Compare"),
    "report": ("report", "Report"),
    "datasets": ("datasets", "Datasets"),
}
"""Commands without subcommands: where the class of their flags is."""

SCRIPTS = {"bash": BASH, "zsh": "autoload -U +X bashcompinit && bashcompinit\n" + BASH}


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    if args and args[0] == "words":
        print("\n".join(words(list(args[2:]))))
        return 0
    if len(args) == 1 and args[0] in SCRIPTS:
        print(SCRIPTS[args[0]], end="")
        return 0
    if args and args[0] in ("-h", "--help"):
        print('usage: imitax completion {bash,zsh}\n\nIn a shell\'s start-up file: eval "$(imitax completion bash)"')
        return 0
    raise ConfigError('give bash or zsh: eval "$(imitax completion bash)"')


def words(before: list[str]) -> list[str]:
    """What may follow the words after `imitax`."""
    from imitax.cli import COMMANDS

    if not before:
        return [*COMMANDS, "--help", "--version"]
    if before[-1] in ("--demos", "--offline-data"):
        return bundled()
    command, rest = before[0], before[1:]
    if command == "datasets" and not rest:
        from imitax.cli.datasets import ACTIONS

        return list(ACTIONS)
    if command == "reward" and not rest:
        from imitax.cli.reward import ACTIONS

        return list(ACTIONS)
    if command == "completion":
        return list(SCRIPTS)
    if command == "train" and not rest:
        return [*algorithm_names(), *ALIASES, "--resume"]
    return _flags(command, rest)


def _flags(command: str, rest: list[str]) -> list[str]:
    from imitax.cli.parsing import flags

    if command == "train" and "--resume" in rest:
        from imitax.cli.resume import Resume as cls
    elif command == "train":
        from imitax.catalogue import split_alias
        from imitax.cli.train import job_class
        from imitax.training.entry import find

        algorithm = find(split_alias(rest[0])[0])
        cls = job_class(algorithm, "default", algorithm.PRESETS["default"])
    elif command == "reward":
        from imitax.cli.reward import ORDERS

        cls = ORDERS.get(rest[0], ORDERS["evaluate"])
    else:
        module, name = CLASSES.get(command, CLASSES["datasets"])
        cls = getattr(importlib.import_module(f"imitax.cli.{module}"), name)
    return [*flags(cls), "--help"]
