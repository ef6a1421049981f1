"""`imitax eval`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from imitax.cli.parsing import parse
from imitax.errors import ConfigError


@dataclass(frozen=True)
class Evaluate:
    """Roll out a run's policies on fresh episodes; the last line of the output is one JSON object.

    The policies of a run without an environment are compared with the recorded actions of its held-out episodes.
    """

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    episodes: int = 20
    """Episodes a seed."""
    which: Annotated[str, tyro.conf.arg(metavar="{last,best,selected}")] = "last"
    """The last policies, those with the best evaluation, or the selected ones (`imitax select`)."""
    sample: bool = False
    """Sampled actions instead of the deterministic mode."""
    index: int = 1
    """Which set of episodes; 0 is the one that training evaluated on, every other is fresh."""
    inference: Annotated[str | None, tyro.conf.arg(metavar="{dfo,langevin,actor_mean,actor_polish}")] = None
    """Another way for implicit policies (ibc) to find their action than the run's own."""
    env_workers: int = 0
    """Processes that step environments beside the main process, of which cores - 1 are of use; changes no score."""
    demos: str | None = None
    """Recorded episodes to compare actions with, in place of rollouts: a file or a name, as in training."""
    env: str | None = None
    """The environment's id, where the run's own is not to be used, or is to be trusted: see `--trust-env`."""
    trust_env: bool = False
    """Use the environment that the run names although importing it may run its code: for runs of others."""
    json: bool = False
    """Print nothing but the JSON object."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Evaluate = parse(Evaluate, args, "imitax eval")
    if order.episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, got {order.episodes}")
    if order.env_workers < 0:
        raise ConfigError(f"--env-workers must not be negative, got {order.env_workers}")
    from rich.console import Console
    from rich.markup import escape

    from imitax.files import plain
    from imitax.record import score_table
    from imitax.run import Run

    run = Run(order.run, env=order.env, trust_env=order.trust_env)
    result = run.evaluate(
        order.episodes,
        which=order.which,
        sample=order.sample,
        index=order.index,
        inference=order.inference,
        env_workers=order.env_workers,
        demos=order.demos,
    )
    if not order.json and "error" in result:
        from imitax.record import error_table

        title = f"{run.config['algorithm']}, {result['episodes']} {result['measured_on']}"
        Console().print(error_table({order.which: result}, escape(title), {}, result["error_of"]))
    elif not order.json:
        rows = [entry | {"label": order.which} for entry in result["per_seed"]]
        Console().print(score_table(rows, title=escape(f"{run.config['algorithm']} {run.task.label}")))
    print(json.dumps(plain(result)))
    return 0
