"""`imitax video`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from imitax.cli.parsing import parse


@dataclass(frozen=True)
class Video:
    """Film a policy in its environment, without a display."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    episodes: int = 1
    """Episodes, one after the other."""
    out: Path | None = None
    """A file name ending in .mp4 or .gif; video.mp4 in the run's folder when not given."""
    seed: int = 0
    """Decides the environment's seeds: 0 films the first of the fresh episodes on which `imitax eval` scores seed 0."""
    policy_seed: int | None = None
    """Which seed's policy of the run; its first when not given."""
    which: Annotated[str, tyro.conf.arg(metavar="{last,best,selected}")] = "last"
    """The last policy, the one with the best evaluation, or the selected one (`imitax select`)."""
    env: str | None = None
    """The environment's id, where the run's own is not to be used, or is to be trusted: see `--trust-env`."""
    trust_env: bool = False
    """Use the environment that the run names although importing it may run its code: for runs of others."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Video = parse(Video, args, "imitax video")
    from imitax.envs.rendering import prepare

    prepare()  # before MuJoCo is imported
    from imitax.run import Run

    run = Run(order.run, env=order.env, trust_env=order.trust_env)
    made = run.video(
        order.out, episodes=order.episodes, seed=order.seed, policy_seed=order.policy_seed, which=order.which
    )
    returns = ", ".join(f"{x:,.1f}" for x in made.returns)
    print(f"{made.path}: {made.frames} frames, {made.fps:g} a second; return {returns}")
    return 0
