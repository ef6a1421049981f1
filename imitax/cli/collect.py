"""`imitax collect`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from imitax.cli.parsing import parse
from imitax.errors import ConfigError, DataError


@dataclass(frozen=True)
class Collect:
    """Roll out a saved policy into a dataset."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    out: str
    """A file name ending in .hdf5 (D4RL layout), or the id of a Minari dataset such as hopper/mine-v0."""
    episodes: int = 25
    """Episodes to keep."""
    seed: int = 0
    """Decides the environments' seeds and the noise of sampled actions."""
    policy_seed: int | None = None
    """Which seed's policy of the run; its first when not given."""
    which: Annotated[str, tyro.conf.arg(metavar="{last,best,selected}")] = "last"
    """The last policy, the one with the best evaluation, or the selected one (`imitax select`)."""
    deterministic: bool = False
    """Take the policy's mode instead of samples."""
    full_length_only: bool = False
    """Keep only episodes that ran to the time limit."""
    min_return: float | None = None
    """Keep only episodes with at least this return."""
    env: str | None = None
    """The environment's id, where the run's own is not to be used, or is to be trusted: see `--trust-env`."""
    trust_env: bool = False
    """Use the environment that the run names although importing it may run its code: for runs of others."""


def run(args: Sequence[str]) -> int:
    """Carry the command out; returns its exit status."""
    order: Collect = parse(Collect, args, "imitax collect")
    if order.episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, got {order.episodes}")
    is_file = order.out.endswith((".hdf5", ".h5"))
    if is_file and Path(order.out).exists():
        raise ConfigError(f"{order.out} exists already: choose another --out")
    from imitax.datasets import collect, save_d4rl, save_minari
    from imitax.datasets.minari_io import new_minari
    from imitax.run import Run
    from imitax.training.provenance import commit

    if not is_file:
        try:  # before anything is played
            new_minari(order.out)
        except DataError as e:
            raise ConfigError(f"--out is a file that ends in .hdf5 or .h5, or a new Minari id: {e}") from e
    run = Run(order.run, env=order.env, trust_env=order.trust_env)
    act = run.actor(order.policy_seed, order.which, None if order.deterministic else order.seed)
    data = collect(
        act,
        run.task,
        episodes=order.episodes,
        seed=order.seed,
        full_length_only=order.full_length_only,
        min_return=order.min_return,
        name=Path(order.out).stem if is_file else order.out,
    )
    about = {
        "algorithm": run.config["algorithm"],
        "policy_seed": str(run.seeds[0] if order.policy_seed is None else order.policy_seed),
        "policy": order.which,
        "policy_commit": run.config["commit"],
        "commit": commit(),
        "actions": "mode" if order.deterministic else "sampled",
        "training_steps": str(run.about(order.policy_seed, order.which).get("step")),
    }
    data = replace(data, attributes=data.attributes | about)
    if is_file:
        save_d4rl(data, order.out)
    else:
        save_minari(data, order.out)
    print(f"{order.out}: {len(data.episodes)} episodes, return {data.returns.mean():,.1f} ± {data.returns.std():,.1f}")
    return 0
