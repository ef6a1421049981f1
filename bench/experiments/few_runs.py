"""What small experiments share: flags, and runs that are trained unless they have finished."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imitax
from imitax.errors import ConfigError
from imitax.files import append_line, read_lines


def options(description: str | None, folder: str, methods: Sequence[str]) -> argparse.ArgumentParser:
    """The command line of an experiment.

    Args:
        description: of the script.
        folder: default folder of its runs.
        methods: that it compares.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(folder))
    parser.add_argument("--results", type=Path, default=None, help="append one line a run to this file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--episodes", type=int, default=10, help="demonstrations")
    parser.add_argument("--eval-episodes", type=int, default=20)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps, to try the script")
    parser.add_argument("--methods", nargs="+", default=list(methods), choices=list(methods))
    return parser


def finished(name: str, cfg: Any, args: argparse.Namespace, steps: int, **given: Any) -> imitax.Run:
    """The run of this name, which is trained unless it has finished.

    Args:
        name: of its folder.
        cfg: of the algorithm.
        args: of the command line that `options` describes.
        steps: of the whole experiment.
        given: more arguments of `imitax.train`. There are four evaluations, if they do not say otherwise.
    """
    out = args.out / name
    chunk = given.setdefault("chunk", 50)
    steps = max(chunk, int(steps * args.share) // chunk * chunk)
    if (out / "summary.json").exists():
        run = imitax.Run(out)
        if (run.config["training"]["steps"], run.seeds) != (steps, tuple(args.seeds)):
            raise ConfigError(f"{out} holds a run of another length or other seeds: give another --out")
        return run
    given.setdefault("eval_every", max(chunk, steps // 4 // chunk * chunk))
    return imitax.train(
        cfg,
        out=out,
        overwrite=True,
        steps=steps,
        seeds=tuple(args.seeds),
        checkpoint_every=steps,
        eval_episodes=args.eval_episodes,
        results=args.results,
        **given,
    )


def append_new(results: Path | None, lines: Sequence[dict[str, Any]]) -> None:
    """Append the lines that a file of results does not have; nothing without a file."""
    if results is None:
        return
    known = read_lines(results) if results.exists() else []
    for line in lines:
        if line not in known:
            append_line(results, line)
