"""The demo: behaviour cloning of a hopper from ten demonstrations, three seeds at once.

`make demo`, or `python -m bench.experiments.demo`. It trains, prints the scores, and says where the learning curve, the
policies and the summary are.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from imitax.datasets import Source
from imitax.errors import ImitaxError
from imitax.files import from_here
from imitax.record import score_table
from imitax.run import Run
from imitax.training.entry import train

FOLDER = Path("runs/demo")
STEPS = 20_000
EPISODES = 10
SEEDS = (0, 1, 2)
EVAL_EPISODES = 20


def main() -> None:
    """Run the demo; an error ends it with a message and status 2."""
    try:
        demo()
    except ImitaxError as error:
        print(f"imitax: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("imitax: interrupted; the next demo starts in a fresh folder", file=sys.stderr)
        sys.exit(130)


def demo(
    demos: Source = "hopper-expert",
    *,
    out: Path = FOLDER,
    steps: int = STEPS,
    console: Console | None = None,
    **training: Any,
) -> Run:
    """Train, and print the scores and the locations of the files.

    Args:
        demos: demonstrations of Hopper-v5, anything that `imitax.datasets.load` accepts.
        out: folder of the run; if it exists, `out-2`, `out-3`, ...
        steps: updates.
        console: console to print to.
        training: fields of `imitax.Training` that override those of the demo.
    """
    console = console or Console()
    folder = fresh_folder(out)
    if folder != out:
        console.print(f"{out} exists, so this demo goes to {folder}.", highlight=False, soft_wrap=True)
    console.print(
        f"Behaviour cloning on Hopper-v5: {EPISODES} demonstrations, {len(SEEDS)} seeds, {steps:,} updates.",
        highlight=False,
        soft_wrap=True,
    )
    options = {"episodes": EPISODES, "seeds": SEEDS, "eval_episodes": EVAL_EPISODES} | training
    run = train("bc", env="Hopper-v5", demos=demos, out=folder, steps=steps, **options)
    report(run, console)
    return run


def fresh_folder(folder: Path) -> Path:
    """`folder` if it does not exist, else the first of `folder-2`, `folder-3`, ... that does not."""
    fresh, number = folder, 1
    while fresh.exists():
        number += 1
        fresh = folder.with_name(f"{folder.name}-{number}")
    return fresh


def report(run: Run, console: Console) -> None:
    """Print the scores of the last and the best policies of a run, and the locations of its files."""
    summary = run.summary
    console.print()
    console.print(
        score_table(
            list(score_rows(run)),
            title=f"{summary['algorithm']} on {summary['env']}, {summary['eval_episodes']} episodes per seed",
        )
    )
    lines = [
        "last: the policy after the last update. best: the evaluation with the highest return, chosen in hindsight.",
        "IQM: interquartile mean across seeds (the plain mean of three), with its 95 % bootstrap interval; three seeds",
        "say little about the tails, so the interval is too narrow.",
        f"of demonstrations: share of the demonstrations' mean return, {summary['expert_return']:,.0f}."
        if summary["expert_return"] is not None
        else "of demonstrations: unknown, because the demonstrations record no rewards.",
        "D4RL: 0 is a random policy, 100 D4RL's expert.",
        "",
        f"learning curve  {run.folder / 'figures' / 'learning-curve.png'}",
        f"saved policy    {run.seed_folder() / 'policy.safetensors'}  (best: policy-best.safetensors beside it)",
        f"summary         {run.folder / 'summary.json'}",
        f"training time   {summary['wall_s']:,.0f} s, evaluations included",
        "",
        f"Evaluate it on fresh episodes:  .venv/bin/imitax eval {from_here(run.folder)}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def score_rows(run: Run) -> Iterator[dict[str, Any]]:
    """Rows for `score_table`: the last evaluation of each seed, then the best of each seed."""
    evaluations = {seed: [line for line in run.metrics(seed) if line["kind"] == "eval"] for seed in run.seeds}
    for lines in evaluations.values():
        yield lines[-1] | {"label": "last"}
    for seed, lines in evaluations.items():
        best_step = run.summary["best_steps"][str(seed)]
        yield from (line | {"label": "best"} for line in lines if line["step"] == best_step)


if __name__ == "__main__":
    main()
