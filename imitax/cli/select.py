"""`imitax select`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from imitax.cli.parsing import parse


@dataclass(frozen=True)
class Select:
    """Take one of the policies of a run's evaluations, with or without the environment's reward.

    It is what `--which selected` is afterwards. The last line of the output is one JSON object.
    """

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    by: Annotated[str, tyro.conf.arg(metavar="RULE")]
    """last; best (the return of evaluations); validation (log-likelihood of held-out episodes); validation_error (of
    their actions); learned_reward (of rollouts); agreement (of rollouts with the demonstrations)."""
    others: bool = False
    """Score the other rules too, as far as they can be used."""
    episodes: int = 10
    """Episodes of each policy's rollouts."""
    demos: str | None = None
    """Episodes to compare with in place of the run's own, as in training: none counts as learned from."""
    write: bool = True
    """Write what is selected; --no-write only scores."""
    env: str | None = None
    """The environment's id, where the run's own is not to be used, or is to be trusted: see `--trust-env`."""
    trust_env: bool = False
    """Use the environment that the run names although importing it may run its code: for runs of others."""
    json: bool = False
    """Print nothing but the JSON object."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Select = parse(Select, args, "imitax select")
    from rich.console import Console
    from rich.markup import escape

    from imitax.files import plain
    from imitax.record import choice_table
    from imitax.run import Run

    run = Run(order.run, env=order.env, trust_env=order.trust_env)
    choice = run.select(order.by, others=order.others, episodes=order.episodes, demos=order.demos, write=order.write)
    result: dict[str, Any] = {"rule": choice.rule, "steps": choice.steps, "scores": choice.scores}
    if not order.json:
        chosen = {rule: choice.by(rule) for rule in choice.known}
        title = f"{run.config['algorithm']}, selected by {choice.rule}"
        Console().print(choice_table(choice.rule, chosen, choice.scores, escape(title)))
        for rule, why in choice.left_out.items():
            print(f"{rule} has no scores: {why}")
    print(json.dumps(plain(result | {"left_out": choice.left_out})))
    return 0
