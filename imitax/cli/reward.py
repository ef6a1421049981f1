"""`imitax reward`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from imitax.cli.parsing import parse
from imitax.errors import ConfigError, unknown

if TYPE_CHECKING:
    from imitax.statistics import Estimate

USAGE = """usage: imitax reward ACTION RUN ...

actions:
  evaluate RUN   compare the reward that a run learned with the environment's own
  retrain RUN    train SAC from scratch on it, in the run's environment or in another

imitax reward ACTION --help explains the flags.
"""

INTERVALS = "95 % intervals over episodes; -: rewards are constant, or there is one episode"


@dataclass(frozen=True)
class RewardEvaluate:
    """Compare the reward that a run learned with the environment's own."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    data: tuple[str, ...] = ()
    """More sets of episodes with recorded rewards to compare on: files, names or Minari ids."""
    demos: str | None = None
    """Demonstrations, where the run's own cannot be found."""
    episodes: int = 20
    """Fresh episodes of the run's policy, and of random actions; 0 takes none."""
    seed: int | None = None
    """Whose reward of the run; its first seed's when not given."""
    env: str | None = None
    """The environment's id, where the run's own is not to be used, or is to be trusted: see `--trust-env`."""
    trust_env: bool = False
    """Use the environment that the run names although importing it may run its code: for runs of others."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class RewardRetrain:
    """Train SAC from scratch on the reward that a run learned, and compare it with the run's own policy."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    out: Path
    """Folder for the new runs, one a seed. Of those in it, finished ones are kept, and interrupted ones go on."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of the new policies. Each takes the reward of the run's seed of the same number, or of its first."""
    steps: int = 300_000
    """Environment steps of each."""
    env: str | None = None
    """Another environment, with changed dynamics; the run's own when not given."""
    combine: Literal["mean", "minimum", "pessimistic"] | None = None
    """How the members of an ensemble of rewards count as one; as in the run when not given."""
    eval_episodes: int = 20
    """Episodes of each evaluation."""
    results: Path | None = None
    """Append a line a seed to this file of results."""
    quiet: bool = False
    """Show no progress."""
    json: bool = False
    """Print JSON."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    if not args or args[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0 if args else 2
    if args[0] not in ACTIONS:
        raise ConfigError(unknown("action of imitax reward", repr(args[0]), ACTIONS))
    return ACTIONS[args[0]](args[1:])


def evaluate(args: Sequence[str]) -> int:
    """`imitax reward evaluate`."""
    order = parse(RewardEvaluate, args, "imitax reward evaluate")
    if order.episodes < 0:
        raise ConfigError(f"--episodes must not be negative, got {order.episodes}")
    from imitax.files import plain
    from imitax.rewards import evaluate_reward
    from imitax.run import Run

    opened = Run(order.run, env=order.env, trust_env=order.trust_env)
    found = evaluate_reward(opened, order.data, episodes=order.episodes, seed=order.seed, demos=order.demos)
    if order.json:
        print(json.dumps(plain(found)))
    else:
        _print_judgement(found, f"{opened.config['algorithm']} {opened.task.label}")
    return 0


def retrain(args: Sequence[str]) -> int:
    """`imitax reward retrain`."""
    order = parse(RewardRetrain, args, "imitax reward retrain")
    from imitax.files import plain
    from imitax.rewards import retrain as train_again
    from imitax.run import Run

    options = {"eval_episodes": order.eval_episodes, "results": order.results, "quiet": order.quiet}
    options |= {"reward_combine": order.combine}
    opened = Run(order.run)
    found = train_again(opened, order.out, seeds=order.seeds, steps=order.steps, env=order.env, **options)
    if order.json:
        print(json.dumps(plain(found)))
        return 0
    for name, title in (("retrained", "SAC on the learned reward"), ("own", "the run's own policy")):
        score = found[name]
        fraction = score["expert_fraction"]
        share = "" if fraction is None else f", {fraction:.3f} of the demonstrations' return"
        print(f"{title}: return {score['iqm']:,.1f} (IQM of {len(score['per_seed'])} seeds){share}")
    return 0


def _print_judgement(found: Mapping[str, Any], title: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(f"learned reward of {title} against the environment's"), caption=INTERVALS)
    table.add_column("episodes")
    names = {"pearson": "Pearson", "spearman": "Spearman", "starc": "STARC", "kendall": "Kendall's tau"}
    for heading in names.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in (*found["sets"].items(), ("all together", found["all"])):
        about = f"\n{row['episodes']:,}, return {row['return']:,.0f}" if "episodes" in row else ""
        cells = [_estimate(row[key]).replace(" (", "\n").rstrip(")").replace(" to ", ", ") for key in names]
        table.add_row(escape(name) + about, *cells)
    Console().print(table)
    for margin in found["margins"]:
        print(
            f"noise of {margin.noise:g} half-widths on demonstrated actions: the demonstrated one is preferred in "
            f"{margin.preferred.value:.0%} of the steps, by {_estimate(margin.margin)} standard deviations"
        )
    if "calibration" in found:
        rank = _estimate(found["calibration"]["all"])
        print(f"rank correlation of the ensemble's disagreement with the reward's error: {rank}")


def _estimate(estimate: "Estimate") -> str:
    if isnan(estimate.value):
        return "-"
    return f"{estimate.value:.2f}" + ("" if isnan(estimate.low) else f" ({estimate.low:.2f} to {estimate.high:.2f})")


ACTIONS = {"evaluate": evaluate, "retrain": retrain}
"""What `imitax reward` does, by the name of the action."""
ORDERS = {"evaluate": RewardEvaluate, "retrain": RewardRetrain}
"""The class of each action's flags."""
